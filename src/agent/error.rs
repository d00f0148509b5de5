//! Why an agent did not get in, in sentences that say what to mend.
//!
//! The command line shows the message and its sources. No variant holds a token, a code or a secret;
//! what the other side said goes through [`Said`].

use std::fmt;

use reqwest::StatusCode;
use url::Url;

use super::said::Said;
use crate::{fetch::FetchError, protocol::ProtocolVersion, scope::Scopes, units::HumanDuration};

/// Why an agent did not get in, or did not get an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The HTTP client could not be built.
    #[error("could not set up the HTTP client")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for the sign-in")]
    Randomness,

    // Reaching the server.
    /// No connection to the MCP server, or it broke.
    #[error("could not reach {host}; is the server running, and is the URL right?")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the client said.
        #[source]
        error: reqwest::Error,
    },
    /// The MCP server took too long.
    #[error("{what} did not come within {after}")]
    Deadline {
        /// What was waited for.
        what: &'static str,
        /// For how long.
        after: HumanDuration,
    },
    /// A redirect, which is not followed: it would choose where the token goes.
    #[error("the server sends us on to {to}; give that URL if it is the right one")]
    Redirected {
        /// Its `Location`.
        to: Said,
    },
    /// What answers does not speak MCP.
    #[error("{url} does not answer as an MCP server: {why}")]
    NotMcp {
        /// The URL asked.
        url: Url,
        /// What it did instead.
        why: String,
    },
    /// A status that ends the exchange.
    #[error("the server answered {method} with status {status}")]
    Status {
        /// The request's method.
        method: String,
        /// The status code.
        status: StatusCode,
    },
    /// An answer larger than we read.
    #[error("an answer of the server is larger than {0}")]
    TooLarge(crate::units::ByteSize),
    /// The stream ended before the answer came.
    #[error("the server ended the stream before the answer came")]
    StreamEnded,
    /// The server has no stream to report changes on (2025-11-25, transports).
    #[error("the server opens no stream of its own (GET), so it can't report changes")]
    NoStream,
    /// An answer that is no JSON-RPC, or not of the shape its method has.
    #[error("the server's answer to {method} can't be read: {why}")]
    Unreadable {
        /// The request's method.
        method: String,
        /// What is wrong with it.
        why: String,
    },
    /// The `endpoint` event of HTTP+SSE names another origin (2024-11-05, transports).
    #[error(
        "the server wants messages sent to another origin, {0}; refused, the token would go there"
    )]
    ForeignEndpoint(Said),
    /// No protocol version in common, or not the one asked for.
    #[error("the server does not speak protocol version {wanted}; it offers {offered}")]
    Version {
        /// What we asked for.
        wanted: ProtocolVersion,
        /// What it offers instead.
        offered: Said,
    },
    /// The server answered a request with an error.
    #[error("the server answered {method} with error {code}: {message}")]
    Rpc {
        /// The request's method.
        method: String,
        /// JSON-RPC error code.
        code: i64,
        /// Its message.
        message: Said,
        /// Its data: a stranger's, not yet fit for a terminal.
        data: serde_json::Value,
    },
    /// The server does not know the method, or does not offer what it is for (-32601).
    #[error("the server does not offer {method}; `usher agent URL info` shows what it does")]
    NotOffered {
        /// The request's method.
        method: String,
    },
    /// Whoever runs the agent ended the wait.
    #[error("interrupted")]
    Interrupted,
    /// The call took longer than it may, whatever the server says.
    #[error("the call was given up after {0}")]
    TooLong(HumanDuration),
    /// The server asked for input again and again (2026-07-28, multi round-trip requests).
    #[error("the server asked for more input {0} times and still gave no answer; given up")]
    TooManyRounds(usize),
    /// A question of the server has no answer (2026-07-28, multi round-trip requests).
    #[error("{method} needs an answer to {question}: {why}{}", way_out(.question.as_str()))]
    Unanswered {
        /// The request's method.
        method: String,
        /// The method of the question.
        question: Said,
        /// Why there is no answer.
        why: Said,
    },
    /// The server refuses a client that does not offer what it needs (2026-07-28, -32021).
    #[error("{method} needs a client that offers {needs}{}", way_out(.needs.as_str()))]
    Incapable {
        /// The request's method.
        method: String,
        /// The capabilities, by their names.
        needs: Said,
    },

    // Discovery.
    /// A URL to which no credential and no user is sent.
    #[error("{what} is {url}: {why}")]
    UnsafeUrl {
        /// Whose URL it is.
        what: &'static str,
        /// The URL.
        url: Said,
        /// Why it is refused.
        why: &'static str,
    },
    /// A document of discovery could not be had.
    #[error("could not get {what} from {url}")]
    Fetch {
        /// Which document or endpoint.
        what: &'static str,
        /// Where it was asked for.
        url: Said,
        /// Why not.
        #[source]
        error: FetchError,
    },
    /// 401, and nothing that says who issues tokens.
    #[error(
        "{server} wants a token but says nowhere who issues one: no protected resource metadata \
         (RFC 9728) and no authorization server metadata at its origin"
    )]
    NoMetadata {
        /// The server's origin.
        server: String,
    },
    /// The metadata is about another resource (RFC 9728 §3.3).
    #[error(
        "the protected resource metadata is about {named}, not about {url}; its `resource` has to \
         be this URL or a path above it"
    )]
    ResourceMismatch {
        /// What it names.
        named: Said,
        /// Where we are going.
        url: Url,
    },
    /// The metadata names no authorization server.
    #[error("the protected resource metadata names no authorization server")]
    NoAuthorizationServer,
    /// No form of well-known path answers.
    #[error("the authorization server {issuer} publishes no metadata at any well-known path")]
    NoServerMetadata {
        /// Its issuer.
        issuer: Said,
    },
    /// The metadata is another issuer's (RFC 8414 §3.3).
    #[error(
        "the authorization server is known as {expected}, but its metadata says issuer {found}; \
         they must be the same, character for character"
    )]
    IssuerMismatch {
        /// What we were told.
        expected: Said,
        /// What the metadata says.
        found: Said,
    },
    /// The metadata lacks what a sign-in needs.
    #[error("the authorization server's metadata has no {0}")]
    MetadataLacks(&'static str),
    /// No PKCE with S256, so a stolen code could be used (OAuth 2.1 §4.1.1).
    #[error(
        "the authorization server does not say that it supports PKCE with S256; \
         `code_challenge_methods_supported` has to list it"
    )]
    NoPkce,

    // Registration.
    /// No client id and no way to get one.
    #[error(
        "the authorization server {issuer} has no dynamic registration; register the agent there \
         by hand, with the redirect URI http://127.0.0.1/callback, and give its --client-id"
    )]
    NoRegistration {
        /// Its issuer.
        issuer: Said,
    },
    /// Registration was refused (RFC 7591 §3.2.2).
    #[error("the authorization server refused to register the agent: {0}")]
    RegistrationRefused(OAuthRefusal),
    /// No method of client authentication in common (RFC 8414 §2).
    #[error(
        "the authorization server wants the client to authenticate in a way this agent does not \
         know: {0}"
    )]
    NoClientAuthentication(Said),

    // Sign-in.
    /// The callback's port is taken.
    #[error("could not listen on 127.0.0.1:{port} for the end of the sign-in")]
    CallbackPort {
        /// Which port; 0 where any would have done.
        port: u16,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
    /// `access_denied`: a clear end, not a fault.
    #[error("access was denied: the user did not agree")]
    Denied,
    /// Back without `code`, `error` and `state`. Logto's Cancel does this.
    #[error("the sign-in was cancelled: the browser came back with neither a code nor an error")]
    Cancelled,
    /// Any other error of the authorization endpoint (RFC 6749 §4.1.2.1).
    #[error("the authorization server refused the sign-in: {0}")]
    SignInRefused(OAuthRefusal),
    /// Nobody came back in time.
    #[error("nobody signed in within {0}")]
    SignInDeadline(HumanDuration),
    /// A callback that is not the answer to our request.
    #[error("the callback's state is not the one we sent; sign in again, from the newest link")]
    StateMismatch,
    /// RFC 9207 §2.4: the answer may be of another authorization server.
    #[error(
        "the callback says it comes from {}, but {expected} was asked; the sign-in is given up",
        .found.as_ref().map_or("nobody", Said::as_str)
    )]
    IssMismatch {
        /// The issuer we asked.
        expected: Said,
        /// What `iss` says; none where it is missing although promised.
        found: Option<Said>,
    },
    /// The callback has the right state and neither code nor error.
    #[error("the callback has no code")]
    NoCode,

    // Tokens.
    /// The token endpoint said no (RFC 6749 §5.2).
    #[error("the authorization server gave no token: {0}")]
    TokenRefused(OAuthRefusal),
    /// The token endpoint's success is none.
    #[error("the authorization server's token can't be used: {0}")]
    TokenUnusable(&'static str),
    /// The MCP server does not take a token that was just issued.
    #[error(
        "the server refuses the token it was just given{}; its audience or issuer may not be what \
         the server expects",
        said(.0.as_ref())
    )]
    TokenNotAccepted(Option<Said>),
    /// 403 `insufficient_scope`, and asking again would not help.
    #[error("the server wants scopes that were not granted{}", listed(.0))]
    InsufficientScope(Scopes),
}

/// An error as OAuth writes it: a code, and perhaps a sentence (RFC 6749 §5.2, RFC 7591 §3.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthRefusal {
    /// As in `invalid_grant`; the status where there was no code.
    pub error: Said,
    /// `error_description`.
    pub description: Option<Said>,
}

impl fmt::Display for OAuthRefusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}{}",
            self.error,
            said(self.description.as_ref())
        )
    }
}

/// How whoever runs the command line lets the agent offer it.
fn way_out(needed: &str) -> &'static str {
    if needed.contains("sampling") {
        "; give --sampling-command PROGRAM or --sampling"
    } else if needed.contains("roots") {
        "; give --root FOLDER"
    } else {
        ""
    }
}

fn listed(scopes: &Scopes) -> String {
    if scopes.is_empty() {
        return ", and does not say which".to_owned();
    }
    format!(": {}", Said::new(&scopes.to_string()))
}

fn said(text: Option<&Said>) -> String {
    text.map_or_else(String::new, |text| format!(": {text}"))
}
