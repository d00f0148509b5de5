//! Group M: what everybody may read, and what nobody outside may.

use mcp_usher::config::IssuerSection;
use serde_json::{Value, json};

use crate::kit::{Ask, Reply, Scene, eventually, issuer::Endpoint, mcp::initialize};

const OURS: &str = "/.well-known/oauth-protected-resource";
const THEIRS: &str = "/.well-known/oauth-authorization-server";

async fn get(scene: &Scene, target: &str) -> Reply {
    scene.ask(&Ask::get(scene, target)).await
}

// M01
#[tokio::test]
async fn our_document_names_the_issuer_the_header_and_no_offline_access() {
    let scene = Scene::with(|config| {
        config.resource.scopes = "openid mcp:tools offline_access".parse().unwrap();
        config.resource.name = Some("Notes".to_owned());
    })
    .await;

    let reply = get(&scene, OURS).await.is(200);

    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(
        reply.json(),
        json!({
            "resource": scene.url(""),
            "authorization_servers": [scene.issuer.issuer()],
            "bearer_methods_supported": ["header"],
            "scopes_supported": ["mcp:tools", "openid"],
            "resource_name": "Notes",
        })
    );
    let challenge = get(&scene, "/sse").await.is(401);
    assert!(!challenge.challenge().contains("offline_access"));
}

// M01: of several issuers a client may choose, and those that are down keep nobody out.
#[tokio::test]
async fn our_document_names_every_issuer_in_the_order_of_the_settings() {
    let other = "http://127.0.0.1:1/oidc";
    let scene = Scene::with(|config| {
        config.issuers.push(IssuerSection {
            url: Some(other.parse().unwrap()),
            ..IssuerSection::default()
        });
    })
    .await;

    let document = get(&scene, OURS).await.is(200).json();

    let issuers = json!([scene.issuer.issuer(), other]);
    assert_eq!(document["authorization_servers"], issuers);
    let ask = Ask::post(
        &scene,
        "/mcp",
        &scene.token("alice"),
        &initialize(0, "2025-11-25"),
    );
    scene.ask(&ask).await.is(200);
    let (status, _) = scene.admin("/readyz").await;
    assert_eq!(status, 200);
}

// M02
#[tokio::test]
async fn each_document_describes_the_url_it_is_for() {
    let scene = Scene::new().await;

    for path in ["", "/mcp", "/sse"] {
        let document = get(&scene, &format!("{OURS}{path}")).await.is(200).json();
        assert_eq!(document["resource"], scene.url(path));
    }
    // And the challenge of each endpoint names its document.
    for (endpoint, path) in [("/mcp", "/mcp"), ("/sse", "/sse")] {
        let reply = get(&scene, endpoint).await.is(401);
        let url = scene.url(&format!("{OURS}{path}"));
        assert!(
            reply
                .challenge()
                .contains(&format!("resource_metadata=\"{url}\""))
        );
    }
}

// M03
#[tokio::test]
async fn urls_come_from_the_configuration_and_from_no_header() {
    let scene = Scene::with(|config| {
        config.transport.gate.allowed_hosts = vec!["inner.example".to_owned()];
    })
    .await;
    let expected = get(&scene, OURS).await.is(200);
    let challenge = get(&scene, "/sse").await.is(401);

    for (name, value) in [
        ("Host", "localhost:1"),
        ("Host", "inner.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "666"),
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Original-URL", "/admin"),
        ("Forwarded", "host=evil.example;proto=https"),
    ] {
        let ask = |target| match name {
            "Host" => Ask::get(&scene, target).with(name, value),
            _ => Ask::get(&scene, target).header(name, value),
        };
        let document = scene.ask(&ask(OURS)).await.is(200);
        assert_eq!(document.text(), expected.text(), "{name}: {value}");
        let reply = scene.ask(&ask("/sse")).await.is(401);
        assert_eq!(reply.challenge(), challenge.challenge(), "{name}: {value}");
    }
}

// A path of the public URL is in front of everything but the well-known documents.
#[tokio::test]
async fn below_a_path_everything_is_where_its_url_says() {
    let url = "http://localhost:1/ai";
    let scene = Scene::with(|config| config.server.public_url = Some(url.parse().unwrap())).await;
    let document = format!("{OURS}/ai/mcp");

    let refused = get(&scene, "/ai/mcp").await.is(401);

    let named = format!("resource_metadata=\"http://localhost:1{document}\"");
    assert!(refused.challenge().contains(&named), "{named}");
    let resource = &get(&scene, &document).await.is(200).json()["resource"];
    assert_eq!(*resource, format!("{url}/mcp"));
    get(&scene, "/ai").await.is(200);
    get(&scene, "/ai/").await.is(200);
    for elsewhere in ["/", "/mcp", OURS, THEIRS, &format!("{OURS}/mcp")] {
        get(&scene, elsewhere).await.is(404);
    }
}

// M05
#[tokio::test]
async fn any_page_may_read_metadata_and_no_page_with_its_cookies() {
    let scene = Scene::new().await;

    for target in [OURS, &format!("{OURS}/mcp"), THEIRS] {
        let ask = Ask::get(&scene, target)
            .header("Origin", "https://evil.example")
            .header("Cookie", "session=1");
        let reply = scene.ask(&ask).await.is(200);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
        assert!(reply.header("access-control-allow-credentials").is_none());
        assert!(reply.header("set-cookie").is_none());
        let preflight = Ask::new(&scene, "OPTIONS", target)
            .header("Origin", "https://evil.example")
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "mcp-protocol-version");
        let reply = scene.ask(&preflight).await.is(204);
        assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    }
}

// M06
#[tokio::test]
async fn the_authorization_servers_document_is_mirrored_to_the_byte() {
    let scene = Scene::new().await;

    let reply = get(&scene, THEIRS).await.is(200);

    let document = reply.json();
    assert_eq!(document["issuer"], scene.issuer.issuer());
    assert_eq!(
        document["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert!(document.get("registration_endpoint").is_none());
    assert!(scene.issuer.count(Endpoint::Metadata) >= 1);
}

// M07
#[tokio::test]
async fn metadata_that_is_unfit_is_never_republished() {
    let scene = Scene::unready(
        |config| {
            let refresh = "100ms".parse().unwrap();
            config.issuer.discovery.refresh_every = refresh;
        },
        Vec::new(),
    );
    let verifier = scene.running().verifier().clone();
    eventually("the server is ready", || verifier.is_ready()).await;
    let good = get(&scene, THEIRS).await.is(200).text();

    for (member, value) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", json!(format!("{}/", scene.issuer.issuer()))),
        ("token_endpoint", json!("http://evil.example/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("registration_endpoint", json!("data:text/html,x")),
    ] {
        let asked = scene.issuer.count(Endpoint::Metadata);
        scene.issuer.set_metadata(member, value);
        eventually("it is asked again", || {
            scene.issuer.count(Endpoint::Metadata) > asked + 1
        })
        .await;
        assert_eq!(get(&scene, THEIRS).await.is(200).text(), good);
        // The last good copy is still good.
        assert_eq!(scene.admin("/readyz").await.0, 200);
        let mended = match member {
            "issuer" => json!(scene.issuer.issuer()),
            "registration_endpoint" => Value::Null,
            name => json!(format!("{}/{name}", scene.issuer.issuer())),
        };
        scene.issuer.set_metadata(member, mended);
    }
}

// M12
#[tokio::test]
async fn a_path_that_is_no_document_is_not_found() {
    let scene = Scene::new().await;

    for target in [
        "/.well-known/oauth-protected-resource/../../register",
        "/.well-known/oauth-protected-resource/..%2f..%2fregister",
        "/.well-known/oauth-protected-resource/%2e%2e/%2e%2e/register",
        "/.well-known/oauth-protected-resource/",
        "/.well-known/oauth-protected-resource/mcp/",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/oauth-protected-resource//mcp",
        "/.well-known/oauth-protected-resource%00",
        "/.well-known/oauth-authorization-server/mcp",
        "/.well-known/openid-configuration",
        "/.well-known/",
        "/register",
        "/authorize",
        "/token",
    ] {
        get(&scene, target).await.is(404);
    }
}

// M13
#[tokio::test]
async fn a_document_that_is_known_is_not_sent_again() {
    let scene = Scene::new().await;

    for target in [OURS, THEIRS] {
        let full = get(&scene, target).await.is(200);
        let tag = full.header("etag").unwrap();
        for known in [
            tag.to_owned(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            let ask = Ask::get(&scene, target).header("If-None-Match", &known);
            let reply = scene.ask(&ask).await.is(304);
            assert_eq!(reply.header("etag"), Some(tag), "{known}");
            assert!(reply.body.is_empty());
        }
        let other = Ask::get(&scene, target).header("If-None-Match", "\"other\"");
        scene.ask(&other).await.is(200);

        let mut wire = scene.wire().await;
        let head = wire.ask(&Ask::new(&scene, "HEAD", target)).await.is(200);
        let without_body = Reply {
            body: Vec::new(),
            ..full.clone()
        };
        assert_eq!(head.comparable(), without_body.comparable());
        // In step: no byte of a body came along.
        wire.ask(&Ask::get(&scene, target)).await.is(200);
    }
}

// X07
#[tokio::test]
async fn probes_and_metrics_are_not_public() {
    let scene = Scene::new().await;

    for target in [
        "/metrics", "/livez", "/readyz", "/healthz", "/admin", "/debug",
    ] {
        get(&scene, target).await.is(404);
    }
    assert_eq!(scene.admin("/livez").await.0, 200);
    assert_eq!(scene.admin("/readyz").await.0, 200);
    let (status, metrics) = scene.admin("/metrics").await;
    assert_eq!(status, 200);
    assert!(
        metrics.contains("usher_refusals_total{reason=\"not_found\"} 6"),
        "{metrics}"
    );
    for target in ["/mcp", "/sse", "/", "/.well-known/oauth-protected-resource"] {
        assert_eq!(scene.admin(target).await.0, 404);
    }
    assert!(scene.running().admin().ip().is_loopback());
}
