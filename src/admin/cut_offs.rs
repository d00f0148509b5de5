//! The routes of cut-offs: who is shut out, and letting them in again.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde_json::json;

use super::{Office, answer, read, refusal::Refusal};
use crate::{
    auth::{CutOff, Whom},
    session::SessionFilter,
    telemetry::audit,
    units::HumanDuration,
};

/// The cut-off that was asked for with `filter`, if one was, or even a ban.
pub(super) fn asked_for(
    cut_off: bool,
    ban: Option<&str>,
    filter: &SessionFilter,
    office: &Office,
) -> Result<Option<CutOff>, Refusal> {
    if !cut_off && ban.is_none() {
        return Ok(None);
    }
    if filter.id.is_some() || (filter.subject.is_none() && filter.client_id.is_none()) {
        return Err(Refusal::CutOffOfWhom);
    }
    let whom = Whom {
        issuer: filter.issuer.clone(),
        client_id: filter.client_id.clone(),
        subject: filter.subject.clone(),
    };
    let now = office.clock.now();
    let cut = CutOff::before(now, whom, now);
    let Some(ban) = ban else {
        return Ok(Some(cut));
    };
    let ban: HumanDuration = ban
        .parse()
        .map_err(|error| Refusal::Query(format!("ban: {error}")))?;
    Ok(Some(cut.and_ban_for(ban.get())))
}

pub(super) async fn list(
    request: HttpRequest,
    office: Data<Office>,
) -> Result<HttpResponse, Refusal> {
    office.access.check(&request)?;
    let in_force = office.router.cut_offs().list();
    Ok(answer(json!({ "cut_offs": in_force })))
}

pub(super) async fn lift(
    request: HttpRequest,
    office: Data<Office>,
) -> Result<HttpResponse, Refusal> {
    office.access.check(&request)?;
    let whom: Whom = read(&request)?;
    let lifted = office.router.lift(&whom).await;
    audit::cut_off_lifted(whom.audited(), lifted);
    tracing::info!(lifted, "an operator lifted a cut-off");
    Ok(answer(json!({ "lifted": lifted })))
}
