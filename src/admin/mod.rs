//! What an operator may do to a running server: see its sessions and end them.
//!
//! Routes of the admin listener, beside `telemetry`'s probes and metrics; `usher sessions` is their
//! client. Unlike a probe they show who is signed in and take things away, so each request passes
//! [`Access`] first.
//!
//! | request | answer |
//! |---|---|
//! | `GET /sessions?subject=…&client_id=…&issuer=…&id=…` | the sessions meant, all without a filter |
//! | `DELETE /sessions?…` | ends them, calls in flight included; without a filter `all=true` is needed |

mod access;
mod refusal;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data, Query, ServiceConfig},
};
use serde::Deserialize;
use serde_json::json;

pub use access::Access;

use crate::{outlet::CloseReason, router::RouterHandle, session::SessionFilter, telemetry::audit};
use refusal::Refusal;

/// Sessions in one answer at most; the total is always told.
pub const LISTED_MAX: usize = 1_000;

/// What the routes work on.
#[derive(Debug)]
pub struct Office {
    access: Access,
    router: RouterHandle,
}

impl Office {
    /// An office for the sessions of `router`.
    #[must_use]
    pub fn new(access: Access, router: RouterHandle) -> Self {
        Self { access, router }
    }
}

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig, office: Data<Office>) {
    config.app_data(office).service(
        web::resource("/sessions")
            .route(web::get().to(list))
            .route(web::delete().to(end)),
    );
}

/// A whole query, so that a mistyped member is a mistake and never a wider filter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    id: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    all: bool,
}

impl Asked {
    fn read(request: &HttpRequest) -> Result<Self, Refusal> {
        Query::from_query(request.query_string())
            .map(Query::into_inner)
            .map_err(|error| Refusal::Query(error.to_string()))
    }

    fn into_filter(self) -> SessionFilter {
        SessionFilter {
            id: self.id,
            issuer: self.issuer,
            subject: self.subject,
            client_id: self.client_id,
        }
    }
}

async fn list(request: HttpRequest, office: Data<Office>) -> Result<HttpResponse, Refusal> {
    office.access.check(&request)?;
    let mut sessions = office
        .router
        .summaries(&Asked::read(&request)?.into_filter());
    let total = sessions.len();
    sessions.truncate(LISTED_MAX);
    Ok(answer(json!({ "sessions": sessions, "total": total })))
}

async fn end(request: HttpRequest, office: Data<Office>) -> Result<HttpResponse, Refusal> {
    office.access.check(&request)?;
    let asked = Asked::read(&request)?;
    let all = asked.all;
    let filter = asked.into_filter();
    if filter.is_everything() && !all {
        return Err(Refusal::Everything);
    }
    let ended = office
        .router
        .end(&filter, CloseReason::EndedByOperator)
        .await;
    audit::sessions_ended(ended, filter.id.is_some(), all);
    tracing::info!(
        ended,
        by_id = filter.id.is_some(),
        all,
        "an operator ended sessions"
    );
    Ok(answer(json!({ "ended": ended })))
}

fn answer(body: serde_json::Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}
