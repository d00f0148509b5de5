//! The provider's settings: where it listens, whom it knows, how long things live, how many.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
};

use aws_lc_rs::digest::{SHA256, digest};

use super::{IdpError, random, resource};
use crate::{
    secret::Secret,
    units::{ByteSize, HumanDuration},
};

/// Settings of the embedded provider. [`Config::dev_defaults`] is what `usher dev` starts with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Loopback address and port; port 0 takes a free one. Default `127.0.0.1:3002`.
    pub listen: SocketAddr,
    /// Who can sign in. At least one.
    pub users: Vec<User>,
    /// The first-party client: users are not asked for their consent.
    pub official_client: OfficialClient,
    /// Resource indicators (RFC 8707) for which JWT access tokens are issued, written as the
    /// resource itself writes them. May be handed in after binding, see
    /// [`BoundIdp::serve`](super::BoundIdp::serve). The first is the `aud` of opaque tokens when
    /// asked about by introspection.
    pub resources: Vec<String>,
    /// The protected resource's own credential for the introspection endpoint; with it, it may ask
    /// about every token. Default none.
    pub resource_server: Option<ResourceServer>,
    /// Clients that are described by a document of their own.
    pub client_documents: ClientDocuments,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// How many there may be.
    pub limits: Limits,
    /// Whether the sign-in page shows the first user's name and password. Default true, since
    /// everybody who can reach the page is at this machine.
    pub demo_hint: bool,
}

/// Somebody who can sign in.
#[derive(Debug, Clone)]
pub struct User {
    /// `sub`: stable, says nothing about the person.
    pub subject: String,
    /// What is typed at sign-in; also `preferred_username`.
    pub username: String,
    /// Compared in constant time.
    pub password: Secret,
    /// `name`, for those who were granted `profile`.
    pub name: String,
    /// `email` (always `email_verified`), for those who were granted `email`.
    pub email: String,
}

/// The first-party client: public, with PKCE, on this machine.
#[derive(Debug, Clone)]
pub struct OfficialClient {
    /// Default `official-app`.
    pub client_id: String,
    /// Default `Usher Official App`.
    pub name: String,
    /// Loopback redirect URIs; any port is taken (RFC 8252 §7.3). Default: `/callback` and
    /// `/oauth/callback` on `127.0.0.1`, `localhost` and `[::1]`, which the usual clients use.
    pub redirect_uris: Vec<String>,
}

/// Client ID metadata documents: a `client_id` that is the URL where a client's metadata is
/// (draft-ietf-oauth-client-id-metadata-document). Each is read from where the client says, without
/// redirects, from public addresses only.
#[derive(Debug, Clone)]
pub struct ClientDocuments {
    /// Whether documents on this machine are read too, by http as well, which the draft does not
    /// have: agents in development have no other place. Default false; [`Config::dev_defaults`] sets
    /// it, since who can reach the provider is on this machine too.
    pub loopback: bool,
    /// From the first byte sent to the last byte read. Above zero; default 3 s.
    pub deadline: HumanDuration,
    /// Largest document. Default 5 KiB, as the draft advises.
    pub bytes_max: ByteSize,
    /// Shortest time for which a copy is used, whatever its `Cache-Control` says: long enough for the
    /// sign-in that it was read for. Default 1 min.
    pub kept_at_least: HumanDuration,
    /// Longest time. Default 1 d.
    pub kept_at_most: HumanDuration,
}

/// A credential for the introspection endpoint (RFC 7662 §2.1).
#[derive(Debug, Clone)]
pub struct ResourceServer {
    /// Sent as user name of Basic authentication, or as `client_id`.
    pub client_id: String,
    /// Sent as password, or as `client_secret`.
    pub client_secret: Secret,
}

/// Life spans. At least a second each, but for `refresh_reuse`, and counted in whole seconds.
#[derive(Debug, Clone)]
pub struct Lifetimes {
    /// Access tokens of both kinds, and ID tokens. Default 1 h.
    pub access_token: HumanDuration,
    /// Authorization codes. Default 60 s.
    pub code: HumanDuration,
    /// Refresh tokens, each counted from its own issue. Default 14 d.
    pub refresh_token: HumanDuration,
    /// How long a used refresh token is still taken, for a client that lost the answer.
    /// May be zero; default 3 s, as Logto's.
    pub refresh_reuse: HumanDuration,
    /// From the authorization request to its answer: time for the user. Default 10 min.
    pub transaction: HumanDuration,
    /// A browser's sign-in. Default 1 d.
    pub session: HumanDuration,
    /// How long a consent is remembered. Default 30 d.
    pub consent: HumanDuration,
    /// A registration that is not used. Default 90 d.
    pub client: HumanDuration,
    /// How long an account takes no password after too many wrong ones; also the window in which
    /// wrong ones are counted. Default 15 min.
    pub lockout: HumanDuration,
}

/// Counts. When a table is full, what has expired makes room; if nothing has, the request is
/// refused as `temporarily_unavailable` (503) and nothing is forgotten that is still good.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Registered clients. Default 10,000.
    pub clients: usize,
    /// Registrations taken in a minute; the next is a 429. Default 120.
    pub registrations_per_minute: u32,
    /// Copies of clients' documents; in a full table the one that expires next makes room, since it can
    /// be read again. Default 1,000.
    pub client_documents: usize,
    /// Documents read in a minute; for the next client it is a 503. Default 60.
    pub client_documents_per_minute: u32,
    /// Authorization requests waiting for their user. Default 10,000.
    pub transactions: usize,
    /// Browsers known by their cookie. Default 10,000.
    pub browsers: usize,
    /// Remembered consents. Default 10,000.
    pub consents: usize,
    /// Grants: what users agreed to, with live tokens behind. Default 50,000.
    pub grants: usize,
    /// Authorization codes. Default 10,000.
    pub codes: usize,
    /// Access tokens alive. Default 100,000.
    pub access_tokens: usize,
    /// Refresh tokens, used ones included until they expire. Default 100,000.
    pub refresh_tokens: usize,
    /// Wrong passwords for one account before it is locked. Default 10.
    pub wrong_passwords_per_account: u32,
    /// Wrong passwords for all accounts together before sign-in is a 429. Default 50.
    pub wrong_passwords_overall: u32,
}

impl Config {
    /// What `usher dev` starts with: the user `demo` with the password `demo`.
    #[must_use]
    pub fn dev_defaults() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 3002)),
            users: vec![User::new("demo", "demo", "Demo User", "demo@example.com")],
            official_client: OfficialClient::default(),
            resources: Vec::new(),
            resource_server: None,
            client_documents: ClientDocuments {
                loopback: true,
                ..ClientDocuments::default()
            },
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
            demo_hint: true,
        }
    }

    /// Refuses what could not work.
    pub(super) fn check(&self) -> Result<(), IdpError> {
        if !self.listen.ip().is_loopback() {
            return Err(IdpError::NotLoopback(self.listen));
        }
        if self.users.is_empty() {
            return Err(IdpError::NoUser);
        }
        let mut names = HashSet::new();
        if let Some(twice) = self.users.iter().find(|user| !names.insert(&user.username)) {
            return Err(IdpError::UserTwice(twice.username.clone()));
        }
        self.resources
            .iter()
            .try_for_each(|resource| resource::check(resource))?;
        self.lifetimes.check()
    }
}

impl Lifetimes {
    fn check(&self) -> Result<(), IdpError> {
        let named = [
            ("access_token", self.access_token),
            ("code", self.code),
            ("refresh_token", self.refresh_token),
            ("transaction", self.transaction),
            ("session", self.session),
            ("consent", self.consent),
            ("client", self.client),
            ("lockout", self.lockout),
        ];
        match named.iter().find(|(_, span)| span.get().as_secs() == 0) {
            Some((name, _)) => Err(IdpError::Lifetime(name)),
            None => Ok(()),
        }
    }
}

impl User {
    /// A user whose subject is made from the user name, so that it survives a restart.
    #[must_use]
    pub fn new(username: &str, password: &str, name: &str, email: &str) -> Self {
        Self {
            subject: random::shortened(digest(&SHA256, username.as_bytes()).as_ref()),
            username: username.to_owned(),
            password: Secret::new(password),
            name: name.to_owned(),
            email: email.to_owned(),
        }
    }
}

impl Default for OfficialClient {
    fn default() -> Self {
        let hosts = ["127.0.0.1", "localhost", "[::1]"];
        let paths = ["/callback", "/oauth/callback"];
        Self {
            client_id: "official-app".to_owned(),
            name: "Usher Official App".to_owned(),
            redirect_uris: hosts
                .iter()
                .flat_map(|host| paths.iter().map(move |path| format!("http://{host}{path}")))
                .collect(),
        }
    }
}

impl Default for ClientDocuments {
    fn default() -> Self {
        Self {
            loopback: false,
            deadline: HumanDuration::from_secs(3),
            bytes_max: ByteSize::from_kib(5),
            kept_at_least: HumanDuration::from_secs(60),
            kept_at_most: HumanDuration::from_secs(86_400),
        }
    }
}

impl ResourceServer {
    /// A credential with a fresh secret, for a resource server in the same process.
    ///
    /// # Errors
    /// [`IdpError::Randomness`].
    pub fn generate(client_id: &str) -> Result<Self, IdpError> {
        Ok(Self {
            client_id: client_id.to_owned(),
            client_secret: Secret::new(random::token()?),
        })
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        let day = 86_400;
        Self {
            access_token: HumanDuration::from_secs(3_600),
            code: HumanDuration::from_secs(60),
            refresh_token: HumanDuration::from_secs(14 * day),
            refresh_reuse: HumanDuration::from_secs(3),
            transaction: HumanDuration::from_secs(600),
            session: HumanDuration::from_secs(day),
            consent: HumanDuration::from_secs(30 * day),
            client: HumanDuration::from_secs(90 * day),
            lockout: HumanDuration::from_secs(900),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: 10_000,
            registrations_per_minute: 120,
            client_documents: 1_000,
            client_documents_per_minute: 60,
            transactions: 10_000,
            browsers: 10_000,
            consents: 10_000,
            grants: 50_000,
            codes: 10_000,
            access_tokens: 100_000,
            refresh_tokens: 100_000,
            wrong_passwords_per_account: 10,
            wrong_passwords_overall: 50,
        }
    }
}
