//! Who asks, whether a form is theirs, and whether an agent is: the one place that decides (C13).
//!
//! Every page and every step comes through here. What belongs to another developer is answered byte for
//! byte as what is not there.

use std::sync::Arc;

use actix_web::{
    Error, HttpRequest,
    http::{StatusCode, header},
    web,
};

use super::{Portal, cookie::Jar, error::Halt, session::Session};
use crate::{oauth::parameters::Parameters, registration::Client, seal::Purpose};

/// The field of every form that makes it this session's.
pub(super) const FORM_TOKEN: &str = "form_token";

impl Portal {
    /// Who is signed in in this browser.
    pub(super) fn session(&self, request: &HttpRequest) -> Option<Session> {
        let open = |sealed: &str| self.sealer.open(Purpose::PortalSession, sealed);
        let session: Session = self.cookies.find(request, Jar::Session, open)?;
        let is_good = self.clock.now().as_unix_seconds() < session.ends
            && session.issuer == self.provider.issuer()
            && !self.sign_outs.hold(&session)
            && !self.is_cut_off(&session);
        is_good.then_some(session)
    }

    /// Who is signed in, or where to do so.
    pub(super) fn developer(&self, request: &HttpRequest) -> Result<Session, Halt> {
        let to = || Halt::SignedOut(request.path().to_owned());
        self.session(request).ok_or_else(to)
    }

    /// An operator or a webhook may have shut out this user, or the portal's own application.
    fn is_cut_off(&self, session: &Session) -> bool {
        if self.cut_offs.is_empty() {
            return false;
        }
        let fits =
            |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        let now = self.clock.now().as_unix_seconds();
        self.cut_offs.list().iter().any(|cut| {
            let is_meant = fits(&cut.whom.issuer, &session.issuer)
                && fits(&cut.whom.client_id, self.provider.client_id())
                && fits(&cut.whom.subject, &session.subject);
            let is_from_before = session.began < cut.issued_before;
            is_meant && (is_from_before || cut.banned_until.is_some_and(|until| now < until))
        })
    }

    /// A form that a page of this origin sent, whoever's. Browsers say where a form comes from, and who
    /// says nothing is none.
    pub(super) fn own_form(
        &self,
        request: &HttpRequest,
        body: Result<web::Bytes, Error>,
    ) -> Result<Parameters, Halt> {
        let mut origins = request.headers().get_all(header::ORIGIN);
        let is_ours = match (origins.next(), origins.next()) {
            (Some(origin), None) => origin.as_bytes() == self.url.origin().as_bytes(),
            (None, None) => {
                let site = request.headers().get("sec-fetch-site");
                site.is_some_and(|site| site.as_bytes() == b"same-origin")
            }
            _ => false,
        };
        if !is_ours {
            return Err(Halt::ForeignForm);
        }
        let body = body.map_err(|error| {
            let status = error.as_response_error().status_code();
            tracing::debug!(%status, too_large = status == StatusCode::PAYLOAD_TOO_LARGE, "a form could not be read");
            Halt::Unreadable
        })?;
        let media_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let essence = media_type.unwrap_or_default().split(';').next();
        let is_form = essence.is_some_and(|essence| {
            essence
                .trim()
                .eq_ignore_ascii_case("application/x-www-form-urlencoded")
        });
        if !is_form {
            return Err(Halt::Unreadable);
        }
        Ok(Parameters::parse(&body))
    }

    /// Whether a form is of whoever is signed in: [`Halt::SignedOut`] where nobody is, and
    /// [`Halt::StaleForm`] for one of another session.
    pub(super) fn sender(&self, request: &HttpRequest, form: &Parameters) -> Result<Session, Halt> {
        let session = self.developer(request)?;
        let shown = form.one(FORM_TOKEN).ok().flatten();
        if session.has_form_token(shown.unwrap_or_default()) {
            Ok(session)
        } else {
            Err(Halt::StaleForm)
        }
    }

    /// A form without anything typed in it: either it is good, or it is sent again from a new page.
    pub(super) fn plain_form(
        &self,
        request: &HttpRequest,
        body: Result<web::Bytes, Error>,
    ) -> Result<(Session, Parameters), Halt> {
        let form = self.own_form(request, body)?;
        match self.sender(request, &form) {
            Ok(session) => Ok((session, form)),
            Err(_) => Err(Halt::StaleForm),
        }
    }

    /// The agent that the path names, if it is this developer's.
    pub(super) async fn own_agent(
        &self,
        session: &Session,
        request: &HttpRequest,
    ) -> Result<Arc<Client>, Halt> {
        let id = request.match_info().query("agent");
        let client = self.registry.directory().find(id).await?;
        let is_own =
            |client: &Arc<Client>| client.details.owner.as_deref() == Some(&session.subject);
        client.filter(is_own).ok_or(Halt::NotFound)
    }
}
