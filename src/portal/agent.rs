//! One agent of a developer's: looked at, changed, given another secret, deleted.
//!
//! Each step begins with `guard`: who asks, whether the form is theirs, whether the agent is.

use std::time::Duration;

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};

use super::{
    Portal, answer,
    error::Halt,
    form::{AgentForm, Kind, Mistakes},
    pages::{self, AgentPage, Trouble},
    session::What,
};
use crate::{
    auth::{CutOff, Whom},
    oauth::parameters::Parameters,
    registration::{Client, NewClient, NoSecret},
    telemetry::audit,
};

/// How long every token of a deleted agent is refused: its id is never another's.
const SHUT_OUT_FOR: Duration = Duration::from_secs(86_400);

pub(super) async fn show(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    answer::went(&portal, shown(&portal, &request).await)
}

async fn shown(portal: &Portal, request: &HttpRequest) -> Result<HttpResponse, Halt> {
    let session = portal.developer(request)?;
    let agent = portal.own_agent(&session, request).await?;
    let secrets = if agent.details.is_confidential() {
        portal.registry.directory().secrets(&agent.id).await?
    } else {
        Vec::new()
    };
    let (note, cookie) = portal.note(request, &session);
    let body = pages::agent(&AgentPage {
        around: portal.around(&session),
        url: &portal.url,
        // Where its users sign in, as the agent sees it.
        issuer: if portal.is_bridge {
            portal.url.as_str()
        } else {
            portal.provider.issuer()
        },
        agent: &agent,
        secrets: &secrets,
        note: note.as_ref(),
    });
    Ok(answer::page(StatusCode::OK, body, cookie))
}

pub(super) async fn users(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    let shown = async {
        let session = portal.developer(&request)?;
        let agent = portal.own_agent(&session, &request).await?;
        let granting = portal
            .registry
            .directory()
            .granting_users(&agent.id)
            .await?;
        let body = pages::users(portal.around(&session), &agent, &granting);
        Ok(answer::page(StatusCode::OK, body, []))
    };
    let shown = shown.await;
    answer::went(&portal, shown)
}

pub(super) async fn edit(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    let shown = async {
        let session = portal.developer(&request)?;
        let agent = portal.own_agent(&session, &request).await?;
        let (form, mistakes) = (AgentForm::of(&agent.details), Mistakes::default());
        let page = portal.form_page(Some(&session), &form, &mistakes, Some(&agent.id));
        Ok(answer::page(StatusCode::OK, pages::form(&page), []))
    };
    let shown = shown.await;
    answer::went(&portal, shown)
}

pub(super) async fn change(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let changed = async {
        let sent = portal.own_form(&request, body)?;
        changed(&portal, &request, &sent).await
    };
    let changed = changed.await;
    answer::went(&portal, changed)
}

async fn changed(
    portal: &Portal,
    request: &HttpRequest,
    sent: &Parameters,
) -> Result<HttpResponse, Halt> {
    let form = AgentForm::sent(sent);
    let none = Mistakes::default();
    let named = request.match_info().query("agent");
    let typed = portal.typed_form(request, sent);
    let session = match (typed.session, typed.trouble) {
        (Some(session), None) => session,
        (session, trouble) => {
            let trouble = trouble.unwrap_or(Trouble::SignedOut);
            return Ok(portal.again(session.as_ref(), &form, &none, trouble, Some(named)));
        }
    };
    let agent = portal.own_agent(&session, request).await?;
    let id = Some(agent.id.as_str());
    let before = &agent.details;
    let kind = Some(Kind::of(before));
    let (scopes, now) = (portal.registry.scopes(), portal.clock.now());
    let said = match form.check(scopes, kind, &session.subject, now) {
        Ok(said) => said,
        Err(mistakes) => {
            return Ok(portal.again(Some(&session), &form, &mistakes, Trouble::Mistakes, id));
        }
    };
    // What the form does not ask stays as it is.
    let details = NewClient {
        authentication: before.authentication,
        application_type: before.application_type,
        refreshes: before.refreshes,
        software_id: before.software_id.clone(),
        contact: before.contact.clone(),
        origin: before.origin,
        registered_at: before.registered_at,
        ..said
    };
    let changed = Client {
        details,
        ..Client::clone(&agent)
    };
    match portal.registry.directory().update(changed).await {
        Ok(true) => {}
        Ok(false) => return Err(Halt::NotFound),
        Err(error) => {
            return Ok(portal.again(Some(&session), &form, &none, error.into(), id));
        }
    }
    audit::registration_changed("reregistered", &agent.id);
    let cookie = portal.set_note(&session, What::Changed);
    Ok(answer::redirect(portal.agent_path(&agent.id), cookie))
}

pub(super) async fn add_secret(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let added = async {
        let (session, _form) = portal.plain_form(&request, body)?;
        let agent = portal.own_agent(&session, &request).await?;
        let cookie = match portal.registry.add_secret(&agent).await {
            Ok(made) => portal.set_note(
                &session,
                What::Secret {
                    agent: agent.id.clone(),
                    secret: made.expose().to_owned(),
                },
            ),
            // Its page has no button for it: it was pressed twice.
            Err(NoSecret::TooMany | NoSecret::NotConfidential) => None,
            Err(NoSecret::Registrar(error)) => return Err(error.into()),
        };
        Ok(answer::redirect(portal.agent_path(&agent.id), cookie))
    };
    let added = added.await;
    answer::went(&portal, added)
}

pub(super) async fn end_secret(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let ended = async {
        let (session, form) = portal.plain_form(&request, body)?;
        let agent = portal.own_agent(&session, &request).await?;
        let name = form.one("secret").ok().flatten().ok_or(Halt::Unreadable)?;
        let ended = portal.registry.end_secret(&agent, name).await?;
        let cookie = ended.then(|| portal.set_note(&session, What::SecretEnded));
        Ok(answer::redirect(
            portal.agent_path(&agent.id),
            cookie.flatten(),
        ))
    };
    let ended = ended.await;
    answer::went(&portal, ended)
}

pub(super) async fn ask_to_delete(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    let asked = async {
        let session = portal.developer(&request)?;
        let agent = portal.own_agent(&session, &request).await?;
        let body = pages::delete(portal.around(&session), &agent);
        Ok(answer::page(StatusCode::OK, body, []))
    };
    let asked = asked.await;
    answer::went(&portal, asked)
}

pub(super) async fn delete(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let deleted = async {
        let (session, _form) = portal.plain_form(&request, body)?;
        let agent = portal.own_agent(&session, &request).await?;
        portal.registry.directory().delete(&agent.id).await?;
        audit::registration_changed("unregistered", &agent.id);
        portal.shut_out(&agent);
        let cookie = portal.set_note(&session, What::Deleted);
        Ok(answer::redirect(portal.home(), cookie))
    };
    let deleted = deleted.await;
    answer::went(&portal, deleted)
}

impl Portal {
    /// A JWT lives on when its agent is gone, so its tokens are refused here.
    fn shut_out(&self, agent: &Client) {
        let whom = Whom {
            issuer: Some(self.provider.issuer().to_owned()),
            client_id: Some(agent.id.clone()),
            subject: None,
        };
        let now = self.clock.now();
        let cut = CutOff::before(now, whom, now).and_ban_for(SHUT_OUT_FOR);
        if let Err(error) = self.cut_offs.add(&cut) {
            tracing::warn!(%error, agent = agent.id, "a deleted agent's tokens live until they end");
        }
    }
}
