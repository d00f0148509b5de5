//! A developer's agents: the list, and one more.

use actix_web::{Error, HttpRequest, HttpResponse, http::StatusCode, web};

use super::{
    Portal, answer,
    cookie::Jar,
    error::Halt,
    form::{AgentForm, Mistakes},
    pages::{self, Around, FormPage, Trouble},
    session::{NOTE_SECONDS, Session, What},
};
use crate::{
    oauth::parameters::Parameters,
    registration::{NotRegistered, Refused, Registered, RegistrarError},
    seal::Purpose,
    telemetry::audit,
};

/// A form with something typed in it, which is not to be lost.
#[derive(Debug)]
pub(super) struct Typed {
    pub(super) session: Option<Session>,
    /// What stands in the way; nothing for a form of this session's.
    pub(super) trouble: Option<Trouble>,
}

pub(super) async fn list(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    answer::went(&portal, own_list(&portal, &request).await)
}

async fn own_list(portal: &Portal, request: &HttpRequest) -> Result<HttpResponse, Halt> {
    let Some(session) = portal.session(request) else {
        let body = pages::welcome(
            portal.base(),
            &portal.sign_in_url(&portal.home()),
            portal.provider.issuer(),
        );
        return Ok(answer::page(StatusCode::OK, body, []));
    };
    let agents = portal.registry.directory().owned_by(&session.subject);
    let agents = agents.await?;
    let (note, cookie) = portal.note(request, &session);
    let around = portal.around(&session);
    let may_have = portal.may_have();
    let body = pages::list(around, &agents, may_have, note.as_ref());
    Ok(answer::page(StatusCode::OK, body, cookie))
}

pub(super) async fn blank(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    let shown = portal.developer(&request).map(|session| {
        let form = AgentForm::empty(portal.registry.scopes());
        let mistakes = Mistakes::default();
        let page = portal.form_page(Some(&session), &form, &mistakes, None);
        answer::page(StatusCode::OK, pages::form(&page), [])
    });
    answer::went(&portal, shown)
}

pub(super) async fn create(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let created = async {
        let sent = portal.own_form(&request, body)?;
        Ok(created(&portal, &request, &sent).await)
    };
    let created = created.await;
    answer::went(&portal, created)
}

async fn created(portal: &Portal, request: &HttpRequest, sent: &Parameters) -> HttpResponse {
    let form = AgentForm::sent(sent);
    let (typed, none) = (portal.typed_form(request, sent), Mistakes::default());
    let session = match (typed.session, typed.trouble) {
        (Some(session), None) => session,
        (session, trouble) => {
            let trouble = trouble.unwrap_or(Trouble::SignedOut);
            return portal.again(session.as_ref(), &form, &none, trouble, None);
        }
    };
    let (scopes, now) = (portal.registry.scopes(), portal.clock.now());
    let new = match form.check(scopes, None, &session.subject, now) {
        Ok(new) => new,
        Err(mistakes) => {
            return portal.again(Some(&session), &form, &mistakes, Trouble::Mistakes, None);
        }
    };
    let again = |trouble| portal.again(Some(&session), &form, &none, trouble, None);
    if !portal.registry.admission().admits_developers() {
        return again(Trouble::Closed);
    }
    let address = portal.address(request);
    let Registered { client, secret } = match portal.registry.register(&new, address).await {
        Ok(registered) => registered,
        Err(why) => {
            let trouble = trouble(why);
            audit::registration_refused(trouble.code(), address);
            return again(trouble);
        }
    };
    let what = match secret {
        Some(secret) => What::Secret {
            agent: client.id.clone(),
            secret: secret.expose().to_owned(),
        },
        None => What::Registered,
    };
    let cookie = portal.set_note(&session, what);
    answer::redirect(portal.agent_path(&client.id), cookie)
}

fn trouble(why: NotRegistered) -> Trouble {
    match why {
        NotRegistered::Refused(Refused::TooManyFromAddress(after) | Refused::TooMany(after)) => {
            Trouble::TooMany(after)
        }
        NotRegistered::Refused(_) => Trouble::Closed,
        NotRegistered::DryRun => Trouble::DryRun,
        NotRegistered::Full => Trouble::Full,
        NotRegistered::FullForDeveloper => Trouble::FullForDeveloper,
        NotRegistered::Registrar(error) => error.into(),
    }
}

impl From<RegistrarError> for Trouble {
    fn from(error: RegistrarError) -> Self {
        match Halt::from(error) {
            Halt::Unavailable(after) => Self::Unavailable(after),
            _ => Self::Internal,
        }
    }
}

impl Portal {
    /// What stands around every page of a developer who is signed in.
    pub(super) fn around<'a>(&'a self, session: &'a Session) -> Around<'a> {
        Around {
            base: self.base(),
            name: &session.name,
            form_token: &session.form_token,
        }
    }

    /// How many agents a developer may have; none where nobody may register.
    fn may_have(&self) -> Option<usize> {
        let admits = self.registry.admission().admits_developers();
        admits.then(|| self.registry.per_developer_max())
    }

    pub(super) fn agent_path(&self, id: &str) -> String {
        self.path(&format!("/developers/agents/{id}"))
    }

    pub(super) fn form_page<'a>(
        &'a self,
        session: Option<&'a Session>,
        form: &'a AgentForm,
        mistakes: &'a Mistakes,
        agent: Option<&'a str>,
    ) -> FormPage<'a> {
        FormPage {
            base: self.base(),
            around: session.map(|session| self.around(session)),
            form,
            mistakes,
            trouble: None,
            agent,
            scopes: self.registry.scopes(),
        }
    }

    /// Who sent a typed form, and why it has to be sent once more.
    pub(super) fn typed_form(&self, request: &HttpRequest, sent: &Parameters) -> Typed {
        let (session, trouble) = match self.sender(request, sent) {
            Ok(session) => (Some(session), None),
            Err(Halt::StaleForm) => (self.session(request), Some(Trouble::Stale)),
            Err(_) => (None, Some(Trouble::SignedOut)),
        };
        Typed { session, trouble }
    }

    /// The form once more, with all that was typed, and what stands in the way.
    pub(super) fn again(
        &self,
        session: Option<&Session>,
        form: &AgentForm,
        mistakes: &Mistakes,
        trouble: Trouble,
        agent: Option<&str>,
    ) -> HttpResponse {
        let status = match trouble {
            Trouble::Mistakes | Trouble::DryRun => StatusCode::UNPROCESSABLE_ENTITY,
            Trouble::SignedOut | Trouble::Stale | Trouble::Closed => StatusCode::FORBIDDEN,
            Trouble::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Trouble::FullForDeveloper => StatusCode::CONFLICT,
            Trouble::Full | Trouble::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Trouble::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let page = FormPage {
            trouble: Some(trouble),
            ..self.form_page(session, form, mistakes, agent)
        };
        let mut answer = answer::page(status, pages::form(&page), []);
        match trouble {
            Trouble::TooMany(after) => answer::retry_after(&mut answer, Some(after)),
            Trouble::Unavailable(after) => answer::retry_after(&mut answer, after),
            _ => {}
        }
        answer
    }

    /// What the step before left to say, and the cookie that says so no more.
    pub(super) fn note(
        &self,
        request: &HttpRequest,
        session: &Session,
    ) -> (Option<What>, Option<String>) {
        let open = |sealed: &str| self.sealer.open(Purpose::PortalSecret, sealed);
        let Some(note) = self.cookies.find(request, Jar::Note, open) else {
            return (None, None);
        };
        let what = session.read(note, self.clock.now());
        (what, Some(self.cookies.clear(Jar::Note)))
    }

    /// A cookie with what the next page has to say.
    pub(super) fn set_note(&self, session: &Session, what: What) -> Option<String> {
        let note = session.note(what, self.clock.now());
        let sealed = self.sealer.seal(Purpose::PortalSecret, &note);
        if sealed.is_err() {
            tracing::error!("the next page of the portal can't say what was done");
        }
        let sealed = sealed.ok()?;
        Some(self.cookies.set(Jar::Note, &sealed, NOTE_SECONDS))
    }

    fn address(&self, request: &HttpRequest) -> Option<std::net::IpAddr> {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let header = |name: &str| {
            let last = request.headers().get_all(name).last();
            last.and_then(|value| value.to_str().ok())
        };
        self.registry.address(peer, header)
    }
}
