//! What the tests are made of: a server with a bridge to the Logto of `logto`, and an agent with a
//! browser.

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use mcp_usher::{
    Server,
    config::Config,
    registration::Mode,
    secret::Secret,
    server::Running,
    time::{Clock, Timestamp},
    units::{HumanDuration, PublicUrl},
};
use serde_json::{Value, json};
use url::Url;

pub(crate) use crate::http::{Reply, client, send};
use crate::logto::{Logto, M2M};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:5555/cb";
// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A server whose agents register with it, and its Logto.
pub(crate) struct Bridge {
    pub(crate) logto: Logto,
    pub(crate) clock: Clock,
    pub(crate) url: String,
    /// What it was started with, and its public URL.
    #[cfg(feature = "cli")]
    pub(crate) config: Config,
    running: Option<Running>,
}

/// A browser that keeps cookies, for one server.
#[derive(Default)]
pub(crate) struct Browser {
    cookie: RefCell<String>,
}

impl Bridge {
    pub(crate) async fn start() -> Self {
        Self::with(|_| ()).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::before(Logto::start(), change).await
    }

    /// In front of this Logto, once it is ready.
    pub(crate) async fn before(logto: Logto, change: impl FnOnce(&mut Config)) -> Self {
        let bridge = Self::unready(logto, change);
        let ready = bridge.running.as_ref().unwrap().verifier().clone();
        for _ in 0..4_000 {
            if ready.is_ready() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bridge
    }

    /// The same, whether or not Logto can be asked.
    pub(crate) fn unready(logto: Logto, change: impl FnOnce(&mut Config)) -> Self {
        #[cfg(feature = "cli")]
        crate::loud::listen_if_wanted();
        let mut config = Config::default();
        config.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.server.admin_listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.server.workers = 2;
        config.server.drain_after = HumanDuration::from_secs(5);
        config.resource.scopes = "profile mcp:tools".parse().unwrap();
        config.issuer.url = Some(logto.issuer.parse().unwrap());
        config.issuer.discovery.retry_first = HumanDuration::new(Duration::from_millis(5));
        config.fetch.deadline = HumanDuration::new(Duration::from_millis(1_500));
        config.registration.mode = Mode::Bridge;
        config.registration.key = Some(Secret::new("k".repeat(64)));
        config.registration.per_address_per_minute = 1_000;
        config.registration.per_hour = 1_000;
        config.logto.client_id = Some(M2M.0.to_owned());
        config.logto.client_secret = Some(Secret::new(M2M.1));
        change(&mut config);
        #[cfg(feature = "cli")]
        let mut started_with = config.clone();
        let clock = Clock::manual(Timestamp::from_unix_seconds(NOW));
        let running = Server::new(config).clock(clock.clone()).start().unwrap();
        let url = running.url().to_string();
        for path in ["/mcp", "/sse"] {
            logto.add_resource(&url.parse::<PublicUrl>().unwrap().join(path));
        }
        #[cfg(feature = "cli")]
        {
            started_with.server.public_url = Some(url.parse().unwrap());
        }
        Self {
            logto,
            clock,
            url,
            #[cfg(feature = "cli")]
            config: started_with,
            running: Some(running),
        }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) async fn register(&self, metadata: &Value) -> Reply {
        send(client().post(self.at("/register")).json(metadata)).await
    }

    /// A public agent that may refresh; its id.
    pub(crate) async fn agent(&self) -> String {
        let reply = self.register(&public()).await.is(201);
        reply.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// An authorization request; `more` replaces what is usual, and an empty value leaves it out.
    pub(crate) fn request(&self, client_id: &str, more: &[(&str, &str)]) -> String {
        let resource = self.at("/mcp");
        let usual = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "mcp:tools"),
            ("state", "s t&te"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", resource.as_str()),
        ];
        let kept = usual
            .iter()
            .filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let all = kept.chain(more).filter(|(_, value)| !value.is_empty());
        Url::parse_with_params(&self.at("/authorize"), all)
            .unwrap()
            .into()
    }

    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> Reply {
        send(client().post(self.at("/token")).form(form)).await
    }

    /// Exchanges a code; `more` replaces what is usual.
    pub(crate) async fn exchange(&self, id: &str, code: &str, more: &[(&str, &str)]) -> Reply {
        let usual = [
            ("grant_type", "authorization_code"),
            ("client_id", id),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        let kept = usual
            .iter()
            .filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let all: Vec<_> = kept
            .chain(more)
            .filter(|(_, value)| !value.is_empty())
            .copied()
            .collect();
        self.token(&all).await
    }

    /// A code for this agent, by a user who consents.
    pub(crate) async fn code(&self, id: &str, more: &[(&str, &str)]) -> String {
        let callback = Browser::default().walk(&self.request(id, more)).await;
        parameter(&callback, "code").unwrap_or_else(|| panic!("no code in {callback}"))
    }

    /// Calls whoami with a token.
    pub(crate) async fn whoami(&self, token: &str) -> Reply {
        let body = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {
                "name": "whoami",
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "t", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let request = client()
            .post(self.at("/mcp"))
            .bearer_auth(token)
            .json(&body);
        let request = request
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "whoami");
        send(request).await
    }

    /// Where operators are served.
    #[cfg(feature = "cli")]
    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.running.as_ref().unwrap().admin())
    }

    /// A metric's value, named with its labels; zero where it was never counted.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.running.as_ref().unwrap().metrics().encode();
        let value = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    pub(crate) async fn stop(mut self) {
        let running = self.running.take().unwrap();
        let metrics = running.metrics().encode();
        assert!(metrics.contains("panics_total 0"), "something panicked");
        running.stop().await;
    }
}

impl Browser {
    pub(crate) async fn get(&self, url: &str) -> Reply {
        let cookie = self.cookie.borrow().clone();
        let reply = send(client().get(url).header("cookie", cookie)).await;
        if let Some(set) = reply.headers.get("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            *self.cookie.borrow_mut() = pair.to_owned();
        }
        reply
    }

    /// Follows redirects until they lead to the agent, and says where.
    pub(crate) async fn walk(&self, url: &str) -> String {
        let mut url = url.to_owned();
        for _ in 0..6 {
            let reply = self.get(&url).await;
            let next = reply.header("location").to_owned();
            assert!(
                !next.is_empty(),
                "{url} led nowhere: {} {}",
                reply.status,
                reply.body
            );
            if next.starts_with("http://127.0.0.1:5555/") {
                return next;
            }
            url = next;
        }
        panic!("no end: {url}");
    }

    /// Follows redirects until one leads to `path` of the bridge, which is not asked.
    pub(crate) async fn until(&self, url: &str, path: &str) -> String {
        let mut url = url.to_owned();
        for _ in 0..6 {
            let next = self.get(&url).await.header("location").to_owned();
            if Url::parse(&next).unwrap().path() == path {
                return next;
            }
            url = next;
        }
        panic!("never came to {path}: {url}");
    }
}

impl Reply {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// That it is a refusal with this `error`.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16, error: &str) -> Self {
        let reply = self.is(status);
        assert_eq!(reply.json()["error"], error, "{}", reply.body);
        assert_eq!(reply.header("cache-control"), "no-store");
        reply
    }
}

pub(crate) fn public() -> Value {
    json!({
        "client_name": "Agent", "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none", "application_type": "native",
    })
}

pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    url.query_pairs()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
