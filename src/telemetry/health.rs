//! Health and metrics, on a listener of their own: `/livez`, `/readyz`, `/metrics`.
//!
//! The public listener knows none of them, so a probe can never open a session, and nobody outside
//! reads figures. *Live* means the process answers; *ready* means it is worth sending requests to.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_web::{
    HttpResponse,
    http::header,
    web::{self, ServiceConfig},
};
use serde::Serialize;

use super::Metrics;

/// Whether this server is worth sending requests to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    draining: AtomicBool,
    checks: Vec<Check>,
    metrics: Metrics,
}

/// One thing that has to be so before requests make sense.
pub struct Check {
    name: &'static str,
    holds: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Check {
    /// `name` is shown to the operator while it does not hold.
    pub fn new(name: &'static str, holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            name,
            holds: Box::new(holds),
        }
    }
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    waiting_for: Vec<&'static str>,
}

impl Health {
    /// Ready when every check holds.
    #[must_use]
    pub fn new(checks: Vec<Check>, metrics: Metrics) -> Self {
        Self(Arc::new(Inner {
            draining: AtomicBool::new(false),
            checks,
            metrics,
        }))
    }

    /// From now on not ready: the server is being stopped.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
        self.0.metrics.draining();
    }

    /// What it still waits for; nothing means ready.
    #[must_use]
    pub fn waiting_for(&self) -> Vec<&'static str> {
        let draining = self
            .0
            .draining
            .load(Ordering::Relaxed)
            .then_some("the server is stopping");
        let failing = self
            .0
            .checks
            .iter()
            .filter(|check| !(check.holds)())
            .map(|check| check.name);
        draining.into_iter().chain(failing).collect()
    }
}

/// Adds the admin listener's routes.
pub fn routes(config: &mut ServiceConfig, health: Health) {
    config
        .app_data(web::Data::new(health))
        .route("/livez", web::get().to(livez))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics));
}

async fn livez() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body("ok\n")
}

async fn readyz(health: web::Data<Health>) -> HttpResponse {
    let waiting_for = health.waiting_for();
    let ready = waiting_for.is_empty();
    let mut response = if ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(Report { ready, waiting_for })
}

async fn metrics(health: web::Data<Health>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(health.0.metrics.encode())
}

impl fmt::Debug for Check {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Check").field(&self.name).finish()
    }
}
