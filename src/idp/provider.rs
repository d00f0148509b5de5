//! The provider: settings, key and tables, shared by all endpoints.
//!
//! One lock guards all tables, so that a code can't be used twice at once and a grant is revoked
//! whole. It is held for plain map operations and one signature, never across an await.

use std::sync::{Mutex, MutexGuard, PoisonError};

use subtle::ConstantTimeEq;

use super::{
    Config, IdpError, User,
    browser::{self, Browsers},
    clients::Clients,
    consents::Consents,
    documents::Documents,
    grants::Grants,
    interaction::Transaction,
    keys::SigningKey,
    lockout::Lockout,
    random::Digest,
    registration::Window,
    table::Table,
};
use crate::{
    auth::Owner,
    telemetry::audit::{self, Caller},
    time::Clock,
};

/// Everything an endpoint needs.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) config: Config,
    pub(super) clock: Clock,
    /// `http://HOST:PORT/oidc`.
    pub(super) issuer: String,
    pub(super) port: u16,
    pub(super) cookie_name: String,
    pub(super) key: SigningKey,
    pub(super) documents: Documents,
    state: Mutex<State>,
}

/// What changes.
#[derive(Debug)]
pub(super) struct State {
    pub(super) clients: Clients,
    pub(super) browsers: Browsers,
    pub(super) transactions: Table<Digest, Transaction>,
    pub(super) consents: Consents,
    pub(super) grants: Grants,
    pub(super) lockout: Lockout,
    pub(super) registrations: Window,
    pub(super) document_reads: Window,
}

impl Provider {
    pub(super) fn new(
        config: Config,
        clock: Clock,
        issuer: String,
        port: u16,
    ) -> Result<Self, IdpError> {
        let (limits, lifetimes) = (&config.limits, &config.lifetimes);
        let state = State {
            clients: Clients::new(&config)?,
            browsers: Browsers::new(limits.browsers, lifetimes),
            transactions: Table::new(limits.transactions),
            consents: Consents::new(limits.consents, lifetimes.consent),
            grants: Grants::new(limits, lifetimes),
            lockout: Lockout::new(limits, lifetimes),
            registrations: Window::new(limits.registrations_per_minute),
            document_reads: Window::new(limits.client_documents_per_minute),
        };
        Ok(Self {
            cookie_name: browser::cookie_name(port),
            key: SigningKey::generate()?,
            documents: Documents::new(&config.client_documents)?,
            state: Mutex::new(state),
            config,
            clock,
            issuer,
            port,
        })
    }

    /// The tables, for one operation.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic can't leave a table half changed in a way that matters here: go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the audit log say something about a user and an agent, by the name that the server behind
    /// this provider calls the two.
    pub(super) fn audit(&self, client_id: &str, subject: &str, say: impl FnOnce(Caller<'_>)) {
        if audit::is_on() {
            let owner = Owner::named(&self.issuer, Some(client_id), subject);
            say(Caller {
                name: owner.pseudonym(),
                issuer: &self.issuer,
                client_id: Some(client_id),
            });
        }
    }

    /// The user with this subject.
    pub(super) fn user(&self, subject: &str) -> Option<&User> {
        self.config
            .users
            .iter()
            .find(|user| user.subject == subject)
    }

    /// The user meant by a user name, and whether the password is right. An unknown name costs the
    /// same comparison.
    pub(super) fn check_password(&self, username: &str, password: &str) -> (Option<&User>, bool) {
        let user = self
            .config
            .users
            .iter()
            .find(|user| user.username == username);
        let expected = Digest::of(user.map_or("", |user| user.password.expose()));
        let same = expected.as_bytes().ct_eq(Digest::of(password).as_bytes());
        (user, user.is_some() && bool::from(same))
    }
}
