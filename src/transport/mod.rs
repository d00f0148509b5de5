//! How messages travel: HTTP+SSE and Streamable HTTP, on one port.
//!
//! The top of the road. Routes check what the head of a request says, have its bearer verified, read
//! its body, hand the message to the router (or to an exchange without a session) and write what
//! comes back. Nothing is decided here that another room could decide: `refusal` maps errors,
//! `protocol` knows versions, `router` knows whose a session is.

mod arrival;
mod batch;
mod body;
mod event_stream;
mod forward;
mod forwarded;
mod gate;
mod headers;
mod home;
mod legacy_sse;
mod modern;
mod refusal;
mod reply;
mod routes;
mod streamable;
mod unread;
mod well_known;

use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest, http::header};
use bytes::Bytes;

pub use body::Config as BodyConfig;
pub use gate::Config as GateConfig;
pub(crate) use routes::guard_all;
pub use routes::{elsewhere, endpoints, from_nodes, home, well_known};

use crate::{
    auth::{Audiences, AuthError, Principal, Reason, Verifier, bearer, judge},
    handler::Handler,
    metadata::ProtectedResources,
    outlet,
    protocol::{Peek, Request},
    router::RouterHandle,
    scope::Scopes,
    telemetry::{Health, LineBudget, Metrics, spans},
    units::{HumanDuration, PublicUrl},
};
use arrival::XRequestIds;
use event_stream::EventStream;
use forwarded::Vouched;
use gate::Gate;
use refusal::{Refusal, RefusalKind};

/// Limits and rules of the public listener.
#[derive(Debug, Clone)]
pub struct Config {
    /// Who may send requests here.
    pub gate: GateConfig,
    /// Limits on a request's body.
    pub body: BodyConfig,
    /// Bounds of each stream's queue.
    pub stream: outlet::Config,
    /// Silence after which a stream gets a comment. Above zero; default 15 s, below the idle limits
    /// of the usual proxies.
    pub keep_alive: HumanDuration,
    /// Log lines a second about requests that were refused; further ones are counted only. Default
    /// 100.
    pub refusal_lines: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gate: GateConfig::default(),
            body: BodyConfig::default(),
            stream: outlet::Config::default(),
            keep_alive: HumanDuration::from_secs(15),
            refusal_lines: 100,
        }
    }
}

/// What the routes need of the rest of the house.
#[derive(Debug)]
pub struct Rooms {
    /// Where clients reach this server.
    pub public_url: PublicUrl,
    /// Who is calling.
    pub verifier: Verifier,
    /// What a caller needs for any request at all.
    pub required_scopes: Scopes,
    /// What a challenge asks for.
    pub advertised_scopes: Scopes,
    /// What we are known as.
    pub resources: ProtectedResources,
    /// What we say as an authorization server, where we are one to our clients (RFC 8414).
    pub own_authorization_server: Option<Bytes>,
    /// The path of a page where developers make agents, where there is one.
    pub developers: Option<String>,
    /// For whom tokens must be issued.
    pub audiences: Audiences,
    /// Whose session a message is for.
    pub router: RouterHandle,
    /// What can be asked for.
    pub handler: Handler,
    /// Whether all is well.
    pub health: Health,
    /// What happened.
    pub metrics: Metrics,
}

/// State of all routes.
#[derive(Debug)]
pub struct Door {
    gate: Gate,
    body: BodyConfig,
    stream: outlet::Config,
    keep_alive: Duration,
    request_ids: XRequestIds,
    refusal_lines: LineBudget,
    rooms: Rooms,
}

/// Where a request came in; decides which metadata its challenge names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Mcp,
    Sse,
}

impl Endpoint {
    const fn path(self) -> &'static str {
        match self {
            Self::Mcp => "/mcp",
            Self::Sse => "/sse",
        }
    }
}

impl std::ops::Deref for Door {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.rooms
    }
}

impl Door {
    /// Prepares the routes' state.
    #[must_use]
    pub fn new(config: &Config, rooms: Rooms) -> Self {
        Self {
            gate: Gate::new(&config.gate, &rooms.public_url),
            body: config.body,
            stream: config.stream,
            keep_alive: config.keep_alive.get(),
            request_ids: XRequestIds::default(),
            refusal_lines: LineBudget::new(config.refusal_lines),
            rooms,
        }
    }

    /// Where what happens around the routes is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.rooms.metrics
    }

    /// Who calls, judged for this server. Looks at headers only.
    async fn authenticate(
        &self,
        request: &HttpRequest,
        endpoint: Endpoint,
    ) -> Result<Principal, RefusalKind> {
        if let Some(Vouched(principal)) = request.extensions().get::<Vouched>() {
            return self.trust(principal, endpoint);
        }
        let refuse = |error: AuthError| RefusalKind::Auth(error, endpoint.path());
        let authorization = request.headers().get_all(header::AUTHORIZATION);
        let token = bearer(authorization.map(header::HeaderValue::as_bytes)).map_err(refuse)?;
        let principal = self.verifier.verify(&token).await.map_err(refuse)?;
        spans::caller(principal.pseudonym());
        judge(&principal, &self.audiences, &self.required_scopes).map_err(|error| {
            if let AuthError::Refused(reason) = error {
                self.verifier.counters().count_refusal(reason);
            }
            refuse(error)
        })?;
        Ok(principal)
    }

    /// A caller that another node has verified and judged: what that may not know yet is looked at again.
    fn trust(&self, principal: &Principal, endpoint: Endpoint) -> Result<Principal, RefusalKind> {
        spans::caller(principal.pseudonym());
        if self.verifier.cut_offs().concern(principal) {
            let error = AuthError::Refused(Reason::CutOff);
            return Err(RefusalKind::Auth(error, endpoint.path()));
        }
        Ok(principal.clone())
    }

    /// What a caller must have been granted for this very request, which is refused otherwise.
    fn needed_scopes(&self, principal: &Principal, request: &Request, peek: &Peek) -> Scopes {
        let method = &request.method;
        let needed = self.handler.needed_scopes(principal, method, peek);
        if !principal.scopes().covers(&needed) {
            self.handler.challenged(principal, method, peek, &needed);
        }
        needed
    }

    /// Whether the caller was granted it.
    fn require_scopes(
        &self,
        principal: &Principal,
        request: &Request,
        peek: &Peek,
        endpoint: Endpoint,
    ) -> Result<(), Refusal> {
        let needed = self.needed_scopes(principal, request, peek);
        covered(principal, needed, endpoint).map_err(|kind| Refusal::of(Some(&request.id), kind))
    }
}

fn covered(principal: &Principal, needed: Scopes, endpoint: Endpoint) -> Result<(), RefusalKind> {
    if principal.scopes().covers(&needed) {
        return Ok(());
    }
    let error = AuthError::InsufficientScope { needed };
    Err(RefusalKind::Auth(error, endpoint.path()))
}
