//! The route that empties the verifier's memory: after a key was stolen, or a provider was mended.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde_json::json;

use super::{Office, answer, refusal::Refusal};
use crate::telemetry::audit;

/// Every caller is verified anew, and every issuer's keys are fetched at once (F26).
pub(super) async fn purge(
    request: HttpRequest,
    office: Data<Office>,
) -> Result<HttpResponse, Refusal> {
    office.access.check(&request)?;
    let usage = office.verifier.usage();
    office.verifier.forget_all();
    office.router.tell_purged().await;
    audit::purged(usage.entries, usage.refusals);
    tracing::info!(
        callers = usage.entries,
        refusals = usage.refusals,
        "an operator purged the verifier's memory"
    );
    Ok(answer(
        json!({ "callers": usage.entries, "refusals": usage.refusals }),
    ))
}
