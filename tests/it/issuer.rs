//! The issuer's troubles as a client and an operator see them: groups F and X, and what a tool may
//! know of a token (K46).
//!
//! What the verifier does within is shown in `src/auth/tests`; what is measured, in `promises`.

use std::{sync::Arc, time::Duration};

use mcp_usher::handler::{CallContext, NoArguments, Structured, Tool};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
};

use crate::kit::{
    Ask, Mcp, Scene, Sse, eventually,
    issuer::{Behaviour, Endpoint},
    mcp::call,
    process::{File, Usher, usher},
    scene::{NOW, admin},
    tools,
};

// === F06 ===

/// An authority of this test's own, the only one its servers trust.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate as PEM.
    file: File,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            file: File::new(&format!("{name}.pem"), &certificate.pem(), 0o600),
        }
    }

    /// TLS in front of the scene's issuer, by a certificate made so; its issuer identifier.
    async fn serve(&self, scene: &Scene, name: &str, until: i32) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let behind = authority_of(scene);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!(
            "https://localhost:{}/oidc",
            listener.local_addr().unwrap().port()
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut behind = TcpStream::connect(behind).await.unwrap();
                    let _over = copy_bidirectional(&mut stream, &mut behind).await;
                });
            }
        });
        publish(scene, &issuer);
        issuer
    }

    /// The binary, which trusts this authority alone.
    fn usher(&self, issuer: &str) -> Usher {
        let mut command = usher(&[
            "serve",
            "--issuer",
            issuer,
            "--listen=127.0.0.1:0",
            "--admin-listen=127.0.0.1:0",
            "--json",
        ]);
        command.env("SSL_CERT_FILE", self.file.path());
        Usher::start(command)
    }
}

/// Host and port of the scene's own issuer, which speaks plain HTTP.
fn authority_of(scene: &Scene) -> String {
    let rest = scene.issuer.issuer().strip_prefix("http://").unwrap();
    rest.split_once('/').unwrap().0.to_owned()
}

/// Has the scene's issuer say that it is this one.
fn publish(scene: &Scene, issuer: &str) {
    let metadata = [
        ("issuer", issuer.to_owned()),
        ("authorization_endpoint", format!("{issuer}/auth")),
        ("token_endpoint", format!("{issuer}/token")),
        ("jwks_uri", format!("{issuer}/jwks")),
        (
            "introspection_endpoint",
            format!("{issuer}/token/introspection"),
        ),
        ("userinfo_endpoint", format!("{issuer}/me")),
    ];
    for (member, url) in metadata {
        scene.issuer.set_metadata(member, json!(url));
    }
}

/// How the binary answers a good token of this issuer, and what it logged meanwhile.
async fn verdict(scene: &mut Scene, mut usher: Usher, issuer: &str) -> (u16, String) {
    scene.move_to(&usher);
    let token = scene.token_with("alice", &json!({ "iss": issuer }));
    let ask = Ask::modern(scene, &token, 1, "tools/call", json!({ "name": "whoami" }));
    let status = scene.ask(&ask).await.status;
    let (ready, _) = admin(usher.admin(), "/readyz").await;
    assert_eq!(ready, status, "ready for exactly what works");
    usher.signal("TERM");
    let (code, logs) = usher.end(Duration::from_secs(10));
    assert_eq!(code, Some(0), "{logs}");
    (status, logs)
}

// F06
#[tokio::test]
async fn an_issuer_whose_certificate_is_wrong_lets_nobody_in() {
    let authority = Authority::new("wrong");
    let mut scene = Scene::new().await;
    for (name, until, status, why) in [
        ("localhost", 2100, 200, ""),
        ("localhost", 2021, 503, "certificate expired"),
        ("other.example", 2100, 503, "not valid for name"),
    ] {
        let issuer = authority.serve(&scene, name, until).await;
        let usher = authority.usher(&issuer);

        let (found, logs) = verdict(&mut scene, usher, &issuer).await;

        assert_eq!(found, status, "{name} {until}: {logs}");
        assert!(logs.contains(why), "{why} is not in {logs}");
    }
    // Nobody but that authority is trusted, nor is the authority anywhere else.
    let issuer = authority.serve(&scene, "localhost", 2100).await;
    let (found, logs) = verdict(&mut scene, Usher::serve(&issuer, &[]), &issuer).await;
    assert_eq!(found, 503);
    assert!(logs.contains("UnknownIssuer"), "{logs}");
}

// F06
#[tokio::test]
async fn an_issuer_is_never_asked_in_clear_for_want_of_better() {
    let authority = Authority::new("clear");
    let mut scene = Scene::new().await;
    // It speaks plain HTTP where TLS is due.
    let plain = authority_of(&scene).replace("127.0.0.1", "localhost");
    let issuer = format!("https://{plain}/oidc");
    publish(&scene, &issuer);
    let before = scene.issuer.count(Endpoint::Metadata);
    let (found, _) = verdict(&mut scene, authority.usher(&issuer), &issuer).await;
    assert_eq!(found, 503);
    assert_eq!(scene.issuer.count(Endpoint::Metadata), before);
}

// === F08 ===

// F08
#[tokio::test]
async fn a_clock_set_right_again_costs_nobody_a_session() {
    let scene = Scene::new().await;
    let long = scene.token_with("alice", &json!({ "exp": NOW + 10 * 3_600 }));
    let short = scene.token_with("bob", &json!({ "exp": NOW + 600 }));
    let mut alice = Sse::ready(&scene, &long).await;
    let mut bob = Mcp::ready(&scene, &short).await;
    let mut stream = scene.events(&bob.stream(&scene)).await;

    scene.clock.advance(Duration::from_secs(3_600));
    let reply = bob.post(&call(1, "whoami")).await.is(401);
    assert!(reply.challenge().contains("expired"));
    alice.call(1, "whoami").await;
    let farewell = stream.farewell().await;
    assert_eq!(farewell, "closed: the access token has expired");

    scene
        .clock
        .set(mcp_usher::time::Timestamp::from_unix_seconds(NOW));
    alice.call(2, "whoami").await;
    // The grace of a session goes by the other clock.
    scene.ask(&bob.message(&call(2, "whoami"))).await.is(200);
    assert_eq!(scene.running().sessions(), 2);
}

// === K46 ===

// K46
#[tokio::test]
async fn a_tool_that_shows_all_it_is_given_shows_no_token() {
    let telltale = Tool::new(
        "tell",
        "Shows all it is given.",
        |context: CallContext, _: NoArguments| async move {
            let all = json!({
                "debug": format!("{context:?} {:?}", context.principal()),
                "claims": context.principal().claims(),
                "audiences": context.principal().audiences(),
                "trace": format!("{:?}", context.trace_context()),
            });
            Ok(Structured(all))
        },
    );
    let scene = Scene::of(|_| (), vec![telltale]).await;
    let token = scene.token("alice");

    // The kit looks for the token, and for each of its parts, in whatever comes back.
    let told = Mcp::ready(&scene, &token).await.call(1, "tell").await;
    assert_eq!(
        told["result"]["structuredContent"]["claims"]["sub"],
        "alice"
    );
    let told = Sse::ready(&scene, &token).await.call(1, "tell").await;
    assert_eq!(
        told["result"]["structuredContent"]["claims"]["sub"],
        "alice"
    );
    let ask = Ask::modern(&scene, &token, 1, "tools/call", json!({ "name": "tell" }));
    scene.ask(&ask).await.is(200);
}

// === X05 ===

// X05: an issuer that is gone takes no server that has its keys with it, and none is killed for it.
#[tokio::test]
async fn readiness_asks_whether_tokens_can_be_verified_and_liveness_does_not() {
    let scene = Scene::unready(
        |config| config.issuer.url = Some("http://127.0.0.1:1/oidc".parse().unwrap()),
        tools::all(),
    );
    let (status, report) = scene.admin("/readyz").await;
    assert_eq!(status, 503);
    assert!(report.contains("authorization server"), "{report}");
    assert_eq!(scene.admin("/livez").await.0, 200);

    let scene = Scene::new().await;
    for endpoint in [Endpoint::Metadata, Endpoint::Keys] {
        scene
            .issuer
            .behave(endpoint, Behaviour::Answer(500, String::new()));
    }
    scene.running().verifier().forget_all();
    eventually("the keys can't be fetched", || {
        scene.metric("usher_verifier_key_fetch_failures_total") > 0
    })
    .await;
    assert_eq!(scene.admin("/readyz").await.0, 200, "its keys still count");
    assert_eq!(scene.admin("/livez").await.0, 200);
    Mcp::ready(&scene, &scene.token("alice")).await;
}

// X05
#[tokio::test]
async fn a_server_that_stops_is_ready_for_nobody_within_a_second() {
    let gate = tools::Gate::default();
    let mut scene = Scene::of(|_| (), vec![gate.tool()]).await;
    let address = scene.running().admin();
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let ask = mcp.message(&call(1, "wait"));
    mcp.posts.send_ask(&ask).await;
    eventually("the call has begun", || gate.begun() == 1).await;

    let stopping = std::time::Instant::now();
    let stopped = scene.stop();
    while admin(address, "/readyz").await.0 != 503 {
        assert!(stopping.elapsed() < Duration::from_secs(1));
    }
    assert_eq!(admin(address, "/livez").await.0, 200);
    gate.release(1);
    mcp.posts.reply().await.is(200);
    stopped.await.unwrap();
}

// === X03 ===

// X03
#[tokio::test]
async fn a_log_at_info_says_nothing_of_a_user() {
    let mut scene = Scene::new().await;
    let (mail, name, phone) = ("ada@c4nary.example", "Ada C4nary", "+44 20 c4nary");
    scene.issuer.know(
        "opaque-of-ada",
        json!({
            "sub": "user-c4nary", "email": mail, "name": name, "phone_number": phone,
        }),
    );
    let mut usher = Usher::serve(
        scene.issuer.issuer(),
        &["--verification", "userinfo", "--log", "info"],
    );
    scene.move_to(&usher);
    scene.issuer.know("opaque-of-bob", json!({ "sub": "bob" }));

    let mut ada = Mcp::ready(&scene, "opaque-of-ada").await;
    let told = ada.call(1, "whoami").await;
    assert_eq!(told["result"]["structuredContent"]["email"], mail);
    ada.post(&call(2, "nothing")).await.is(200);
    let stolen = ada.message(&call(3, "whoami")).without("Authorization");
    scene.ask(&stolen.bearer("opaque-of-bob")).await.is(404);
    scene.ask(&ada.end(&scene)).await.is(204);
    ada.post(&call(4, "whoami")).await.is(404);
    usher.signal("TERM");
    let (code, logs) = usher.end(Duration::from_secs(10));

    assert_eq!(code, Some(0), "{logs}");
    assert!(logs.contains("request refused"), "{logs}");
    assert!(!logs.to_lowercase().contains("c4nary"), "{logs}");
}
