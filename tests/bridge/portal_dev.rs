//! The portal in front of the embedded provider, as `usher dev --portal` shows it: with the bridge, and
//! without.

use std::{cell::RefCell, collections::BTreeMap, net::SocketAddr, time::Duration};

use mcp_usher::{
    Server,
    idp::User,
    registration::Mode,
    server::{DevServer, RunningDev},
};
use serde_json::Value;
use url::Url;

use crate::{
    kit::{CHALLENGE, REDIRECT_URI, Reply, VERIFIER, client, parameter, send},
    portal::{secret, value},
};

/// Somebody in front of a browser that goes to both servers.
struct Person<'a> {
    dev: &'a RunningDev,
    name: &'static str,
    /// By host and name: ports share cookies, and these names tell them apart.
    jar: RefCell<BTreeMap<String, String>>,
}

impl Person<'_> {
    async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let cookies: Vec<_> = {
            let jar = self.jar.borrow();
            jar.iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect()
        };
        let reply = send(request.header("cookie", cookies.join("; "))).await;
        for set in reply.headers.get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.jar
                .borrow_mut()
                .insert(name.to_owned(), value.to_owned());
        }
        reply
    }

    async fn get(&self, url: &str) -> Reply {
        self.send(client().get(url)).await
    }

    async fn post(&self, url: &str, form: &[(&str, &str)]) -> Reply {
        let origin = Url::parse(url).unwrap().origin().ascii_serialization();
        let request = client().post(url).header("origin", origin).form(form);
        self.send(request).await
    }

    fn at(&self, path: &str) -> String {
        self.dev.running().url().join(path)
    }

    /// Follows redirects, signs in and consents where a page asks for it; where it ends: at a page, or on
    /// the way to the agent.
    async fn walk(&self, url: &str) -> Reply {
        let mut url = Url::parse(url).unwrap();
        let mut reply = self.get(url.as_str()).await;
        for _ in 0..12 {
            if reply.status == 303 {
                let next = reply.header("location").to_owned();
                if next.starts_with(REDIRECT_URI) {
                    return reply;
                }
                url = url.join(&next).unwrap();
                reply = self.get(url.as_str()).await;
                continue;
            }
            let page = reply.body.clone();
            let mut form = Vec::new();
            if page.contains("name=\"password\"") {
                form.extend([("username", self.name), ("password", self.name)]);
            } else if page.contains("name=\"decision\"") {
                form.push(("decision", "allow"));
            } else {
                return reply;
            }
            let [transaction, token] = ["transaction", "form_token"].map(|name| value(&page, name));
            form.extend([
                ("transaction", transaction.as_str()),
                ("form_token", &token),
            ]);
            let action = page.split_once("method=\"post\" action=\"").unwrap().1;
            url = url.join(action.split('"').next().unwrap()).unwrap();
            reply = self.post(url.as_str(), &form).await;
        }
        panic!("no end: {url}");
    }

    /// Presses a button of the portal.
    async fn press(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        let token = value(&self.get(&self.at("/developers")).await.body, "form_token");
        let form = [form, &[("form_token", token.as_str())]].concat();
        let reply = self.post(&self.at(path), &form).await.is(303);
        self.get(&self.at(reply.header("location"))).await
    }
}

/// Where an agent of this server sends its users.
async fn endpoints(dev: &RunningDev) -> Value {
    let url = dev.running().url();
    let document = url.join("/.well-known/oauth-protected-resource/mcp");
    let document = send(client().get(document)).await.json();
    let issuer = document["authorization_servers"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let path = if issuer == url.as_str() {
        "/.well-known/oauth-authorization-server"
    } else {
        "/.well-known/openid-configuration"
    };
    send(client().get(format!("{issuer}{path}"))).await.json()
}

/// A token of this agent for a user who signs in and agrees.
async fn token(person: &Person<'_>, id: &str, secret: &str) -> Reply {
    let metadata = endpoints(person.dev).await;
    let resource = person.at("/mcp");
    let query = [
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "openid email"),
        ("resource", resource.as_str()),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let authorize = metadata["authorization_endpoint"].as_str().unwrap();
    let authorize = Url::parse_with_params(authorize, query).unwrap();
    let code = person.walk(authorize.as_str()).await;
    let code = parameter(code.header("location"), "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("resource", resource.as_str()),
    ];
    let request = client().post(metadata["token_endpoint"].as_str().unwrap());
    send(request.basic_auth(id, Some(secret)).form(&form)).await
}

async fn knock(dev: &RunningDev, token: &str) -> Reply {
    let body = serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "t", "version": "1" },
        },
    });
    let request = client().post(dev.running().url().join("/mcp"));
    let request = request.header("accept", "application/json, text/event-stream");
    send(request.bearer_auth(token).json(&body)).await
}

async fn whole_life(mode: Mode) {
    let mut config = DevServer::settings();
    config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.server.admin_listen = SocketAddr::from(([127, 0, 0, 1], 0));
    config.server.workers = 1;
    config.portal.enabled = true;
    config.registration.mode = mode;
    let dev = Server::new(config)
        .with_provider(SocketAddr::from(([127, 0, 0, 1], 0)))
        .user(User::new("mallory", "mallory", "Mallory", "m@example.com"))
        .start()
        .unwrap();
    let ready = dev.running().verifier().clone();
    for _ in 0..2_000 {
        if ready.is_ready() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let person = |name| Person {
        dev: &dev,
        name,
        jar: RefCell::default(),
    };
    let (demo, user, mallory) = (person("demo"), person("demo"), person("mallory"));
    let home = demo.walk(&demo.at("/developers/sign-in")).await.is(200);
    assert!(home.body.contains("Demo User"), "{}", home.body);

    let form = [
        ("name", "SmartMail AI"),
        ("kind", "server"),
        ("redirect_uris", REDIRECT_URI),
        ("scope", "email"),
    ];
    let page = demo.press("/developers/new", &form).await.is(200);
    let first = secret(&page.body).unwrap();
    let list = demo.get(&demo.at("/developers")).await;
    let path = list
        .body
        .split_once("href=\"/developers/agents/")
        .unwrap()
        .1;
    let id = path.split('"').next().unwrap().to_owned();
    let path = format!("/developers/agents/{id}");
    mallory
        .walk(&mallory.at("/developers/sign-in"))
        .await
        .is(200);
    mallory.get(&mallory.at(&path)).await.is(404);

    let access = token(&user, &id, &first).await.is(200).json();
    let access = access["access_token"].as_str().unwrap().to_owned();
    knock(&dev, &access).await.is(200);
    let users = demo.get(&demo.at(&format!("{path}/users"))).await.is(200);
    assert!(users.body.contains("1 user lets"), "{}", users.body);

    let page = demo.press(&format!("{path}/secrets"), &[]).await.is(200);
    let second = secret(&page.body).unwrap();
    token(&user, &id, &first).await.is(200);
    token(&user, &id, &second).await.is(200);
    let older = value(&page.body, "secret");
    demo.press(&format!("{path}/end-secret"), &[("secret", &older)])
        .await
        .is(200);
    assert!(matches!(token(&user, &id, &first).await.status, 400 | 401));
    token(&user, &id, &second).await.is(200);

    let elsewhere = form.map(|(name, value)| match name {
        "redirect_uris" => (name, "https://elsewhere.example/cb"),
        _ => (name, value),
    });
    demo.press(&format!("{path}/edit"), &elsewhere)
        .await
        .is(200);
    let authorize = endpoints(&dev).await["authorization_endpoint"].clone();
    let query = [("client_id", id.as_str()), ("redirect_uri", REDIRECT_URI)];
    let authorize = Url::parse_with_params(authorize.as_str().unwrap(), query).unwrap();
    user.get(authorize.as_str()).await.is(400);

    knock(&dev, &access).await.is(200);
    let list = demo.press(&format!("{path}/delete"), &[]).await.is(200);
    assert!(
        list.body.contains("You have no agent yet."),
        "{}",
        list.body
    );
    knock(&dev, &access).await.is(401);
    user.get(authorize.as_str()).await.is(400);
    dev.stop().await;
}

#[actix_web::test]
async fn with_the_bridge_an_agent_lives_and_ends() {
    whole_life(Mode::Bridge).await;
}

#[actix_web::test]
async fn without_the_bridge_an_agent_lives_and_ends() {
    whole_life(Mode::Off).await;
}
