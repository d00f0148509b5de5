//! The loopback listener, against browsers and what else knocks at a port.

use actix_web::rt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::Url;

use crate::agent::tests::kit::value;
use crate::{
    agent::{
        AgentError,
        oauth::authorization::Authorization,
        oauth::callback::Callback,
        oauth::discovery::{AuthorizationServer, Discovered},
        oauth::registration::{Client, ClientAuthentication},
    },
    scope::Scopes,
    secret::Secret,
    units::HumanDuration,
};

/// A waiting callback: its port, the state it wants, and what it will get.
struct Waiting {
    port: u16,
    state: String,
    outcome: rt::task::JoinHandle<Result<Secret, AgentError>>,
}

async fn wait() -> Waiting {
    let url: Url = "https://id.example/a?x=y".parse().unwrap();
    let discovered = Discovered {
        resource: None,
        resource_scopes: None,
        server: AuthorizationServer {
            issuer: "https://id.example".to_owned(),
            authorization_endpoint: url.clone(),
            token_endpoint: url,
            registration_endpoint: None,
            scopes_supported: None,
            token_endpoint_auth_methods: None,
            promises_iss: false,
            guessed: false,
        },
    };
    let client = Client {
        issuer: "https://id.example".to_owned(),
        id: "agent".to_owned(),
        authentication: ClientAuthentication::Public,
    };
    let callback = Callback::bind(0).await.unwrap();
    let port = callback.port();
    let uri = callback.redirect_uri();
    let authorization =
        Authorization::new(&discovered, &client, &uri, &Scopes::none(), false).unwrap();
    let query = authorization.url.query().unwrap();
    assert!(query.starts_with("x=y&response_type=code"), "{query}");
    assert!(!query.contains("scope="), "{query}");
    let state = value(query, "state");
    let outcome = rt::spawn(async move {
        callback
            .wait(&authorization, HumanDuration::from_secs(20))
            .await
    });
    Waiting {
        port,
        state,
        outcome,
    }
}

async fn send(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok();
    answer
}

#[actix_web::test]
async fn other_requests_are_answered_and_the_wait_goes_on() {
    let Waiting {
        port,
        state,
        outcome,
    } = wait().await;

    for (request, status) in [
        ("GET /favicon.ico HTTP/1.1\r\nHost: a\r\n\r\n", "404"),
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("POST /callback?code=c HTTP/1.1\r\n\r\n", "405"),
        ("HEAD /callback?code=c HTTP/1.1\r\n\r\n", "405"),
        ("GET /callback?code=c HTTP/2\r\n\r\n", "400"),
        ("GET http://127.0.0.1/callback HTTP/1.1\r\n\r\n", "400"),
        ("\r\n\r\n", "400"),
    ] {
        let answer = send(port, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
    }
    let request = format!("GET /callback?code=right&state={state} HTTP/1.1\r\n\r\n");
    let answer = send(port, &request).await;

    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert_eq!(outcome.await.unwrap().unwrap().expose(), "right");
}

#[actix_web::test]
async fn an_idle_connection_does_not_hold_up_the_browser() {
    let Waiting {
        port,
        state,
        outcome,
    } = wait().await;
    let _idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();

    let request = format!("GET /callback?code=right&state={state} HTTP/1.1\r\n\r\n");
    send(port, &request).await;

    assert_eq!(outcome.await.unwrap().unwrap().expose(), "right");
}

#[actix_web::test]
async fn a_request_in_pieces_is_read() {
    let Waiting {
        port,
        state,
        outcome,
    } = wait().await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();

    for piece in [
        "GET /call",
        &format!("back?code=right&state={state}"),
        " HTTP/1.1\r\n\r",
        "\n",
    ] {
        stream.write_all(piece.as_bytes()).await.unwrap();
        rt::task::yield_now().await;
    }

    assert_eq!(outcome.await.unwrap().unwrap().expose(), "right");
}

#[actix_web::test]
async fn a_head_without_end_is_cut_off() {
    let Waiting { port, outcome, .. } = wait().await;

    let answer = send(port, &format!("GET /callback?{}", "a".repeat(64 * 1024))).await;

    assert_eq!(answer, "");
    assert!(!outcome.is_finished());
    outcome.abort();
}

#[actix_web::test]
async fn the_page_is_strict_and_is_not_kept() {
    let Waiting { port, .. } = wait().await;

    let answer = send(port, "GET /callback HTTP/1.1\r\n\r\n").await;

    for header in [
        "Cache-Control: no-store\r\n",
        "Referrer-Policy: no-referrer\r\n",
        "X-Content-Type-Options: nosniff\r\n",
        "Content-Security-Policy: default-src 'none'; style-src 'sha256-",
        "frame-ancestors 'none'\r\n",
    ] {
        assert!(answer.contains(header), "{header} is missing: {answer}");
    }
    assert!(!answer.contains("<script"), "{answer}");
}

#[actix_web::test]
async fn a_taken_port_is_named() {
    let held = Callback::bind(0).await.unwrap();

    let error = Callback::bind(held.port()).await.unwrap_err();

    assert!(
        error.to_string().contains(&held.port().to_string()),
        "{error}"
    );
}
