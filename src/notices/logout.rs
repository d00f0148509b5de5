//! OpenID Connect Back-Channel Logout 1.0: the issuer says that a user has signed out of an agent.
//!
//! Which checks a logout token passes is `auth`'s to say; here it is taken once, and while it is fresh.
//! What it names is cut off as of the token's `iat`: by user, or by the session of the issuer that the
//! access tokens were issued in, where they say so (`sid`).

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Payload},
};
use url::form_urlencoded;

use super::{
    Notices,
    answer::{Refusal, done},
    seen::{name, too_old_at},
    whole,
};
use crate::{
    auth::{CutOff, LogoutError, LogoutToken, Whom},
    telemetry::audit::CutOffBy,
};

pub(super) async fn post(
    request: HttpRequest,
    body: Payload,
    notices: Data<Notices>,
) -> HttpResponse {
    match take(&request, body, &notices).await {
        Ok(()) => done(StatusCode::OK),
        Err(refusal) => refusal.respond(&notices),
    }
}

async fn take(request: &HttpRequest, body: Payload, notices: &Notices) -> Result<(), Refusal> {
    if !is_form(request) {
        return Err(Refusal::Unreadable("it is no form"));
    }
    let body = whole(body).await?;
    let mut found = form_urlencoded::parse(&body).filter(|(name, _)| name == "logout_token");
    let (Some((_, token)), None) = (found.next(), found.next()) else {
        return Err(Refusal::Unreadable("it needs one logout_token"));
    };
    let token = notices.rooms.verifier.logout(&token).await;
    let token = token.map_err(|error| match error {
        LogoutError::Refused(why) => Refusal::LogoutToken(why),
        LogoutError::Unavailable => Refusal::Unavailable,
    })?;
    let now = notices.rooms.clock.now();
    if now.since(token.issued_at) > notices.window {
        return Err(Refusal::Stale);
    }
    let name = name(format!("{} {}", token.issuer, token.id).as_bytes());
    let until = too_old_at(token.issued_at, notices.window);
    if !notices.seen.is_new(name, until, now)? {
        return Err(Refusal::LogoutToken("its jti was used before"));
    }
    carry_out(&token, notices)
        .await
        .inspect_err(|_not_done| notices.seen.forget(&name))
}

fn is_form(request: &HttpRequest) -> bool {
    let form = request.headers().get(header::CONTENT_TYPE);
    let form = form.and_then(|form| form.to_str().ok()).unwrap_or_default();
    let kind = form.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

async fn carry_out(token: &LogoutToken, notices: &Notices) -> Result<(), Refusal> {
    let now = notices.rooms.clock.now();
    for whom in meant(token, notices) {
        let cut = CutOff::before(token.issued_at, whom, now);
        notices.cut_off(&cut, CutOffBy::LogoutToken).await?;
    }
    Ok(())
}

/// Whose tokens are meant: the user's by the agents that the token is for, or whoever has something
/// open by a token of that session.
fn meant(token: &LogoutToken, notices: &Notices) -> Vec<Whom> {
    let whom = |client_id: &str, subject: &str| Whom {
        issuer: Some(token.issuer.clone()),
        client_id: Some(client_id.to_owned()),
        subject: Some(subject.to_owned()),
    };
    if let Some(subject) = &token.subject {
        let clients = token.clients.iter();
        return clients.map(|client| whom(client, subject)).collect();
    }
    let of_session = notices.rooms.router.callers().filter(|caller| {
        let session = caller.claims().get("sid").and_then(|sid| sid.as_str());
        caller.issuer() == token.issuer && session.is_some() && session == token.session.as_deref()
    });
    let mut found: Vec<_> = of_session
        .filter_map(|caller| {
            let client = caller.client_id()?;
            let is_meant = token.clients.iter().any(|meant| meant == client);
            is_meant.then(|| whom(client, caller.subject()))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
