//! What the tests are made of: a provider with a clock moved by hand, a browser that keeps cookies
//! and fills in forms, and an agent that asks for tokens.

use std::{cell::RefCell, collections::HashMap, net::SocketAddr, time::Duration};

use actix_web::{dev::ServerHandle, rt};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use mcp_usher::{
    idp::{Config, Idp, ResourceServer},
    secret::Secret,
    time::{Clock, Timestamp},
};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use url::Url;

pub(crate) use crate::http::{Reply, client, send};

pub(crate) const RESOURCE: &str = "http://127.0.0.1:3001/mcp";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:5555/cb";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A running provider.
pub(crate) struct Provider {
    pub(crate) origin: String,
    pub(crate) issuer: String,
    pub(crate) clock: Clock,
    handle: ServerHandle,
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Told, not awaited: the runtime of the test ends with it.
        drop(rt::spawn(self.handle.stop(false)));
    }
}

impl Provider {
    pub(crate) fn start() -> Self {
        Self::start_with(|_config| {})
    }

    pub(crate) fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        #[cfg(feature = "cli")]
        crate::loud::listen_if_wanted();
        let mut config = Config::dev_defaults();
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.resource_server = Some(ResourceServer {
            client_id: "usher".to_owned(),
            client_secret: Secret::new("rs-secret"),
        });
        change(&mut config);
        let clock = Clock::manual(Timestamp::from_unix_seconds(1_800_000_000));
        let bound = Idp::bind(config, clock.clone()).unwrap();
        let (origin, issuer) = (
            format!("http://{}", bound.address()),
            bound.issuer().to_owned(),
        );
        let server = bound.serve([RESOURCE.to_owned()]).unwrap();
        let handle = server.handle();
        rt::spawn(server);
        Self {
            origin,
            issuer,
            clock,
            handle,
        }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Registers a public agent that may refresh.
    pub(crate) async fn register(&self, name: &str) -> Agent<'_> {
        let reply = self
            .register_with(&json!({
                "client_name": name,
                "redirect_uris": [REDIRECT_URI],
                "grant_types": ["authorization_code", "refresh_token"],
                "token_endpoint_auth_method": "none",
            }))
            .await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        Agent {
            provider: self,
            client_id: reply.json()["client_id"].as_str().unwrap().to_owned(),
        }
    }

    pub(crate) async fn register_with(&self, metadata: &Value) -> Reply {
        send(client().post(self.at("/register")).json(metadata)).await
    }

    pub(crate) async fn get(&self, url: &str) -> Reply {
        send(client().get(url)).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        send(client().post(self.at(path)).form(form)).await
    }

    /// The official app, first-party.
    pub(crate) fn official(&self) -> Agent<'_> {
        Agent {
            provider: self,
            client_id: "official-app".to_owned(),
        }
    }
}

/// A client of the provider.
pub(crate) struct Agent<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) client_id: String,
}

impl Agent<'_> {
    /// An authorization request; `more` replaces what is usual, and an empty value leaves it out.
    pub(crate) fn authorization(&self, scope: &str, more: &[(&str, &str)]) -> String {
        let challenge = challenge(VERIFIER);
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", REDIRECT_URI),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", "state-1"),
            ("resource", RESOURCE),
            ("scope", scope),
        ];
        parameters.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        parameters.extend(more.iter().copied().filter(|(_, value)| !value.is_empty()));
        Url::parse_with_params(&self.provider.at("/auth"), parameters)
            .unwrap()
            .into()
    }

    /// Signs in, agrees to everything, and returns the code.
    pub(crate) async fn code(
        &self,
        browser: &Browser,
        scope: &str,
        more: &[(&str, &str)],
    ) -> String {
        let callback = browser.allow(&self.authorization(scope, more)).await;
        parameter(&callback, "code").unwrap_or_else(|| panic!("no code in {callback}"))
    }

    pub(crate) async fn exchange(&self, code: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("client_id", self.client_id.as_str()),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        form.extend(more.iter().copied().filter(|(_, value)| !value.is_empty()));
        self.provider.post("/token", &form).await
    }

    pub(crate) async fn refresh(&self, token: &str, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("client_id", self.client_id.as_str()),
            ("refresh_token", token),
        ];
        form.extend_from_slice(more);
        self.provider.post("/token", &form).await
    }

    /// The whole way to tokens.
    pub(crate) async fn tokens(&self, scope: &str, more: &[(&str, &str)]) -> Value {
        let code = self.code(&Browser::new(), scope, more).await;
        let reply = self.exchange(&code, &[]).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }
}

impl Reply {
    pub(crate) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The page's form: hidden inputs and ticked boxes, in order.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        self.body
            .split("<input ")
            .skip(1)
            .map(|rest| rest.split('>').next().unwrap())
            .filter(|input| input.contains("type=\"hidden\"") || input.ends_with("checked"))
            .map(|input| (attribute(input, "name"), attribute(input, "value")))
            .collect()
    }
}

fn attribute(input: &str, name: &str) -> String {
    input
        .split_once(&format!("{name}=\""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(value, _)| value.to_owned())
        .unwrap()
}

/// A browser: keeps cookies, follows no redirect by itself.
#[derive(Default)]
pub(crate) struct Browser {
    cookies: RefCell<HashMap<String, String>>,
}

impl Browser {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn cookie(&self) -> String {
        let cookies = self.cookies.borrow();
        let pairs: Vec<_> = cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join("; ")
    }

    pub(crate) fn plant(&self, pair: &str) {
        let (name, value) = pair.split_once('=').unwrap();
        self.cookies
            .borrow_mut()
            .insert(name.to_owned(), value.to_owned());
    }

    pub(crate) async fn get(&self, url: &str) -> Reply {
        self.send(client().get(url)).await
    }

    pub(crate) async fn post(&self, url: &str, form: &[(String, String)]) -> Reply {
        self.send(client().post(url).form(form)).await
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Reply {
        let reply = send(request.header("cookie", self.cookie())).await;
        for value in reply.headers.get_all("set-cookie") {
            self.plant(value.to_str().unwrap().split(';').next().unwrap());
        }
        reply
    }

    /// Follows redirects until a page, or until one leads away to a client.
    pub(crate) async fn follow(&self, url: &str) -> (String, Reply) {
        let reply = self.get(url).await;
        self.follow_on(url, reply).await
    }

    /// Sends the form of a page that was found at `url`, and follows.
    pub(crate) async fn submit(
        &self,
        url: &str,
        page: &Reply,
        more: &[(&str, &str)],
    ) -> (String, Reply) {
        let mut form = page.form();
        form.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        self.submit_form(url, &form).await
    }

    pub(crate) async fn submit_form(
        &self,
        url: &str,
        form: &[(String, String)],
    ) -> (String, Reply) {
        let reply = self.post(&without_query(url), form).await;
        self.follow_on(url, reply).await
    }

    async fn follow_on(&self, url: &str, mut reply: Reply) -> (String, Reply) {
        let mut url = Url::parse(url).unwrap();
        loop {
            let location = reply.header("location").to_owned();
            if location.is_empty() {
                return (url.into(), reply);
            }
            let next = url.join(&location).unwrap();
            if next.origin() != url.origin() {
                return (next.into(), reply);
            }
            reply = self.get(next.as_str()).await;
            url = next;
        }
    }

    /// Goes to an authorization request and signs in as demo if asked; returns where that led.
    pub(crate) async fn sign_in(&self, authorization: &str) -> (String, Reply) {
        let (url, page) = self.follow(authorization).await;
        if !url.contains("/oidc/sign-in") {
            return (url, page);
        }
        self.submit(&url, &page, &[("username", "demo"), ("password", "demo")])
            .await
    }

    /// Signs in and allows if asked; returns the callback.
    pub(crate) async fn allow(&self, authorization: &str) -> String {
        let (url, page) = self.sign_in(authorization).await;
        if !url.contains("/oidc/consent") {
            return url;
        }
        self.submit(&url, &page, &[("decision", "allow")]).await.0
    }
}

/// A parameter of a callback.
pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    Url::parse(url)
        .unwrap()
        .query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

pub(crate) fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

/// Header and claims of a JWT, unverified.
pub(crate) fn jwt(token: &str) -> (Value, Value) {
    let part = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let mut parts = token.split('.');
    (part(parts.next().unwrap()), part(parts.next().unwrap()))
}

pub(crate) fn without_query(url: &str) -> String {
    url.split('?').next().unwrap().to_owned()
}

/// One client for all tests, since building one reads the machine's certificates. It keeps no
/// connection: each belongs to the runtime of the test that opened it.
pub(crate) async fn request(method: Method, url: &str) -> Reply {
    send(client().request(method, url)).await
}
