//! A Logto, as far as the bridge meets it: discovery, authorize, token and revocation, and the
//! Management API, in the shapes recorded from a running one.
//!
//! Its quirks are there on purpose: Cancel leads to the bare redirect URI; scopes that an application
//! may not have are dropped silently, but for those of the user's data, which are an error; no
//! `resource` gives an opaque token; resources are compared to the character; PKCE is not asked of a
//! Traditional application; no refresh token without `prompt=consent`; a deleted application is a 400.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, UNIX_EPOCH},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{Method, header},
    web::{self, Bytes, Data},
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mcp_usher::time::Clock;
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use crate::signing::{SigningKey, encoded};

pub(crate) const M2M: (&str, &str) = ("m2m-app", "m2m-secret");
pub(crate) const MANAGEMENT: &str = "https://default.logto.app/api";
const USER_SCOPES: [&str; 2] = ["profile", "email"];

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status instead, and nothing is done.
    Status(u16),
    /// It is done, and the answer is lost.
    Lost,
    /// No answer for this long.
    Hangs(Duration),
}

/// The double. Clones are the same.
#[derive(Clone)]
pub(crate) struct Logto {
    pub(crate) issuer: String,
    state: Arc<Mutex<State>>,
    key: Arc<SigningKey>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) applications: HashMap<String, Value>,
    pub(crate) consent_scopes: HashMap<String, Value>,
    pub(crate) display_names: HashMap<String, String>,
    secrets: HashMap<String, Vec<(String, String)>>,
    /// What the consent page shows beside the name.
    pub(crate) branding: HashMap<String, Value>,
    resources: Vec<Value>,
    scopes: HashMap<String, Vec<Value>>,
    codes: HashMap<String, Value>,
    refresh_tokens: HashMap<String, Value>,
    management_tokens: Vec<String>,
    pub(crate) token_requests: usize,
    /// Every request to the Management API: method and path.
    pub(crate) ledger: Vec<String>,
    /// The n-th request from now on, by 0.
    faults: HashMap<usize, Fault>,
    seen: usize,
    /// Whether the user cancels instead of consenting.
    pub(crate) cancels: bool,
    /// Whether nobody has signed in yet.
    pub(crate) is_signed_out: bool,
    /// Who is signed in there; alice, where nobody is named.
    pub(crate) user: String,
    /// What an ID token says otherwise.
    pub(crate) id_token: Value,
    /// What the last authorization request asked.
    pub(crate) asked: HashMap<String, String>,
    /// The member of discovery that says otherwise.
    pub(crate) metadata: Value,
    /// What introspection answers whatever it is asked, where that is not what it should.
    pub(crate) introspects: Option<(u16, Value)>,
    /// What its clock is ahead of the true time, in seconds.
    pub(crate) clock_ahead: u64,
    roles: Vec<Value>,
    pub(crate) hooks: Vec<Value>,
    /// By user. Signing in makes none here: a test says who has granted what.
    pub(crate) grants: HashMap<String, Vec<Value>>,
    pub(crate) suspended_users: HashSet<String>,
    pub(crate) deleted_users: HashSet<String>,
    /// Everything is answered by somebody on the way, who knows nothing of it.
    pub(crate) is_behind_a_broken_proxy: bool,
    made: usize,
}

impl Logto {
    /// Starts, with an API resource for each indicator, which has the scope `mcp:tools`.
    pub(crate) fn start() -> Self {
        let key = Arc::new(SigningKey::new("ES384", "logto"));
        let state = Arc::new(Mutex::new(State::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}/oidc", listener.local_addr().unwrap());
        let logto = Self { issuer, state, key };
        let shared = logto.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::new(shared.clone()))
                .default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap();
        actix_web::rt::spawn(server.run());
        logto
    }

    /// A first-party application with this secret.
    pub(crate) fn add_first_party(&self, id: &str, secret: &str, redirect_uri: &str) {
        let mut state = self.state();
        let application = json!({
            "id": id, "name": id, "type": "Traditional", "isThirdParty": false,
            "oidcClientMetadata": { "redirectUris": [redirect_uri] },
        });
        state.applications.insert(id.to_owned(), application);
        let secrets = vec![("Default secret".to_owned(), secret.to_owned())];
        state.secrets.insert(id.to_owned(), secrets);
    }

    pub(crate) fn add_resource(&self, indicator: &str) {
        let mut state = self.state();
        let id = state.id("resource");
        state
            .resources
            .push(json!({ "id": id, "indicator": indicator, "accessTokenTtl": 600 }));
        let scopes = ["mcp:tools", "notes:read"]
            .map(|name| json!({ "id": format!("{id}-{name}").replace(':', "-"), "name": name }));
        state.scopes.insert(id, scopes.to_vec());
    }

    #[cfg(feature = "cli")]
    pub(crate) fn rename_resource(&self, indicator: &str, to: &str) {
        let mut state = self.state();
        let mut all = state.resources.iter_mut();
        all.find(|one| one["indicator"] == indicator).unwrap()["indicator"] = json!(to);
    }

    /// What goes wrong with the n-th request to the Management API from now on, by 0.
    pub(crate) fn fail(&self, nth: usize, fault: Fault) {
        let mut state = self.state();
        let at = state.seen + nth;
        state.faults.insert(at, fault);
    }

    pub(crate) fn no_more_faults(&self) {
        self.state().faults.clear();
    }

    /// An access token of this user's for an application, as if it had signed in and consented.
    pub(crate) fn access_token(&self, user: &str, application: &str, resource: &str) -> String {
        let now = crate::kit::NOW;
        let claims = json!({
            "iss": self.issuer, "sub": user, "client_id": application, "aud": resource,
            "scope": "mcp:tools", "iat": now - 10, "exp": now + 600, "jti": self.state().id("jwt"),
        });
        self.key.token(&claims)
    }

    /// The secrets of an application, by name.
    pub(crate) fn secret_names(&self, id: &str) -> Vec<String> {
        let state = self.state();
        let names = state.secrets[id].iter().map(|(name, _)| name.clone());
        names.collect()
    }

    /// A user lets an application act for it.
    pub(crate) fn grant(&self, user: &str, application: &str) {
        let grant = json!({ "id": "g", "payload": { "clientId": application }, "expiresAt": null });
        self.state()
            .grants
            .entry(user.to_owned())
            .or_default()
            .push(grant);
    }

    /// The newest application was made just now; all others long ago.
    pub(crate) fn made_now(&self) -> String {
        let mut state = self.state();
        let all = state.applications.values_mut();
        let newest = all.max_by_key(|one| one["createdAt"].as_u64()).unwrap();
        newest["createdAt"] = json!(u64::MAX / 2);
        newest["id"].as_str().unwrap().to_owned()
    }

    /// All tokens of the Management API end.
    pub(crate) fn forget_tokens(&self) {
        self.state().management_tokens.clear();
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Requests to the Management API that begin like this.
    pub(crate) fn count(&self, what: &str) -> usize {
        let state = self.state();
        state
            .ledger
            .iter()
            .filter(|line| line.starts_with(what))
            .count()
    }

    fn metadata(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let mut metadata = json!({
            "issuer": self.issuer, "authorization_endpoint": at("/auth"),
            "token_endpoint": at("/token"), "revocation_endpoint": at("/token/revocation"),
            "jwks_uri": at("/jwks"), "userinfo_endpoint": at("/me"),
            "introspection_endpoint": at("/token/introspection"),
            "scopes_supported": ["openid", "offline_access", "profile", "email", "urn:logto:scope:sessions"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
        });
        for (name, value) in self.state().metadata.as_object().into_iter().flatten() {
            metadata[name] = value.clone();
        }
        metadata
    }

    fn authorize(&self, query: &HashMap<String, String>) -> HttpResponse {
        let mut state = self.state();
        state.asked.clone_from(query);
        let get = |name: &str| query.get(name).cloned().unwrap_or_default();
        let Some(application) = state.applications.get(&get("client_id")).cloned() else {
            return refused(400, "invalid_client");
        };
        let redirect_uri = get("redirect_uri");
        let uris = application["oidcClientMetadata"]["redirectUris"]
            .as_array()
            .unwrap();
        if !uris.iter().any(|uri| *uri == redirect_uri.as_str()) {
            return refused(400, "invalid_redirect_uri");
        }
        if state.cancels {
            return see_other(&redirect_uri, &[]);
        }
        let echo = get("state");
        let error = |error: &str| {
            let pairs = [("error", error), ("state", &echo), ("iss", &self.issuer)];
            see_other(&redirect_uri, &pairs)
        };
        if application["isThirdParty"] == false {
            let code = state.id("code");
            let kept = json!({
                "client": get("client_id"), "redirect": redirect_uri, "resource": "", "scope": "",
                "challenge": get("code_challenge"), "nonce": get("nonce"), "user": state.user(),
            });
            state.codes.insert(code.clone(), kept);
            let pairs = [
                ("code", code.as_str()),
                ("state", &echo),
                ("iss", &self.issuer),
            ];
            return see_other(&redirect_uri, &pairs);
        }
        let is_public = application["type"] != "Traditional";
        if is_public && get("code_challenge").is_empty() {
            return error("invalid_request");
        }
        let resource = get("resource");
        let known = state
            .resources
            .iter()
            .find(|one| one["indicator"] == resource.as_str());
        let Some(known) = known.cloned() else {
            return error("invalid_target");
        };
        let consent = state
            .consent_scopes
            .get(application["id"].as_str().unwrap());
        let consent = consent.cloned().unwrap_or_default();
        let may = |kind: &str, what: &str| {
            let listed = consent[kind].as_array().cloned().unwrap_or_default();
            listed.iter().any(|one| one == what)
        };
        let mut granted = Vec::new();
        let mut offline = false;
        for scope in get("scope").split(' ').map(str::to_owned) {
            if USER_SCOPES.contains(&scope.as_str()) {
                if !may("userScopes", &scope) {
                    return error("invalid_scope");
                }
            } else if scope == "offline_access" {
                offline = get("prompt").contains("consent");
            } else {
                let scopes = &state.scopes[known["id"].as_str().unwrap()];
                let its = scopes.iter().find(|one| one["name"] == scope.as_str());
                if its.is_some_and(|its| may("resourceScopes", its["id"].as_str().unwrap())) {
                    granted.push(scope);
                }
            }
        }
        if state.is_signed_out {
            return see_other(&format!("{}/sign-in", self.issuer), &[("app_id", "a")]);
        }
        let code = state.id("code");
        let kept = json!({
            "client": get("client_id"), "redirect": redirect_uri, "resource": resource,
            "scope": granted.join(" "), "offline": offline, "challenge": get("code_challenge"),
        });
        state.codes.insert(code.clone(), kept);
        let pairs = [
            ("code", code.as_str()),
            ("state", &echo),
            ("iss", &self.issuer),
        ];
        see_other(&redirect_uri, &pairs)
    }

    fn token(&self, request: &HttpRequest, form: &HashMap<String, String>) -> HttpResponse {
        let mut state = self.state();
        let get = |name: &str| form.get(name).cloned().unwrap_or_default();
        let basic = basic(request);
        if get("grant_type") == "client_credentials" {
            state.token_requests += 1;
            if basic != Some((M2M.0.to_owned(), M2M.1.to_owned())) {
                return refused(401, "invalid_client");
            }
            if get("resource") != MANAGEMENT {
                return refused(400, "invalid_target");
            }
            let token = state.id("management");
            state.management_tokens.push(token.clone());
            return HttpResponse::Ok().json(json!({
                "access_token": token, "expires_in": 3600, "token_type": "Bearer",
                "scope": get("scope"),
            }));
        }
        let (client, secret) = basic.unwrap_or((get("client_id"), String::new()));
        if !state.applications.contains_key(&client) {
            return refused(400, "invalid_client");
        }
        let secrets = state.secrets.get(&client).cloned().unwrap_or_default();
        let known = secrets.is_empty() && secret.is_empty()
            || secrets.iter().any(|(_, value)| *value == secret);
        if !known {
            return refused(401, "invalid_client");
        }
        let kept = match get("grant_type").as_str() {
            "authorization_code" => state.codes.get(&get("code")).cloned(),
            "refresh_token" => state.refresh_tokens.get(&get("refresh_token")).cloned(),
            _ => return refused(400, "unsupported_grant_type"),
        };
        let Some(kept) = kept.filter(|kept| kept["client"] == client.as_str()) else {
            return refused(400, "invalid_grant");
        };
        if get("grant_type") == "authorization_code" {
            let hash = encoded(digest(&SHA256, get("code_verifier").as_bytes()));
            let challenge = kept["challenge"].as_str().unwrap();
            if kept["redirect"] != get("redirect_uri").as_str()
                || (!challenge.is_empty() && challenge != hash)
            {
                return refused(400, "invalid_grant");
            }
            state.codes.remove(&get("code"));
        } else {
            state.refresh_tokens.remove(&get("refresh_token"));
        }
        let resource = get("resource");
        let mut answer = json!({ "token_type": "Bearer", "id_token": "an.id.token" });
        if let Some(nonce) = kept.get("nonce") {
            let mut claims = json!({
                "iss": self.issuer, "sub": kept["user"], "aud": client, "nonce": nonce,
                "exp": crate::kit::NOW + 3_600, "name": format!("{} <b>", kept["user"].as_str().unwrap()),
            });
            for (name, value) in state.id_token.as_object().into_iter().flatten() {
                claims[name] = value.clone();
            }
            answer["id_token"] = json!(self.key.token(&claims));
        }
        if resource.is_empty() {
            answer["access_token"] = json!(state.id("opaque"));
            answer["expires_in"] = json!(3600);
        } else if kept["resource"] != resource.as_str() {
            return refused(400, "invalid_target");
        } else {
            let now = crate::kit::NOW;
            let claims = json!({
                "iss": self.issuer, "sub": state.user(), "client_id": client, "aud": resource,
                "scope": kept["scope"], "iat": now, "exp": now + 600, "jti": state.id("jwt"),
            });
            answer["access_token"] = json!(self.key.token(&claims));
            answer["expires_in"] = json!(600);
            answer["scope"] = kept["scope"].clone();
        }
        if kept["offline"] == true {
            let token = state.id("refresh");
            state.refresh_tokens.insert(token.clone(), kept);
            answer["refresh_token"] = json!(token);
        }
        HttpResponse::Ok().json(answer)
    }

    fn revoke(&self, form: &HashMap<String, String>) -> HttpResponse {
        let token = form.get("token").cloned().unwrap_or_default();
        if token.contains('.') {
            return refused(400, "unsupported_token_type");
        }
        self.state().refresh_tokens.remove(&token);
        HttpResponse::Ok().finish()
    }

    async fn manage(&self, request: &HttpRequest, body: &[u8]) -> HttpResponse {
        let path = request.path().trim_start_matches("/api").to_owned();
        let fault = {
            let mut state = self.state();
            state.ledger.push(format!("{} {path}", request.method()));
            let fault = state.faults.get(&state.seen).copied();
            state.seen += 1;
            fault
        };
        match fault {
            Some(Fault::Status(status)) => {
                let message = json!({ "message": "Internal server error." });
                return HttpResponse::build(status.try_into().unwrap()).json(message);
            }
            Some(Fault::Hangs(time)) => tokio::time::sleep(time).await,
            Some(Fault::Lost) | None => {}
        }
        if self.state().is_behind_a_broken_proxy {
            return HttpResponse::NotFound().body("<html>no such page");
        }
        let authorization = request.headers().get(header::AUTHORIZATION);
        let token = authorization.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let known = |state: &State| {
            state
                .management_tokens
                .iter()
                .any(|one| Some(one.as_str()) == token)
        };
        if !known(&self.state()) {
            return HttpResponse::Unauthorized().json(json!({ "code": "auth.unauthorized" }));
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let path: Vec<&str> = path.split('/').skip(1).collect();
        let answer = self.managed(request, &path, &body);
        if fault == Some(Fault::Lost) {
            return HttpResponse::BadGateway().body("<html>");
        }
        answer
    }

    fn managed(&self, request: &HttpRequest, path: &[&str], body: &Value) -> HttpResponse {
        let mut state = self.state();
        let not_found = || HttpResponse::NotFound().json(json!({ "code": "entity.not_found" }));
        if let ["applications", id, ..] = path
            && !state.applications.contains_key(*id)
        {
            return not_found();
        }
        if let (&Method::GET, ["applications", id, "user-consent-scopes"]) =
            (request.method(), path)
        {
            let granted = state.consent_scopes.get(*id).cloned().unwrap_or_default();
            return HttpResponse::Ok().json(json!({ "userScopes": granted["userScopes"] }));
        }
        if let ["applications", id, "user-consent-scopes", which @ ..] = path {
            return state.consent(id, which, body);
        }
        match (request.method(), path) {
            (&Method::GET, ["applications"]) => {
                let third_party = !request.query_string().contains("isThirdParty=false");
                let all = state.applications.values();
                let mut all: Vec<&Value> = all
                    .filter(|one| one["isThirdParty"] == third_party)
                    .collect();
                all.sort_by_key(|one| std::cmp::Reverse(one["createdAt"].as_u64()));
                page(request, &all)
            }
            (&Method::POST, ["applications"]) => {
                let kind = body["type"].as_str().unwrap().to_owned();
                assert!(matches!(kind.as_str(), "Native" | "Traditional"), "{kind}");
                let id = state.id("app");
                let mut made = body.clone();
                made["id"] = json!(id);
                made["createdAt"] = json!(state.made);
                state.applications.insert(id.clone(), made.clone());
                if kind == "Traditional" {
                    let secret = state.id("secret");
                    state
                        .secrets
                        .insert(id, vec![("Default secret".to_owned(), secret)]);
                }
                HttpResponse::Ok().json(made)
            }
            (&Method::GET, ["applications", id]) => {
                HttpResponse::Ok().json(&state.applications[*id])
            }
            (&Method::PATCH, ["applications", id]) => {
                let application = state.applications.get_mut(*id).unwrap();
                for (name, value) in body.as_object().unwrap() {
                    application[name] = value.clone();
                }
                HttpResponse::Ok().json(application)
            }
            (&Method::DELETE, ["applications", id]) => {
                state.applications.remove(*id);
                state.secrets.remove(*id);
                HttpResponse::NoContent().finish()
            }
            (&Method::GET, ["applications", id, "secrets"]) => {
                let secrets = state.secrets.get(*id).cloned().unwrap_or_default();
                let shown = secrets
                    .iter()
                    .map(|(name, value)| json!({ "name": name, "value": value }));
                HttpResponse::Ok().json(shown.collect::<Vec<_>>())
            }
            (&Method::PUT, ["applications", id, "sign-in-experience"]) => {
                let shown = state.branding.entry((*id).to_owned()).or_default();
                for (member, value) in body.as_object().unwrap() {
                    shown[member] = value.clone();
                }
                let name = body["displayName"].as_str().unwrap().to_owned();
                state.display_names.insert((*id).to_owned(), name);
                HttpResponse::Created().json(body)
            }
            (&Method::POST, ["applications", id, "secrets"]) => {
                let value = state.id("secret");
                let name = body["name"].as_str().unwrap().to_owned();
                let secrets = state.secrets.entry((*id).to_owned()).or_default();
                secrets.push((name.clone(), value.clone()));
                HttpResponse::Created().json(json!({ "name": name, "value": value }))
            }
            (&Method::DELETE, ["applications", id, "secrets", name]) => {
                let name = name.replace("%20", " ");
                let secrets = state.secrets.entry((*id).to_owned()).or_default();
                secrets.retain(|(one, _)| *one != name);
                HttpResponse::NoContent().finish()
            }
            _ => state.tenant(request, path, body).unwrap_or_else(not_found),
        }
    }
}

impl State {
    /// More of what users may be asked for, or one less.
    fn consent(&mut self, id: &str, which: &[&str], body: &Value) -> HttpResponse {
        let scopes = self.consent_scopes.entry(id.to_owned()).or_default();
        if let [kind, scope] = which {
            let kind = match *kind {
                "resource-scopes" => "resourceScopes",
                "user-scopes" => "userScopes",
                kind => panic!("{kind}"),
            };
            let all = scopes[kind].as_array_mut().unwrap();
            all.retain(|one| one != scope);
            return HttpResponse::NoContent().finish();
        }
        // Added to what is there.
        for (kind, more) in body.as_object().unwrap() {
            let mut all = scopes[kind].as_array().cloned().unwrap_or_default();
            let more = more.as_array().unwrap().iter();
            all.extend(
                more.filter(|one| !all.contains(one))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            scopes[kind] = json!(all);
        }
        HttpResponse::Created()
            .content_type("text/plain")
            .body("Created")
    }

    /// What is not about applications.
    fn tenant(
        &mut self,
        request: &HttpRequest,
        path: &[&str],
        body: &Value,
    ) -> Option<HttpResponse> {
        Some(match (request.method(), path) {
            (&Method::GET, ["resources"]) => {
                page(request, &self.resources.iter().collect::<Vec<_>>())
            }
            (&Method::POST, ["resources"]) => {
                let id = self.id("resource");
                let mut made = body.clone();
                made["id"] = json!(id);
                self.resources.push(made.clone());
                self.scopes.insert(id, Vec::new());
                HttpResponse::Created().json(made)
            }
            (&Method::POST, ["resources", id, "scopes"]) => {
                let mut made = body.clone();
                made["id"] = json!(self.id("scope"));
                self.scopes.get_mut(*id).unwrap().push(made.clone());
                HttpResponse::Created().json(made)
            }
            (&Method::GET, ["roles"]) => page(request, &self.roles.iter().collect::<Vec<_>>()),
            (&Method::POST, ["roles"]) => {
                let mut made = body.clone();
                made["id"] = json!(self.id("role"));
                self.roles.push(made.clone());
                HttpResponse::Ok().json(made)
            }
            (&Method::GET, ["hooks"]) => page(request, &self.hooks.iter().collect::<Vec<_>>()),
            (&Method::POST, ["hooks"]) => {
                let mut made = body.clone();
                made["id"] = json!(self.id("hook"));
                made["enabled"] = json!(true);
                made["signingKey"] = json!(self.id("signing-key"));
                self.hooks.push(made.clone());
                HttpResponse::Created().json(made)
            }
            (&Method::GET, ["users"]) => {
                let users: Vec<Value> = self.grants.keys().map(|id| json!({ "id": id })).collect();
                page(request, &users.iter().collect::<Vec<_>>())
            }
            (&Method::GET, ["users", id]) if !self.deleted_users.contains(*id) => {
                let is_suspended = self.suspended_users.contains(*id);
                HttpResponse::Ok().json(json!({ "id": id, "isSuspended": is_suspended }))
            }
            (&Method::GET, ["users", id, "grants"]) => {
                let grants = self.grants.get(*id).cloned().unwrap_or_default();
                HttpResponse::Ok().json(json!({ "grants": grants }))
            }
            (&Method::GET, ["resources", id, "scopes"]) => {
                page(request, &self.scopes[*id].iter().collect::<Vec<_>>())
            }
            _ => return None,
        })
    }

    #[cfg(feature = "cli")]
    pub(crate) fn set_token_lifetime(&mut self, seconds: u64) {
        for resource in &mut self.resources {
            resource["accessTokenTtl"] = json!(seconds);
        }
    }

    fn user(&self) -> String {
        if self.user.is_empty() {
            return "alice".to_owned();
        }
        self.user.clone()
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{}x", self.made)
    }
}

async fn answer(request: HttpRequest, body: Bytes, logto: Data<Logto>) -> HttpResponse {
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let query = form_urlencoded::parse(request.query_string().as_bytes());
    match request.path() {
        "/oidc/.well-known/openid-configuration" => {
            let now = Clock::system().now().as_unix_seconds() + logto.state().clock_ahead;
            let now = UNIX_EPOCH + Duration::from_secs(now);
            HttpResponse::Ok()
                .insert_header(header::Date(now.into()))
                .json(logto.metadata())
        }
        "/oidc/jwks" => HttpResponse::Ok().json(json!({ "keys": [logto.key.jwk()] })),
        "/oidc/auth" => logto.authorize(&query.into_owned().collect()),
        "/oidc/token" => logto.token(&request, &form),
        "/oidc/token/revocation" => logto.revoke(&form),
        "/oidc/token/introspection" => match logto.state().introspects.clone() {
            Some((status, answer)) => HttpResponse::build(status.try_into().unwrap()).json(answer),
            None => introspect(&request, &form),
        },
        "/oidc/me" => refused(401, "invalid_token"),
        path if path.starts_with("/api/") => logto.manage(&request, &body).await,
        _ => HttpResponse::NotFound().body("Not Found"),
    }
}

/// Nobody here has an opaque token that lives; a JWT is none to be asked about.
fn introspect(request: &HttpRequest, form: &HashMap<String, String>) -> HttpResponse {
    if basic(request) != Some((M2M.0.to_owned(), M2M.1.to_owned())) {
        return refused(401, "invalid_client");
    }
    if form.get("token").is_some_and(|token| token.contains('.')) {
        return refused(400, "unsupported_token_type");
    }
    HttpResponse::Ok().json(json!({ "active": false }))
}

fn page(request: &HttpRequest, all: &[&Value]) -> HttpResponse {
    let query: HashMap<String, usize> = form_urlencoded::parse(request.query_string().as_bytes())
        .filter_map(|(name, value)| Some((name.into_owned(), value.parse().ok()?)))
        .collect();
    let size = query.get("page_size").copied().unwrap_or(20);
    assert!(size <= 100, "guard.invalid_pagination");
    let from = (query.get("page").copied().unwrap_or(1) - 1) * size;
    let part: Vec<_> = all.iter().skip(from).take(size).collect();
    HttpResponse::Ok()
        .insert_header(("Total-Number", all.len().to_string()))
        .json(part)
}

fn basic(request: &HttpRequest) -> Option<(String, String)> {
    let value = request
        .headers()
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

fn refused(status: u16, error: &str) -> HttpResponse {
    HttpResponse::build(status.try_into().unwrap()).json(json!({
        "code": format!("oidc.{error}"), "message": error,
        "error": error, "error_description": error,
    }))
}

fn see_other(uri: &str, pairs: &[(&str, &str)]) -> HttpResponse {
    let mut url = Url::parse(uri).unwrap();
    if !pairs.is_empty() {
        url.query_pairs_mut().extend_pairs(pairs);
    }
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, url.as_str()))
        .finish()
}
