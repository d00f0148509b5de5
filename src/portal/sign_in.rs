//! Signing in at the authorization server, by the code flow with PKCE, and signing out.
//!
//! What has to be known when the developer comes back travels sealed in a cookie, so the sign-in ends in
//! the browser it began in, or not at all.

use actix_web::{Error, HttpRequest, HttpResponse, http::header, web};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use subtle::ConstantTimeEq;
use url::form_urlencoded;

use super::{
    Portal, answer,
    cookie::Jar,
    error::Halt,
    pages,
    session::{SIGN_IN_SECONDS, Session, SignIn},
};
use crate::{
    oauth::parameters::Parameters,
    seal::{Purpose, random_text},
    telemetry::{Limit, audit},
};

/// What is asked: who somebody is, and a name for the page.
const SCOPE: &str = "openid profile";
/// Longest code and path that are taken, in bytes.
const CODE_BYTES_MAX: usize = 2_048;
const PATH_BYTES_MAX: usize = 256;

pub(super) async fn begin(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    answer::went(&portal, go_and_sign_in(&portal, &request).await)
}

async fn go_and_sign_in(portal: &Portal, request: &HttpRequest) -> Result<HttpResponse, Halt> {
    let query = Parameters::parse(request.query_string().as_bytes());
    let to = query.one("to").ok().flatten();
    let to = to.filter(|to| portal.is_own_page(to));
    let to = to.map_or_else(|| portal.home(), str::to_owned);
    // By another name of this machine no cookie would come back with the answer.
    let host = request.headers().get(header::HOST);
    if host.is_none_or(|host| host.as_bytes() != portal.url.authority().as_bytes()) {
        let here = format!("{}{}", portal.url.origin(), portal.sign_in_url(&to));
        return Ok(answer::redirect(here, []));
    }
    let server = portal.provider.server().await?;
    let endpoint = server.authorization_endpoint();
    let endpoint = endpoint.ok_or(Halt::Unavailable(None))?;
    let random = || random_text().map_err(|_none| Halt::Internal);
    let sign_in = SignIn {
        state: random()?,
        nonce: random()?,
        // RFC 7636 §4.1: 43 characters or more.
        code_verifier: format!("{}{}", random()?, random()?),
        to,
        ends: portal.clock.now().as_unix_seconds() + SIGN_IN_SECONDS,
    };
    let challenge = digest(&SHA256, sign_in.code_verifier.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    let callback = portal.callback();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs([
        ("response_type", "code"),
        ("client_id", portal.provider.client_id()),
        ("redirect_uri", &callback),
        ("scope", SCOPE),
        ("state", &sign_in.state),
        ("nonce", &sign_in.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    let location = format!("{endpoint}{joint}{}", query.finish());
    let sealed = portal.sealer.seal(Purpose::PortalSignIn, &sign_in);
    let sealed = sealed.map_err(|_unsealed| Halt::Internal)?;
    let cookie = portal.cookies.set(Jar::SignIn, &sealed, SIGN_IN_SECONDS);
    Ok(answer::redirect(location, [cookie]))
}

pub(super) async fn callback(portal: web::Data<Portal>, request: HttpRequest) -> HttpResponse {
    answer::went(&portal, come_back(&portal, &request).await)
}

async fn come_back(portal: &Portal, request: &HttpRequest) -> Result<HttpResponse, Halt> {
    let query = Parameters::parse(request.query_string().as_bytes());
    let one = |name| query.one(name).map_err(|_twice| Halt::Unreadable);
    let (code, state, iss) = (one("code")?, one("state")?, one("iss")?);
    let now = portal.clock.now();
    let open = |sealed: &str| portal.sealer.open(Purpose::PortalSignIn, sealed);
    let sign_in: Option<SignIn> = portal.cookies.find(request, Jar::SignIn, open);
    let sign_in = sign_in.filter(|sign_in| now.as_unix_seconds() < sign_in.ends);
    let sign_in = sign_in.ok_or(Halt::SignInGone)?;
    // Without a code: cancelled, or refused; and a Logto brings no state back then either.
    let Some(code) = code.filter(|code| code.len() <= CODE_BYTES_MAX) else {
        return Err(Halt::SignInRefused);
    };
    let state = state.unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(sign_in.state.as_bytes())) {
        return Err(Halt::SignInGone);
    }
    // RFC 9207 §2.4: the answer is from whom the developer was sent to.
    let server = portal.provider.server().await?;
    let member = "authorization_response_iss_parameter_supported";
    let names_itself = server.member(member).and_then(Value::as_bool) == Some(true);
    let is_from_it = match iss {
        Some(iss) => iss == portal.provider.issuer(),
        None => !names_itself,
    };
    if !is_from_it {
        return Err(Halt::SignInGone);
    }
    let callback = portal.callback();
    let person = portal
        .provider
        .person(code, &sign_in.code_verifier, &callback, &sign_in.nonce, now)
        .await?
        .ok_or(Halt::SignInGone)?;
    let (issuer, lasts) = (portal.provider.issuer(), portal.session_seconds);
    let session = Session::begin(issuer, person.subject, person.name, now, lasts);
    let session = session.map_err(|_none| Halt::Internal)?;
    let sealed = portal.sealer.seal(Purpose::PortalSession, &session);
    let sealed = sealed.map_err(|_unsealed| Halt::Internal)?;
    audit::developer_signed_in(&session.subject);
    let cookies = [
        portal.cookies.set(Jar::Session, &sealed, lasts),
        portal.cookies.clear(Jar::SignIn),
    ];
    Ok(answer::redirect(sign_in.to, cookies))
}

pub(super) async fn sign_out(
    portal: web::Data<Portal>,
    request: HttpRequest,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let signed_out = async {
        let (session, _form) = portal.plain_form(&request, body)?;
        if portal.sign_outs.add(&session, portal.clock.now()).is_err() {
            portal.metrics.limit_hit(Limit::PortalSignOuts);
            tracing::warn!("a developer's sign-out could not be remembered");
        }
        audit::developer_signed_out(&session.subject);
        let server = portal.provider.server().await.ok();
        let end = server.as_ref().and_then(|server| {
            let end = server.member("end_session_endpoint")?.as_str()?;
            Some(end.to_owned()).filter(|end| end.starts_with("http"))
        });
        let body = pages::signed_out(portal.base(), portal.provider.issuer(), end.as_deref());
        let cookies = [Jar::Session, Jar::Note].map(|jar| portal.cookies.clear(jar));
        Ok(answer::page(actix_web::http::StatusCode::OK, body, cookies))
    };
    let signed_out = signed_out.await;
    answer::went(&portal, signed_out)
}

impl Portal {
    /// Where signing in leads to this page.
    pub(super) fn sign_in_url(&self, to: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("to", to);
        format!("{}?{}", self.path("/developers/sign-in"), query.finish())
    }

    /// A page of the portal's, and no other address, however it is written.
    fn is_own_page(&self, path: &str) -> bool {
        let home = self.home();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte);
        let rest = path.strip_prefix(home.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            && path.len() <= PATH_BYTES_MAX
            && path[home.len()..].bytes().all(is_plain)
            && !path.contains("//")
    }
}
