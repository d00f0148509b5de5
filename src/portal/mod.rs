//! The developer portal at `/developers`: people make the agents that `bridge` or the authorization
//! server itself lets in, and look after them.
//!
//! A developer signs in at the authorization server, as a user of a first-party application, and sees
//! the agents that have this `sub` as their owner; whoever keeps the agents keeps that too, so there is
//! no database. Nothing is kept here: who is signed in travels sealed with the browser. Agents are made
//! by the `Registry` that programs register with, under the same limits and rules.
//!
//! Where to look: `guard` decides who asks, whether a form is theirs and whether an agent is;
//! `sign_in` is the way in and out, `agents` and `agent` the steps, `form` what is typed, `pages` what is
//! seen, `answer` alone knows statuses and headers. Pages work without a script, and every form names
//! its session. `transport` puts its gate in front of every route, and serves the stylesheet.

mod agent;
mod agents;
mod answer;
mod config;
mod cookie;
mod error;
mod form;
mod guard;
mod pages;
mod provider;
mod session;
mod sign_in;

use std::{future::ready, sync::Arc};

use actix_web::{HttpResponse, Resource, http::header, web};

pub use self::config::Config;
use self::{cookie::Cookies, provider::Provider, session::SignOuts};
use crate::{
    auth::CutOffs, fetch::Fetcher, metadata::Discovery, registration::Registry, seal::Sealer,
    secret::SecretError, telemetry::Metrics, time::Clock, units::PublicUrl,
};

/// Largest form, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// The first page.
const HOME: &str = "/developers";

/// What the portal is built of.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// Where clients and developers reach this server.
    pub(crate) public_url: PublicUrl,
    /// Where developers sign in.
    pub(crate) discovery: Discovery,
    /// Who the agents are.
    pub(crate) registry: Arc<Registry>,
    pub(crate) sealer: Arc<Sealer>,
    /// Who is shut out, and where a deleted agent is.
    pub(crate) cut_offs: CutOffs,
    /// Whether agents are sent here to sign their users in, and not to the issuer itself.
    pub(crate) is_bridge: bool,
    pub(crate) fetcher: Fetcher,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
}

/// Why there is no portal.
#[derive(Debug, thiserror::Error)]
pub enum PortalError {
    /// The secret could not be read.
    #[error("could not read portal.client_secret_file")]
    Secret(#[from] SecretError),
    /// Nobody could sign in.
    #[error(
        "portal.client_id is needed: a first-party application of the authorization server with the redirect URI {0}"
    )]
    NoClient(String),
}

/// State of all routes.
#[derive(Debug)]
pub(crate) struct Portal {
    url: PublicUrl,
    provider: Provider,
    registry: Arc<Registry>,
    sealer: Arc<Sealer>,
    cookies: Cookies,
    sign_outs: SignOuts,
    cut_offs: CutOffs,
    is_bridge: bool,
    session_seconds: u64,
    metrics: Metrics,
    clock: Clock,
}

impl Portal {
    /// Prepares the routes' state.
    ///
    /// # Errors
    /// See [`PortalError`].
    pub(crate) fn new(config: &Config, rooms: Rooms) -> Result<Self, PortalError> {
        let url = rooms.public_url;
        let credentials = config.credentials()?;
        let credentials = credentials.ok_or_else(|| PortalError::NoClient(callback_of(&url)))?;
        Ok(Self {
            provider: Provider::new(rooms.discovery, rooms.fetcher, credentials),
            registry: rooms.registry,
            sealer: rooms.sealer,
            cookies: Cookies::of(&url),
            sign_outs: SignOuts::new(config.sign_outs_max),
            cut_offs: rooms.cut_offs,
            is_bridge: rooms.is_bridge,
            session_seconds: config.session_for.get().as_secs(),
            metrics: rooms.metrics,
            clock: rooms.clock,
            url,
        })
    }

    /// The path of the first page.
    pub(crate) fn home(&self) -> String {
        self.path(HOME)
    }

    /// What stands before every path of ours.
    fn base(&self) -> &str {
        self.url.path()
    }

    /// A page's path on this server.
    fn path(&self, page: &str) -> String {
        format!("{}{page}", self.base())
    }

    fn callback(&self) -> String {
        callback_of(&self.url)
    }
}

/// Where the authorization server sends developers back to.
pub(crate) fn callback_of(url: &PublicUrl) -> String {
    url.join("/developers/callback")
}

/// Every route, to be served below the public URL's path.
pub(crate) fn routes(portal: &web::Data<Portal>) -> Vec<Resource> {
    let resource = |path: &str, methods: &'static str| {
        web::resource(path)
            .app_data(portal.clone())
            .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
            .default_service(web::to(move || ready(other_methods(methods))))
    };
    let get = |path: &str| resource(path, "GET");
    let post = |path: &str| resource(path, "POST");
    let both = |path: &str| resource(path, "GET, POST");
    vec![
        get(HOME).route(web::get().to(agents::list)),
        get("/developers/").route(web::get().to(agents::list)),
        get("/developers/sign-in").route(web::get().to(sign_in::begin)),
        get("/developers/callback").route(web::get().to(sign_in::callback)),
        post("/developers/sign-out").route(web::post().to(sign_in::sign_out)),
        both("/developers/new")
            .route(web::get().to(agents::blank))
            .route(web::post().to(agents::create)),
        get("/developers/agents/{agent}").route(web::get().to(agent::show)),
        both("/developers/agents/{agent}/edit")
            .route(web::get().to(agent::edit))
            .route(web::post().to(agent::change)),
        post("/developers/agents/{agent}/secrets").route(web::post().to(agent::add_secret)),
        post("/developers/agents/{agent}/end-secret").route(web::post().to(agent::end_secret)),
        get("/developers/agents/{agent}/users").route(web::get().to(agent::users)),
        both("/developers/agents/{agent}/delete")
            .route(web::get().to(agent::ask_to_delete))
            .route(web::post().to(agent::delete)),
    ]
}

fn other_methods(methods: &'static str) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, methods))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
