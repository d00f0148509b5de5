//! The portal as developers use it: the whole life of an agent, and what is said when something is wrong.

use std::{cell::RefCell, collections::BTreeMap};

use mcp_usher::{
    config::Config,
    registration::{Mode, Who},
    secret::Secret,
};
use serde_json::json;
use url::Url;

use crate::{
    kit::{Bridge, REDIRECT_URI, Reply, VERIFIER, client, parameter, send},
    logto::Fault,
};

const APP: (&str, &str) = ("portal-app", "portal-secret");

/// A developer in front of a browser, which keeps cookies.
pub(crate) struct Developer<'a> {
    bridge: &'a Bridge,
    pub(crate) jar: RefCell<BTreeMap<String, String>>,
    /// What every form of theirs brings along.
    pub(crate) token: RefCell<String>,
}

/// A server with a portal, and a bridge unless `change` says otherwise.
pub(crate) async fn with_portal(change: impl FnOnce(&mut Config)) -> Bridge {
    let bridge = Bridge::with(|config| {
        config.portal.enabled = true;
        config.portal.client_id = Some(APP.0.to_owned());
        config.portal.client_secret = Some(Secret::new(APP.1));
        change(config);
    })
    .await;
    let callback = bridge.at("/developers/callback");
    bridge.logto.add_first_party(APP.0, APP.1, &callback);
    bridge
}

impl<'a> Developer<'a> {
    pub(crate) fn new(bridge: &'a Bridge) -> Self {
        Self {
            bridge,
            jar: RefCell::default(),
            token: RefCell::default(),
        }
    }

    /// One who is signed in as this user.
    pub(crate) async fn signed_in(bridge: &'a Bridge, user: &str) -> Self {
        let developer = Self::new(bridge);
        user.clone_into(&mut bridge.logto.state().user);
        developer.sign_in("/developers/sign-in").await;
        bridge.logto.state().user.clear();
        developer
    }

    /// Signs in from here, and says where it leads.
    pub(crate) async fn sign_in(&self, from: &str) -> String {
        let to_logto = self.get(from).await.is(303);
        let callback = self.get(to_logto.header("location")).await.is(303);
        let back = self.get(callback.header("location")).await.is(303);
        let list = self.get("/developers").await.is(200);
        *self.token.borrow_mut() = value(&list.body, "form_token");
        back.header("location").to_owned()
    }

    pub(crate) fn cookies(&self) -> String {
        let jar = self.jar.borrow();
        let pairs = jar.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, reply: Reply) -> Reply {
        for set in reply.headers.get_all("set-cookie") {
            let set = set.to_str().unwrap();
            assert!(set.contains("; HttpOnly; SameSite=Lax"), "{set}");
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            let mut jar = self.jar.borrow_mut();
            if set.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    pub(crate) async fn get(&self, url: &str) -> Reply {
        let url = if url.starts_with('/') {
            self.bridge.at(url)
        } else {
            url.to_owned()
        };
        let request = client().get(url).header("cookie", self.cookies());
        self.keep(send(request).await)
    }

    /// Sends a form as its page would.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let token = self.token.borrow().clone();
        let mut form = form.to_vec();
        form.push(("form_token", &token));
        self.post_raw(path, &form, &[("origin", &self.bridge.url)])
            .await
    }

    pub(crate) async fn post_raw(
        &self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Reply {
        let mut request = client().post(self.bridge.at(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("cookie", self.cookies()).form(form);
        self.keep(send(request).await)
    }

    /// Registers an agent, and follows to its page.
    pub(crate) async fn make(&self, form: &[(&str, &str)]) -> (String, Reply) {
        let made = self.post("/developers/new", form).await.is(303);
        let path = made.header("location").to_owned();
        (path.clone(), self.get(&path).await.is(200))
    }
}

/// The value of an input.
pub(crate) fn value(page: &str, name: &str) -> String {
    let at = page.find(&format!("name=\"{name}\" value=\"")).unwrap();
    let rest = &page[at + name.len() + 15..];
    rest.split('"').next().unwrap().to_owned()
}

/// The secret that a page shows.
pub(crate) fn secret(page: &str) -> Option<String> {
    let rest = page.split_once("<pre class=\"secret\"><code>")?.1;
    Some(rest.split('<').next().unwrap().to_owned())
}

pub(crate) fn server() -> [(&'static str, &'static str); 5] {
    [
        ("name", "SmartMail AI"),
        ("kind", "server"),
        ("redirect_uris", REDIRECT_URI),
        ("scope", "mcp:tools"),
        ("home", "https://smartmail.example/"),
    ]
}

fn id_of(path: &str) -> String {
    path.rsplit('/').next().unwrap().to_owned()
}

/// Signs a user in for this agent, with this secret.
async fn token_for(bridge: &Bridge, id: &str, secret: &str) -> Reply {
    let code = bridge.code(id, &[]).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let request = client().post(bridge.at("/token")).form(&form);
    send(request.basic_auth(id, Some(secret))).await
}

#[actix_web::test]
async fn an_agent_is_made_used_given_another_secret_changed_and_deleted() {
    let bridge = with_portal(|_| ()).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let empty = alice.get("/developers").await.is(200);
    assert!(
        empty.body.contains("You have no agent yet."),
        "{}",
        empty.body
    );

    // Its secret is seen once.
    let (path, page) = alice.make(&server()).await;
    let first = secret(&page.body).unwrap();
    let id = id_of(&path);
    let again = alice.get(&path).await.is(200);
    assert_eq!(secret(&again.body), None);
    assert!(!again.body.contains(&first));
    assert!(alice.get("/developers").await.body.contains(&id));
    let application = bridge.logto.state().applications[&id].clone();
    let record = &application["customData"]["usher"];
    assert_eq!(record["owner"], "alice");
    assert_eq!(record["origin"], "portal");
    assert_eq!(application["type"], "Traditional");
    let callback = json!([bridge.at("/callback")]);
    assert_eq!(application["oidcClientMetadata"]["redirectUris"], callback);

    // It works, and so does a second secret beside the first.
    let token = token_for(&bridge, &id, &first).await.is(200).json();
    let token = token["access_token"].as_str().unwrap().to_owned();
    bridge.whoami(&token).await.is(200);
    let rotated = alice.post(&format!("{path}/secrets"), &[]).await.is(303);
    let rotated = alice.get(rotated.header("location")).await;
    let second = secret(&rotated.body).unwrap();
    assert_ne!(first, second);
    token_for(&bridge, &id, &first).await.is(200);
    token_for(&bridge, &id, &second).await.is(200);

    // There is no third, and the last is never ended.
    alice.post(&format!("{path}/secrets"), &[]).await.is(303);
    let page = alice.get(&path).await;
    assert_eq!(secret(&page.body), None);
    let end = format!("{path}/end-secret");
    let older = value(&page.body, "secret");
    alice.post(&end, &[("secret", &older)]).await.is(303);
    token_for(&bridge, &id, &first)
        .await
        .refuses(401, "invalid_client");
    token_for(&bridge, &id, &second).await.is(200);
    let left = bridge.logto.secret_names(&id);
    assert_eq!(left.len(), 1);
    alice.post(&end, &[("secret", &left[0])]).await.is(303);
    token_for(&bridge, &id, &second).await.is(200);

    // What is changed is changed at Logto; what is left out goes.
    let edit = format!("{path}/edit");
    let form = alice.get(&edit).await.is(200);
    assert_eq!(value(&form.body, "home"), "https://smartmail.example/");
    let changed = [
        ("name", "SmartMail 2"),
        (
            "redirect_uris",
            "http://127.0.0.1:5555/cb\r\nhttps://smartmail.example/cb",
        ),
        ("scope", "profile"),
        ("terms", "https://smartmail.example/terms"),
    ];
    alice.post(&edit, &changed).await.is(303);
    let page = alice.get(&path).await;
    assert!(page.body.contains("<h1>SmartMail 2</h1>"));
    assert!(page.body.contains("Saved."));
    {
        let state = bridge.logto.state();
        assert_eq!(
            state.branding[&id]["termsOfUseUrl"],
            "https://smartmail.example/terms"
        );
        let scopes = &state.consent_scopes[&id];
        assert_eq!(scopes["userScopes"], json!(["profile"]));
        assert_eq!(scopes["resourceScopes"], json!([]));
        let record = &state.applications[&id]["customData"]["usher"];
        assert_eq!(record["links"]["home"], json!(null));
        assert_eq!(record["owner"], "alice");
    }

    bridge.logto.grant("carol", &id);
    let users = alice.get(&format!("{path}/users")).await.is(200);
    assert!(users.body.contains("<code>carol</code>"), "{}", users.body);

    // Deleted, its token is refused at once, though it is a JWT.
    bridge.whoami(&token).await.is(200);
    alice.get(&format!("{path}/delete")).await.is(200);
    let deleted = alice.post(&format!("{path}/delete"), &[]).await.is(303);
    assert_eq!(deleted.header("location"), "/developers");
    assert!(alice.get("/developers").await.body.contains("Deleted."));
    bridge.whoami(&token).await.is(401);
    assert!(!bridge.logto.state().applications.contains_key(&id));
    alice.get(&path).await.is(404);
    bridge.stop().await;
}

#[actix_web::test]
async fn without_a_bridge_an_agent_has_its_own_redirect_uris_at_logto() {
    let bridge = with_portal(|config| config.registration.mode = Mode::Off).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let app = [
        ("name", "Agent"),
        ("kind", "app"),
        ("redirect_uris", "http://127.0.0.1/cb\ncursor://a/b"),
        ("scope", "mcp:tools"),
    ];

    let (path, page) = alice.make(&app).await;

    assert_eq!(secret(&page.body), None);
    assert!(
        page.body.contains(&bridge.logto.issuer),
        "where users sign in"
    );
    let uris = |bridge: &Bridge| {
        let state = bridge.logto.state();
        let application = &state.applications[&id_of(&path)];
        assert_eq!(application["type"], "Native");
        application["oidcClientMetadata"].clone()
    };
    assert_eq!(
        uris(&bridge)["redirectUris"],
        json!(["http://127.0.0.1/cb", "cursor://a/b"])
    );
    let changed = [
        ("name", "Agent"),
        ("redirect_uris", "cursor://a/b"),
        ("scope", "mcp:tools"),
    ];
    alice.post(&format!("{path}/edit"), &changed).await.is(303);
    assert_eq!(
        uris(&bridge),
        json!({ "redirectUris": ["cursor://a/b"], "postLogoutRedirectUris": [] })
    );
    bridge.stop().await;
}

#[actix_web::test]
async fn mistakes_are_said_at_their_fields_and_nothing_typed_is_lost() {
    let bridge = with_portal(|_| ()).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let form = [
        ("name", "Mail & <Co>"),
        ("kind", "server"),
        (
            "redirect_uris",
            "https://a.example/cb\r\nhttp://evil.example/cb",
        ),
        ("logo", "http://a.example/logo.png"),
        ("scope", "mcp:tools"),
    ];

    let reply = alice.post("/developers/new", &form).await.is(422);

    for shown in [
        "id=\"redirect_uris-mistake\">Line 2: http is for",
        "id=\"logo-mistake\">Enter a whole address",
        "value=\"Mail &amp; &lt;Co&gt;\"",
        "value=\"server\" checked",
        "https://a.example/cb\nhttp://evil.example/cb</textarea>",
        "value=\"mcp:tools\" checked",
        "<title>Error: Register an agent",
    ] {
        assert!(reply.body.contains(shown), "no {shown} in {}", reply.body);
    }
    assert!(!reply.body.contains("value=\"profile\" checked"));
    assert_eq!(bridge.logto.count("POST /applications"), 0);
    bridge.stop().await;
}

// R15, R19, P21
#[actix_web::test]
async fn quota_rate_and_outages_are_said_with_all_that_was_typed() {
    let bridge = with_portal(|config| {
        config.registration.per_developer_max = 1;
        config.registration.per_hour = 3;
    })
    .await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    bridge.logto.fail(0, Fault::Status(500));
    bridge.logto.fail(1, Fault::Status(500));
    let reply = alice.post("/developers/new", &server()).await.is(503);
    assert!(
        reply.body.contains("value=\"SmartMail AI\""),
        "{}",
        reply.body
    );
    assert!(!reply.header("retry-after").is_empty());
    bridge.logto.no_more_faults();

    let (path, _) = alice.make(&server()).await;
    let reply = alice.post("/developers/new", &server()).await.is(409);
    assert!(
        reply
            .body
            .contains("as many agents as one developer may have")
    );
    assert!(reply.body.contains("value=\"SmartMail AI\""));
    let reply = alice.post("/developers/new", &server()).await.is(429);
    assert!(reply.body.contains("value=\"SmartMail AI\""));
    assert!(!reply.header("retry-after").is_empty());
    let metrics = bridge.running().metrics().encode();
    for limit in ["registration.per_developer_max", "registration.per_hour"] {
        let line = format!("usher_limit_hit_total{{limit=\"{limit}\"}} 1");
        assert!(metrics.contains(&line), "{metrics}");
    }

    // An outage while one is changed loses nothing either.
    bridge.logto.fail(0, Fault::Status(500));
    bridge.logto.fail(1, Fault::Status(500));
    let reply = alice.post(&format!("{path}/edit"), &server()).await.is(503);
    assert!(
        reply.body.contains("value=\"SmartMail AI\""),
        "{}",
        reply.body
    );
    bridge.stop().await;
}

#[actix_web::test]
async fn the_portal_may_be_the_only_way_to_register_or_none() {
    let bridge = with_portal(|config| config.registration.who = Who::Portal).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    bridge.register(&crate::kit::public()).await.is(403);
    let document = send(client().get(bridge.at("/.well-known/oauth-authorization-server"))).await;
    assert_eq!(document.json().get("registration_endpoint"), None);
    let (path, page) = alice.make(&server()).await;
    let id = id_of(&path);
    token_for(&bridge, &id, &secret(&page.body).unwrap())
        .await
        .is(200);
    bridge.stop().await;

    let bridge = with_portal(|config| config.registration.who = Who::Nobody).await;
    let alice = Developer::signed_in(&bridge, "alice").await;
    let list = alice.get("/developers").await;
    assert!(
        list.body.contains("are registered by its operator"),
        "{}",
        list.body
    );
    alice.post("/developers/new", &server()).await.is(403);
    assert_eq!(bridge.logto.count("POST /applications"), 0);
    bridge.stop().await;
}

#[actix_web::test]
async fn a_dry_run_makes_nothing() {
    let bridge = with_portal(|config| config.registration.dry_run = true).await;
    let alice = Developer::signed_in(&bridge, "alice").await;

    let reply = alice.post("/developers/new", &server()).await.is(422);

    assert!(reply.body.contains("only tries registrations out"));
    assert_eq!(bridge.logto.count("POST /applications"), 0);
    bridge.stop().await;
}

#[actix_web::test]
async fn signing_in_leads_to_the_page_that_was_asked_for() {
    let bridge = with_portal(|_| ()).await;
    let nobody = Developer::new(&bridge);
    let home = nobody.get("/developers").await.is(200);
    assert!(home.body.contains("Bring your agent here"));

    let sent = nobody.get("/developers/new").await.is(303);
    let led_to = nobody.sign_in(sent.header("location")).await;

    assert_eq!(led_to, "/developers/new");
    let asked = bridge.logto.state().asked.clone();
    assert_eq!(asked["code_challenge_method"], "S256");
    assert!(asked["scope"].contains("openid"));
    let location = Url::parse(&bridge.at(&led_to)).unwrap();
    assert_eq!(parameter(location.as_str(), "code"), None);
    bridge.stop().await;
}
