//! What an operator may do to a running server: see its sessions, end them, shut callers out, and have
//! everybody verified anew.
//!
//! Routes of the admin listener, beside `telemetry`'s probes and metrics; `usher sessions` and `usher
//! cache` are their clients. Unlike a probe they show who is signed in and take things away, so each request passes
//! [`Access`] first.
//!
//! | request | answer |
//! |---|---|
//! | `GET /sessions?subject=…&client_id=…&issuer=…&id=…` | the sessions meant, all without a filter |
//! | `DELETE /sessions?…` | ends them, calls in flight included; without a filter `all=true` is needed |
//! | `DELETE /sessions?subject=…&cut_off=true` | and refuses the tokens of that user, agent or both that live; `ban=2h` later ones too |
//! | `GET /cut-offs`, `DELETE /cut-offs?subject=…` | those in force; one of them, by exactly what it names |
//! | `POST /cache/purge` | forgets every verdict and fetches keys anew |

mod access;
mod cache;
mod cut_offs;
mod refusal;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Data, Query, ServiceConfig},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

pub use access::Access;

use crate::{
    auth::{CutOff, Verifier},
    outlet::CloseReason,
    router::RouterHandle,
    session::SessionFilter,
    telemetry::audit::{self, CutOffBy},
    time::Clock,
};
use refusal::Refusal;

/// Sessions in one answer at most; the total is always told.
pub const LISTED_MAX: usize = 1_000;

/// What the routes work on.
#[derive(Debug)]
pub struct Office {
    access: Access,
    router: RouterHandle,
    verifier: Verifier,
    clock: Clock,
}

impl Office {
    /// An office for the sessions of `router` and the memory of `verifier`.
    #[must_use]
    pub fn new(access: Access, router: RouterHandle, verifier: Verifier, clock: Clock) -> Self {
        Self {
            access,
            router,
            verifier,
            clock,
        }
    }
}

/// Adds the routes.
pub fn routes(config: &mut ServiceConfig, office: Data<Office>) {
    let sessions = web::resource("/sessions")
        .route(web::get().to(list))
        .route(web::delete().to(end));
    let cut_offs = web::resource("/cut-offs")
        .route(web::get().to(cut_offs::list))
        .route(web::delete().to(cut_offs::lift));
    let cache = web::resource("/cache/purge").route(web::post().to(cache::purge));
    config
        .app_data(office)
        .service(sessions)
        .service(cut_offs)
        .service(cache);
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
    #[serde(default)]
    cut_off: bool,
    ban: Option<String>,
}

fn read<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Refusal> {
    Query::from_query(request.query_string())
        .map(Query::into_inner)
        .map_err(|error| Refusal::Query(error.to_string()))
}

impl Asked {
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
        .summaries(&read::<Asked>(&request)?.into_filter());
    let total = sessions.len();
    sessions.truncate(LISTED_MAX);
    Ok(answer(json!({ "sessions": sessions, "total": total })))
}

async fn end(request: HttpRequest, office: Data<Office>) -> Result<HttpResponse, Refusal> {
    office.access.check(&request)?;
    let mut asked: Asked = read(&request)?;
    let all = asked.all;
    let (cut_off, ban) = (asked.cut_off, asked.ban.take());
    let filter = asked.into_filter();
    if filter.is_everything() && !all {
        return Err(Refusal::Everything);
    }
    if let Some(cut) = cut_offs::asked_for(cut_off, ban.as_deref(), &filter, &office)? {
        return end_and_cut_off(&cut, &office).await;
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

async fn end_and_cut_off(cut: &CutOff, office: &Office) -> Result<HttpResponse, Refusal> {
    let (ended, in_force) = office.router.cut_off(cut, CutOffBy::Operator).await;
    match in_force {
        Ok(()) => Ok(answer(json!({ "ended": ended, "cut_off": true }))),
        Err(error) => Err(Refusal::NotCutOff { ended, error }),
    }
}

fn answer(body: serde_json::Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}
