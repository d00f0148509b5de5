//! What the authorization server tells us unasked: Logto's webhooks, and OpenID Connect back-channel
//! logout tokens. Both end what their user has open, and refuse the tokens it got before.
//!
//! | request | answer |
//! |---|---|
//! | `POST /webhooks/logto`, signed | `204`; `400` where it can't be read or is too old, `403` without a good signature, `503` where it can't be carried out |
//! | `POST /backchannel-logout` with a `logout_token` | `200`; `400` where it is not taken, `503` where it can't be checked or carried out |
//!
//! Neither is there unless it was set up. Whoever sends is known by what it signs; nothing of a body
//! is believed before. What was carried out is remembered until it would be too old, so that it can't
//! be said again.

mod answer;
mod logout;
mod seen;
#[cfg(test)]
mod tests;
mod webhook;

use std::{path::PathBuf, time::Duration};

use actix_web::{
    Resource,
    web::{self, Data, Payload},
};
use bytes::Bytes;

use crate::{
    auth::{CutOff, Verifier},
    router::RouterHandle,
    secret::{Secret, SecretError},
    telemetry::{LineBudget, Metrics, audit::CutOffBy},
    time::Clock,
    units::HumanDuration,
};
use answer::Refusal;
use seen::Seen;
use webhook::Signer;

pub use webhook::EVENTS;

/// Settings of both.
#[derive(Debug, Clone)]
pub struct Config {
    /// File with the signing key that Logto shows of the webhook. Default none: no webhook is taken.
    pub webhook_secret_file: Option<PathBuf>,
    /// How far a webhook's `createdAt` or a logout token's `iat` may be from now, either way. Above
    /// zero; default 5 min.
    pub window: HumanDuration,
    /// Messages remembered so that they are not carried out twice, for as long as they could come again;
    /// while so many are, a further one is not taken. Above zero; default 10,000.
    pub seen_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            webhook_secret_file: None,
            window: HumanDuration::from_secs(300),
            seen_max: 10_000,
        }
    }
}

/// Where Logto's webhooks come in, below the public URL.
pub const WEBHOOK_PATH: &str = "/webhooks/logto";

/// Where logout tokens come in, below the public URL.
pub const LOGOUT_PATH: &str = "/backchannel-logout";

/// Largest body that is read, in bytes: a user of Logto's with much custom data fits.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// How long a body may take.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Lines a second about messages that were refused; further ones are counted only.
const REFUSAL_LINES: u32 = 20;

/// State of both routes.
#[derive(Debug)]
pub(crate) struct Notices {
    signer: Option<Signer>,
    takes_logouts: bool,
    window: Duration,
    seen: Seen,
    refusal_lines: LineBudget,
    rooms: Rooms,
}

/// What the routes need of the rest of the house.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// Whose tokens Logto's events are about.
    pub(crate) issuer: String,
    pub(crate) verifier: Verifier,
    pub(crate) router: RouterHandle,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Clock,
}

impl Notices {
    /// Reads the signing key, where there is one.
    ///
    /// # Errors
    /// Its file can't be taken.
    pub(crate) fn new(config: &Config, rooms: Rooms) -> Result<Self, SecretError> {
        let file = config.webhook_secret_file.as_deref();
        let secret = file.map(Secret::from_file).transpose()?;
        Ok(Self {
            signer: secret.as_ref().map(Signer::new),
            takes_logouts: rooms.verifier.takes_logout_tokens(),
            window: config.window.get(),
            seen: Seen::new(config.seen_max),
            refusal_lines: LineBudget::new(REFUSAL_LINES),
            rooms,
        })
    }

    async fn cut_off(&self, cut: &CutOff, by: CutOffBy) -> Result<(), Refusal> {
        let (_ended, in_force) = self.rooms.router.cut_off(cut, by).await;
        in_force.map_err(|_full| Refusal::CutOffsFull)
    }
}

/// The routes that were set up, to be served below the public URL's path.
pub(crate) fn routes(notices: &Data<Notices>) -> Vec<Resource> {
    let resource = |path: &str| {
        web::resource(path)
            .app_data(notices.clone())
            .default_service(web::to(async || answer::post_only()))
    };
    let mut routes = Vec::new();
    if notices.signer.is_some() {
        routes.push(resource(WEBHOOK_PATH).route(web::post().to(webhook::post)));
    }
    if notices.takes_logouts {
        routes.push(resource(LOGOUT_PATH).route(web::post().to(logout::post)));
    }
    routes
}

/// A body, bounded in size and in time.
async fn whole(body: Payload) -> Result<Bytes, Refusal> {
    let read = tokio::time::timeout(BODY_WITHIN, body.to_bytes_limited(BODY_BYTES_MAX));
    match read.await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) | Err(_) => Err(Refusal::Broken),
        Ok(Err(_too_large)) => Err(Refusal::TooLarge),
    }
}
