//! A fake issuer on port 0 that does what it is told and counts what it is asked.
//!
//! Metadata, key set, introspection and userinfo, in the shapes recorded from Logto. Each endpoint
//! can be made to answer anything, to hold its answers back until released, to cut the connection, or
//! to be gone with the whole server. The counters are what tests prove "exactly one call" with.
//!
//! It stands here, and knows nothing of the crate it helps to test, so that the tests inside the
//! `auth` room include it by `#[path]` and the end-to-end tests as a module of their own.

pub mod signing;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{StatusCode, header},
    web::{self, Bytes, Data},
};
use serde_json::{Value, json};
use tokio::{net::TcpSocket, sync::Semaphore};

use self::signing::SigningKey;

/// What an issuer that is overloaded says about coming back, in seconds.
pub const RETRY_AFTER: u64 = 7;

/// What can be asked of the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Both well-known documents below the issuer's path.
    Metadata,
    /// The key set.
    Keys,
    /// RFC 7662.
    Introspection,
    /// OpenID Connect Core §5.3.
    Userinfo,
}

/// How an endpoint answers.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// As it should.
    Normal,
    /// With this status and body, and [`RETRY_AFTER`] on a 429 or 503.
    Answer(u16, String),
    /// As it should, this much later.
    Late(Duration),
    /// As it should, but only once the test releases it.
    Held(Arc<Semaphore>),
    /// Promises a body and cuts the connection.
    Cut,
}

/// One request that came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its `Authorization` header.
    pub authorization: String,
    /// Its `Cache-Control` header.
    pub cache_control: String,
    /// Its body.
    pub body: String,
}

/// The issuer. Dropping it leaves the server to the end of the test's system.
#[derive(Debug)]
pub struct FakeIssuer {
    issuer: String,
    port: u16,
    book: Arc<Mutex<Book>>,
    server: ServerHandle,
}

#[derive(Debug, Default)]
struct Book {
    issuer: String,
    metadata: Value,
    keys: Value,
    /// What introspection and userinfo say of a token.
    tokens: HashMap<String, Value>,
    behaviour: HashMap<Endpoint, Behaviour>,
    asked: HashMap<Endpoint, Vec<Asked>>,
    /// Requests that are being answered, and the most there were at once.
    under_way: usize,
    peak: usize,
}

impl FakeIssuer {
    /// Starts with these keys published, at `http://127.0.0.1:PORT/oidc`.
    ///
    /// # Panics
    /// If there is no port to be had.
    #[must_use]
    pub fn start(keys: &[&SigningKey]) -> Self {
        Self::serve(0, keys).expect("a free port")
    }

    /// The issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Ends the server: connections are refused from now on, for as long as the result is kept.
    ///
    /// It is a socket that has the port and does not listen, so that no other test's server gets it.
    ///
    /// # Panics
    /// If the port was taken in that very moment.
    #[must_use]
    pub async fn go_down(&self) -> TcpSocket {
        // A connection kept alive may outlast the server by a moment.
        for endpoint in [
            Endpoint::Metadata,
            Endpoint::Keys,
            Endpoint::Introspection,
            Endpoint::Userinfo,
        ] {
            self.behave(endpoint, Behaviour::Cut);
        }
        self.server.stop(false).await;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option");
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        socket.bind(address).expect("the port just left");
        socket
    }

    /// Starts it again on the same port, with nothing counted.
    ///
    /// # Panics
    /// If the port has been taken meanwhile.
    #[must_use]
    pub fn come_back(&self, down: TcpSocket, keys: &[&SigningKey]) -> Self {
        drop(down);
        Self::serve(self.port, keys).expect("the same port")
    }

    /// Publishes these keys from now on, and no others.
    pub fn publish(&self, keys: &[&SigningKey]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.publish_jwks(&keys);
    }

    /// Publishes these JWKs from now on, fit or not.
    pub fn publish_jwks(&self, keys: &[Value]) {
        self.book().keys = json!({ "keys": keys });
    }

    /// Changes a member of the metadata.
    pub fn set_metadata(&self, member: &str, value: Value) {
        self.book().metadata[member] = value;
    }

    /// What introspection and userinfo say of an opaque token from now on.
    pub fn know(&self, token: &str, claims: Value) {
        self.book().tokens.insert(token.to_owned(), claims);
    }

    /// How an endpoint answers from now on.
    pub fn behave(&self, endpoint: Endpoint, behaviour: Behaviour) {
        self.book().behaviour.insert(endpoint, behaviour);
    }

    /// Holds an endpoint's answers back; each permit added to the result releases one.
    #[must_use]
    pub fn hold(&self, endpoint: Endpoint) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.behave(endpoint, Behaviour::Held(Arc::clone(&gate)));
        gate
    }

    /// How often an endpoint was asked.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.book().asked.get(&endpoint).map_or(0, Vec::len)
    }

    /// What an endpoint was asked, in order.
    #[must_use]
    pub fn asked(&self, endpoint: Endpoint) -> Vec<Asked> {
        self.book()
            .asked
            .get(&endpoint)
            .cloned()
            .unwrap_or_default()
    }

    /// The most requests that were being answered at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.book().peak
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no test panicked with the book")
    }

    fn serve(port: u16, keys: &[&SigningKey]) -> io::Result<Self> {
        let book = Arc::new(Mutex::new(Book::default()));
        let data = Data::from(Arc::clone(&book));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", port))?;
        let port = server.addrs()[0].port();
        let issuer = format!("http://127.0.0.1:{port}/oidc");
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);

        let fake = Self {
            issuer: issuer.clone(),
            port,
            book,
            server: handle,
        };
        {
            let mut book = fake.book();
            book.metadata = metadata(&issuer);
            book.issuer = issuer;
        }
        fake.publish(keys);
        Ok(fake)
    }
}

fn metadata(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"),
        "introspection_endpoint": format!("{issuer}/token/introspection"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES384"],
        "code_challenge_methods_supported": ["S256"],
    })
}

async fn answer(request: HttpRequest, body: Bytes, book: Data<Mutex<Book>>) -> HttpResponse {
    // It signs nobody in, and answers like a provider that is asked for too little.
    if matches!(request.path(), "/oidc/auth" | "/oidc/token") {
        return HttpResponse::BadRequest().json(json!({ "error": "invalid_request" }));
    }
    let Some(endpoint) = endpoint(request.path()) else {
        return HttpResponse::NotFound().body("Not Found");
    };
    let header = |name| {
        let value = request.headers().get(name);
        let text = value.and_then(|value: &header::HeaderValue| value.to_str().ok());
        text.unwrap_or_default().to_owned()
    };
    let asked = Asked {
        authorization: header(header::AUTHORIZATION),
        cache_control: header(header::CACHE_CONTROL),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let _visit = Visit::begin(&book);
    let behaviour = {
        let mut book = book.lock().expect("no test panicked with the book");
        book.asked.entry(endpoint).or_default().push(asked.clone());
        book.behaviour.get(&endpoint).cloned()
    };
    match behaviour {
        None | Some(Behaviour::Normal) => {}
        Some(Behaviour::Answer(status, body)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            let mut response = HttpResponse::build(status);
            if matches!(status.as_u16(), 429 | 503) {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            }
            return response.body(body);
        }
        Some(Behaviour::Late(by)) => actix_web::rt::time::sleep(by).await,
        Some(Behaviour::Held(gate)) => {
            gate.acquire().await.expect("an open gate").forget();
        }
        Some(Behaviour::Cut) => {
            let broken = futures_util::stream::once(async { Err(io::Error::other("cut")) });
            return HttpResponse::Ok().streaming::<_, io::Error>(broken);
        }
    }
    let book = book.lock().expect("no test panicked with the book");
    book.answer(endpoint, &asked)
}

/// A request being answered, until its answer is ready or its connection is gone.
struct Visit(Data<Mutex<Book>>);

impl Visit {
    fn begin(book: &Data<Mutex<Book>>) -> Self {
        let mut entry = book.lock().expect("no test panicked with the book");
        entry.under_way += 1;
        entry.peak = entry.peak.max(entry.under_way);
        drop(entry);
        Self(book.clone())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Ok(mut book) = self.0.lock() {
            book.under_way -= 1;
        }
    }
}

fn endpoint(path: &str) -> Option<Endpoint> {
    Some(match path {
        "/oidc/.well-known/openid-configuration"
        | "/oidc/.well-known/oauth-authorization-server" => Endpoint::Metadata,
        "/oidc/jwks" => Endpoint::Keys,
        "/oidc/token/introspection" => Endpoint::Introspection,
        "/oidc/me" => Endpoint::Userinfo,
        _ => return None,
    })
}

impl Book {
    fn answer(&self, endpoint: Endpoint, asked: &Asked) -> HttpResponse {
        match endpoint {
            Endpoint::Metadata => HttpResponse::Ok().json(&self.metadata),
            Endpoint::Keys => HttpResponse::Ok().json(&self.keys),
            Endpoint::Introspection => self.introspect(&asked.body),
            Endpoint::Userinfo => self.userinfo(&asked.authorization),
        }
    }

    fn introspect(&self, body: &str) -> HttpResponse {
        let token = body
            .split('&')
            .find_map(|pair| pair.strip_prefix("token="))
            .unwrap_or_default();
        if token.matches('.').count() == 2 {
            return HttpResponse::BadRequest().json(json!({
                "code": "oidc.unsupported_token_type",
                "error": "unsupported_token_type",
                "error_description": "Structured JWT Tokens cannot be introspected",
            }));
        }
        match self.tokens.get(token) {
            None => HttpResponse::Ok().json(json!({ "active": false })),
            Some(claims) => {
                let mut answer = claims.clone();
                if answer.get("active").is_none() {
                    answer["active"] = json!(true);
                }
                HttpResponse::Ok().json(answer)
            }
        }
    }

    fn userinfo(&self, authorization: &str) -> HttpResponse {
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        if let Some(claims) = self.tokens.get(token) {
            return HttpResponse::Ok().json(claims);
        }
        let realm = &self.issuer;
        HttpResponse::Unauthorized()
            .insert_header((
                header::WWW_AUTHENTICATE,
                format!("Bearer realm=\"{realm}\", error=\"invalid_token\""),
            ))
            .json(json!({ "code": "oidc.invalid_token", "error": "invalid_token" }))
    }
}
