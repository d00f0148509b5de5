//! The bridge: to clients that have to register themselves, this server is the authorization server.
//!
//! Logto has no dynamic registration, so clients that insist on it (RFC 7591) are shown an issuer of
//! our own: `/register`, `/authorize`, `/callback`, `/token`, `/revoke` below the public URL, which are
//! also the paths that clients of 2025-03-26 guess. Each registration becomes a client of its own at the
//! `Registrar`; the user signs in and consents at the real
//! authorization server, whose tokens clients get as they are. Nothing is kept here: what has to be
//! known at the next step travels sealed with the browser (`transaction`) or the client (`token`), and
//! every node with the key takes every step.
//!
//! What a client sees is plain OAuth 2.1: PKCE with S256 always, `iss` and `state` on the way back, an
//! `access_denied` where the user said no, a token for the resource it asked for.
//!
//! Where to look: `register` and `manage` are a client's beginning and end, `authorize` → `callback` the
//! user's way, `token` the client's; `upstream` asks the authorization server; `answer` is the only file
//! that knows statuses. `transport` puts its gate in front of every route.

mod answer;
mod authorize;
mod callback;
mod error;
mod manage;
mod metadata;
mod register;
mod resources;
mod revoke;
mod token;
mod transaction;
mod upstream;

use std::{future::ready, sync::Arc};

use actix_web::{HttpResponse, Resource, http::header, web};
use bytes::Bytes;

use self::{resources::Resources, transaction::BrowserCookie, upstream::Upstream};
use crate::{
    auth::{CutOff, CutOffs, Whom},
    fetch::Fetcher,
    metadata::{Discovery, ProtectedResources},
    registration::{Directory, Registry},
    seal::Sealer,
    telemetry::audit::{self, CutOffBy},
    time::Clock,
    units::PublicUrl,
};

/// Largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What the bridge is built of.
#[derive(Debug)]
pub(crate) struct Rooms<'a> {
    /// Where clients reach this server; our issuer.
    pub(crate) public_url: &'a PublicUrl,
    /// For what tokens are had.
    pub(crate) resources: &'a ProtectedResources,
    /// Where users really sign in.
    pub(crate) discovery: Discovery,
    /// Who the clients are.
    pub(crate) registry: Arc<Registry>,
    pub(crate) sealer: Arc<Sealer>,
    /// Where those are shut out that delete themselves.
    pub(crate) cut_offs: CutOffs,
    pub(crate) fetcher: Fetcher,
    pub(crate) clock: Clock,
}

/// State of all routes.
#[derive(Debug)]
pub(crate) struct Bridge {
    /// Our issuer: the public URL, to the character.
    issuer: String,
    /// The public URL's path, below which pages find their assets.
    base: String,
    callback: String,
    resources: Resources,
    metadata: Bytes,
    registry: Arc<Registry>,
    upstream: Upstream,
    sealer: Arc<Sealer>,
    cookie: BrowserCookie,
    cut_offs: CutOffs,
    clock: Clock,
}

impl Bridge {
    /// Prepares the routes' state.
    pub(crate) fn new(rooms: Rooms<'_>) -> Self {
        let (url, registry) = (rooms.public_url, rooms.registry);
        let registers = registry.admission().is_open();
        Self {
            issuer: url.as_str().to_owned(),
            base: url.path().to_owned(),
            callback: url.join("/callback"),
            metadata: metadata::document(url, registry.scopes(), registers),
            resources: Resources::of(rooms.resources),
            registry,
            upstream: Upstream::new(rooms.discovery, rooms.fetcher),
            sealer: rooms.sealer,
            cookie: BrowserCookie::of(url),
            cut_offs: rooms.cut_offs,
            clock: rooms.clock,
        }
    }

    /// Refuses the tokens of a client that is gone. What is open by them ends within a second, by the
    /// router's sweep; where there is no place for one more cut-off, when it is asked about again.
    fn cut_off(&self, client_id: &str) {
        let now = self.clock.now();
        let whom = Whom {
            issuer: Some(self.upstream.issuer().to_owned()),
            client_id: Some(client_id.to_owned()),
            subject: None,
        };
        let cut = CutOff::before(now, whom, now);
        let in_force = self.cut_offs.add(&cut);
        audit::cut_off(
            CutOffBy::Deletion,
            cut.whom.audited(),
            0,
            false,
            in_force.is_ok(),
        );
        if let Err(error) = in_force {
            tracing::error!(%error, "a deleted client's tokens are still taken");
        }
    }

    /// The registered clients.
    fn directory(&self) -> &Directory {
        self.registry.directory()
    }

    /// Our metadata (RFC 8414), made once.
    pub(crate) fn metadata(&self) -> &Bytes {
        &self.metadata
    }
}

/// Every route, to be served below the public URL's path.
pub(crate) fn routes(bridge: &web::Data<Bridge>) -> Vec<Resource> {
    let resource = |path: &str, methods: &'static str| {
        web::resource(path)
            .app_data(bridge.clone())
            .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
            .default_service(web::to(move || ready(other_methods(methods))))
    };
    vec![
        resource("/register", "POST").route(web::post().to(register::post)),
        resource("/register/{client_id}", "GET, PUT, DELETE")
            .route(web::get().to(manage::get))
            .route(web::put().to(manage::put))
            .route(web::delete().to(manage::delete)),
        resource("/authorize", "GET, POST")
            .route(web::get().to(authorize::get))
            .route(web::post().to(authorize::post)),
        resource("/callback", "GET").route(web::get().to(callback::get)),
        resource("/token", "POST").route(web::post().to(token::post)),
        resource("/revoke", "POST").route(web::post().to(revoke::post)),
    ]
}

fn other_methods(methods: &'static str) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, methods))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
