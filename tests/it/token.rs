//! Group K as a client sees it: status, challenge and body. What the verifier does within is shown
//! in `src/auth/tests`.

use std::time::Duration;

use mcp_usher::{auth::Verification, config::Config, secret::Secret, units::HumanDuration};
use serde_json::{Value, json};

use crate::kit::{
    Ask, Mcp, Reply, Scene, Sse, eventually,
    issuer::{
        Behaviour, Endpoint, RETRY_AFTER,
        signing::{SigningKey, encoded},
    },
    mcp::{call, initialize},
    request,
    scene::NOW,
    tools,
};

/// A scene for opaque tokens.
fn introspecting(config: &mut Config) {
    config.issuer.verification = Verification::Introspection;
    config.issuer.introspection_client_id = Some("usher".to_owned());
    config.issuer.introspection_client_secret = Some(Secret::new("s3cret"));
}

/// Asks for a stream with this `Authorization` value.
async fn with_authorization(scene: &Scene, value: &str) -> Reply {
    let ask = Ask::stream(scene, "/sse", "x").with("Authorization", value);
    scene.ask(&ask).await
}

/// That a token is refused with a 401 at every door, and nothing is left of it.
#[track_caller]
fn refused(scene: &Scene, token: &str) -> impl Future<Output = ()> {
    let asks = [
        Ask::stream(scene, "/sse", token),
        Ask::post(scene, "/mcp", token, &initialize(0, "2025-11-25")),
        Ask::post(scene, "/messages?sessionId=x", token, &call(1, "whoami")),
        Ask::modern(scene, token, 1, "tools/call", json!({ "name": "whoami" })),
    ];
    async move {
        for ask in asks {
            let reply = scene.ask(&ask).await.is(401);
            let challenge = reply.challenge();
            assert!(
                challenge.starts_with("Bearer error=\"invalid_token\""),
                "{challenge}"
            );
            assert!(
                challenge.contains("resource_metadata=\"http://"),
                "{challenge}"
            );
        }
        scene.assert_no_state();
        assert_eq!(scene.running().verifier().usage().entries, 0);
    }
}

/// That a token lets its bearer in.
async fn accepted(scene: &Scene, token: &str) {
    let ask = Ask::modern(scene, token, 1, "tools/call", json!({ "name": "whoami" }));
    scene.ask(&ask).await.is(200);
}

// K01
#[tokio::test]
async fn without_a_token_the_challenge_says_where_to_get_one_and_names_no_error() {
    let scene = Scene::new().await;

    for (method, target, resource) in [
        ("GET", "/sse", "/sse"),
        ("POST", "/sse", "/sse"),
        ("POST", "/messages", "/sse"),
        ("POST", "/mcp", "/mcp"),
        ("GET", "/mcp", "/mcp"),
        ("DELETE", "/mcp", "/mcp"),
    ] {
        let reply = scene.ask(&Ask::new(&scene, method, target)).await.is(401);
        let metadata = scene.url(&format!("/.well-known/oauth-protected-resource{resource}"));
        assert_eq!(
            reply.challenge(),
            format!("Bearer resource_metadata=\"{metadata}\", scope=\"mcp:tools openid\""),
            "{method} {target}"
        );
    }
    scene.assert_no_state();
}

// K01: nor is a token looked for anywhere else.
#[tokio::test]
async fn a_token_in_the_query_the_body_or_a_cookie_is_none() {
    let scene = Scene::new().await;
    let token = scene.token("alice");

    let query = Ask::get(&scene, &format!("/sse?access_token={token}"));
    scene.ask(&query).await.is(401);
    let cookie = Ask::get(&scene, "/sse").header("Cookie", &format!("access_token={token}"));
    scene.ask(&cookie).await.is(401);
    let form = Ask::new(&scene, "POST", "/mcp")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(format!("access_token={token}"));
    scene.ask(&form).await.is(401);
    scene.assert_no_state();
}

// K01: the answer to a stranger waits for nothing that the stranger still has to send.
#[tokio::test]
async fn a_stranger_is_refused_before_a_byte_of_the_body_is_there() {
    let scene = Scene::new().await;

    for framing in [
        ("Content-Length", "1000000"),
        ("Transfer-Encoding", "chunked"),
    ] {
        for target in ["/mcp", "/messages?sessionId=x"] {
            let ask = Ask::new(&scene, "POST", target).header(framing.0, framing.1);
            scene.ask(&ask).await.is(401);
        }
    }
}

// K02
#[tokio::test]
async fn an_authorization_that_can_not_be_read_is_a_bad_request_and_another_scheme_is_none() {
    let scene = Scene::with(introspecting).await;

    for value in [
        "Basic dXNlcjpwYXNz",
        "DPoP abc",
        "",
        "Bearerabc",
        "Negotiate x",
    ] {
        let reply = with_authorization(&scene, value).await.is(401);
        assert!(!reply.challenge().contains("error="), "{value}");
    }
    for value in [
        "Bearer",
        "Bearer a b",
        "Bearer a,b",
        "Bearer \"a\"",
        "Bearer a\tb",
        "Bearer \u{e4}",
        "Bearer =",
        "Bearer a=b",
        "Bearer a b.c.d",
    ] {
        let reply = with_authorization(&scene, value).await.is(400);
        assert!(
            reply.challenge().contains("error=\"invalid_request\""),
            "{value}"
        );
    }
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 0);
    scene.assert_no_state();
}

// K02
#[tokio::test]
async fn a_scheme_has_no_case() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let ask = Ask::stream(&scene, "/sse", &token);

    for scheme in ["bearer", "BEARER", "bEaReR", "Bearer "] {
        let ask = ask
            .clone()
            .with("Authorization", &format!("{scheme} {token}"));
        scene.events(&ask).await;
    }
}

// K03
#[tokio::test]
async fn an_expired_token_is_refused() {
    let scene = Scene::new().await;

    refused(
        &scene,
        &scene.token_with("alice", &json!({ "exp": NOW - 61 })),
    )
    .await;
    let reply = with_authorization(
        &scene,
        &format!("Bearer {}", scene.token_with("alice", &json!({ "exp": 1 }))),
    )
    .await;
    assert!(reply.challenge().contains("has expired"));
    assert_eq!(
        reply.json()["error"]["message"],
        "the access token has expired"
    );
}

// K04
#[tokio::test]
async fn a_token_without_a_signature_algorithm_is_refused() {
    let scene = Scene::new().await;
    let claims = scene.claims("alice").to_string();

    for alg in [
        "none", "None", "nOnE", "NONE", "", "HS256", "ES256 ", "es256",
    ] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": "first" });
        refused(&scene, &scene.key.token_with(&header, &claims)).await;
        let unsigned = format!("{}.{}.", encoded(header.to_string()), encoded(&claims));
        refused(&scene, &unsigned).await;
    }
    for header in [
        json!({ "typ": "at+jwt", "kid": "first" }),
        json!({ "alg": null, "typ": "at+jwt", "kid": "first" }),
        json!({ "alg": ["ES256"], "typ": "at+jwt", "kid": "first" }),
    ] {
        refused(&scene, &scene.key.token_with(&header, &claims)).await;
    }
}

// K04: whatever one could do to somebody's good token.
#[tokio::test]
async fn a_good_token_that_was_touched_is_refused() {
    let scene = Scene::new().await;
    let good = scene.token("alice");
    let parts: Vec<_> = good.split('.').collect();
    let root = encoded(scene.claims("root").to_string());
    let nulls = encoded([0; 64]);

    for token in [
        format!("{}.{root}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}.{nulls}", parts[0], parts[1]),
        format!(
            "{}.{}.{}",
            parts[0],
            parts[1],
            &parts[2][..parts[2].len() - 2]
        ),
        format!("{good}A"),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}="),
        good.to_ascii_lowercase(),
    ] {
        refused(&scene, &token).await;
    }
}

// K06
#[tokio::test]
async fn a_token_whose_algorithm_is_not_its_keys_is_refused() {
    let scene = Scene::new().await;
    let claims = scene.claims("alice").to_string();

    for alg in ["RS256", "ES384", "EdDSA", "PS256", "ES512"] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": "first" });
        refused(&scene, &scene.key.token_with(&header, &claims)).await;
    }
    let other = SigningKey::new("ES256", "first");
    refused(&scene, &other.token(&scene.claims("alice"))).await;
    // A key that comes along with the token is not looked at.
    let mut header = other.header();
    header["jwk"] = other.jwk();
    header["x5c"] = json!([]);
    header["jku"] = json!("http://127.0.0.1:1/jwks");
    refused(&scene, &other.token_with(&header, &claims)).await;
    header["crit"] = json!(["exp"]);
    refused(&scene, &scene.key.token_with(&header, &claims)).await;
}

// K06
#[tokio::test]
async fn a_key_for_encryption_signs_nothing() {
    let scene = Scene::new().await;
    let other = SigningKey::new("ES256", "enc");
    let mut jwk = other.jwk();
    jwk["use"] = json!("enc");
    scene.issuer.publish_jwks(&[scene.key.jwk(), jwk]);

    refused(&scene, &other.token(&scene.claims("alice"))).await;
}

// K08
#[tokio::test]
async fn an_odd_key_id_is_only_an_unknown_one() {
    let scene = Scene::new().await;
    let claims = scene.claims("alice").to_string();
    let long = "k".repeat(257);

    for kid in [
        json!("../../etc/passwd"),
        json!("' OR 1=1 --"),
        json!("a\0b"),
        json!("a\r\nSet-Cookie: b"),
        json!(long),
        json!(7),
        json!({}),
    ] {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid });
        refused(&scene, &scene.key.token_with(&header, &claims)).await;
    }
    // At start, and once for all of these.
    assert!(scene.issuer.count(Endpoint::Keys) <= 2);
}

// K09
#[tokio::test]
async fn a_token_without_a_key_id_is_taken_while_its_key_can_be_found() {
    let scene = Scene::new().await;
    let header = json!({ "alg": "ES256", "typ": "at+jwt" });
    let claims = scene.claims("alice").to_string();

    accepted(&scene, &scene.key.token_with(&header, &claims)).await;
    let foreign = SigningKey::new("ES256", "first");
    let forged = foreign.token_with(&header, &claims);
    let ask = Ask::stream(&scene, "/sse", &forged);
    scene.ask(&ask).await.is(401);
}

// K12
#[tokio::test]
async fn an_id_token_or_a_logout_token_is_no_access_token() {
    let scene = Scene::new().await;
    let claims = scene.claims("alice").to_string();

    for typ in [
        json!("JWT"),
        json!("logout+jwt"),
        json!("application/jwt"),
        json!("at+jwt2"),
        json!(""),
        json!(null),
        json!(["at+jwt"]),
    ] {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": "first" });
        refused(&scene, &scene.key.token_with(&header, &claims)).await;
    }
    refused(
        &scene,
        &scene
            .key
            .token_with(&json!({ "alg": "ES256", "kid": "first" }), &claims),
    )
    .await;
    for typ in ["AT+JWT", "application/at+jwt"] {
        let header = json!({ "alg": "ES256", "typ": typ, "kid": "first" });
        accepted(&scene, &scene.key.token_with(&header, &claims)).await;
    }
}

/// That a token is refused with a 401, wherever it was remembered.
async fn not_for_us(scene: &Scene, changes: Value) {
    let token = scene.token_with("alice", &changes);
    for _ in 0..2 {
        let ask = Ask::post(scene, "/mcp", &token, &initialize(0, "2025-11-25"));
        let reply = scene.ask(&ask).await;
        assert_eq!(reply.status, 401, "{changes}");
        assert!(reply.challenge().contains("error=\"invalid_token\""));
    }
    scene.assert_no_state();
}

// K13
#[tokio::test]
async fn a_token_must_name_this_server_as_its_audience() {
    let scene = Scene::new().await;

    for aud in [
        json!(null),
        json!([]),
        json!(""),
        json!("https://other.example/mcp"),
        json!("agent"),
        json!([scene.url("/mcp/")]),
        json!(scene.url("/MCP")),
        json!(scene.url("/mcp").replace("127.0.0.1", "localhost")),
        json!(scene.url("/messages")),
        json!(scene.url("/mcp?x=1")),
        json!("http://127.0.0.1"),
        json!({ "aud": scene.url("/mcp") }),
        json!([[scene.url("/mcp")]]),
        json!([scene.url("/mcp"), 7]),
    ] {
        not_for_us(&scene, json!({ "aud": aud })).await;
    }
    for aud in [
        json!(["https://other.example", scene.url("/mcp")]),
        json!(scene.url("/sse")),
        json!(scene.url("")),
        json!(scene.url("/")),
    ] {
        accepted(&scene, &scene.token_with("alice", &json!({ "aud": aud }))).await;
    }
}

// K15
#[tokio::test]
async fn a_token_of_another_issuer_is_refused() {
    let scene = Scene::new().await;
    let issuer = scene.issuer.issuer().to_owned();

    for iss in [
        json!(null),
        json!(""),
        json!("https://evil.example"),
        json!(format!("{issuer}/")),
        json!(issuer.replace("127.0.0.1", "localhost")),
        json!(issuer.to_ascii_uppercase()),
        json!([issuer]),
    ] {
        refused(&scene, &scene.token_with("alice", &json!({ "iss": iss }))).await;
    }
}

// K17
#[tokio::test]
async fn an_expiry_that_is_none_is_refused() {
    let scene = Scene::new().await;
    let claims = scene.claims("alice").to_string();
    let exp = format!("\"exp\":{}", NOW + 3_600);
    assert!(claims.contains(&exp));

    for odd in [
        "\"exp\":\"1800003600\"",
        "\"exp\":1e400",
        "\"exp\":-1",
        "\"exp\":null",
        "\"exp\":18446744073709551616",
        "\"exp\":18446744073709551615",
        "\"exp\":true",
        "\"exp\":[1800003600]",
        "\"exq\":1800003600",
        "\"exp\":1800003600000",
    ] {
        let token = scene
            .key
            .token_with(&scene.key.header(), &claims.replace(&exp, odd));
        refused(&scene, &token).await;
    }
}

// K17: of two members of a name, no reader may take the other one.
#[tokio::test]
async fn a_claim_that_is_there_twice_gains_nothing() {
    let scene = Scene::new().await;
    let claims = scene.claims("alice").to_string();
    let old = format!("\"exp\":{}", NOW + 3_600);
    let past = format!("\"exp\":{}", NOW - 3_600);

    let last_is_past = claims.replace(&old, &format!("{old},{past}"));
    let token = scene.key.token_with(&scene.key.header(), &last_is_past);
    let ask = Ask::stream(&scene, "/sse", &token);
    scene.ask(&ask).await.is(401);
}

// K18
#[tokio::test]
async fn a_token_of_the_future_is_refused_beyond_the_leeway() {
    let scene = Scene::new().await;

    for claim in ["nbf", "iat"] {
        for odd in [
            json!("1"),
            json!(NOW.to_string()),
            json!(NOW + 61),
            json!(-1),
            json!({}),
        ] {
            refused(&scene, &scene.token_with("alice", &json!({ claim: odd }))).await;
        }
    }
    for claim in ["nbf", "iat"] {
        accepted(
            &scene,
            &scene.token_with("alice", &json!({ claim: NOW + 60 })),
        )
        .await;
    }
}

// K19
#[tokio::test]
async fn a_token_ends_a_minute_after_its_expiry_fresh_and_remembered() {
    let scene = Scene::new().await;
    let known = scene.token_with("alice", &json!({ "exp": NOW + 100 }));
    accepted(&scene, &known).await;

    scene.clock.advance(Duration::from_secs(159));
    accepted(&scene, &known).await;
    accepted(
        &scene,
        &scene.token_with("bob", &json!({ "exp": NOW + 100 })),
    )
    .await;
    scene.clock.advance(Duration::from_secs(2));

    for token in [
        known,
        scene.token_with("carol", &json!({ "exp": NOW + 100 })),
    ] {
        let ask = Ask::stream(&scene, "/sse", &token);
        let reply = scene.ask(&ask).await.is(401);
        assert!(reply.challenge().contains("has expired"));
    }
}

// K21
#[tokio::test]
async fn a_subject_that_is_none_is_refused() {
    let scene = Scene::new().await;

    for sub in [
        json!(null),
        json!(""),
        json!("x".repeat(300)),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("a\u{7f}"),
        json!(7),
        json!(["alice"]),
    ] {
        refused(&scene, &scene.token_with("alice", &json!({ "sub": sub }))).await;
    }
    accepted(
        &scene,
        &scene.token_with("alice", &json!({ "sub": "x".repeat(255) })),
    )
    .await;
}

/// The call of a tool that needs scopes, at each of the three doors: what the POST is answered.
async fn through_every_door(scene: &Scene, token: &str, params: &Value) -> Vec<Reply> {
    let mut mcp = Mcp::ready(scene, token).await;
    let mut sse = Sse::ready(scene, token).await;
    let message = request(7, "tools/call", params);
    vec![
        mcp.post(&message).await,
        sse.post(&message).await,
        scene
            .ask(&Ask::modern(scene, token, 7, "tools/call", params.clone()))
            .await,
    ]
}

// K22
#[tokio::test]
async fn a_missing_scope_is_a_challenge_that_names_all_that_are_needed() {
    let scene = Scene::new().await;
    let token = scene.token_with("alice", &json!({ "scope": "openid notes:read" }));

    for reply in through_every_door(&scene, &token, &json!({ "name": "notes_write" })).await {
        let reply = reply.is(403);
        let challenge = reply.challenge();
        assert!(
            challenge.starts_with("Bearer error=\"insufficient_scope\""),
            "{challenge}"
        );
        assert!(
            challenge.contains("scope=\"notes:read notes:write\""),
            "{challenge}"
        );
        assert!(
            challenge.contains("resource_metadata=\"http://"),
            "{challenge}"
        );
        assert_eq!(reply.json()["id"], 7);
    }
    assert_eq!(
        scene.metric("usher_calls_total{tool=\"notes_write\",outcome=\"ok\"}"),
        0
    );
}

// K22: what the scopes are looked up by must be what the tool is found by.
#[tokio::test]
async fn no_spelling_of_a_call_gets_round_its_scopes() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let mut mcp = Mcp::ready(&scene, &token).await;
    let mut sse = Sse::ready(&scene, &token).await;

    for params in [
        r#"{"name":"notes_write"}"#,
        r#"{"name":"notes\u005fwrite"}"#,
        r#"{"name":"notes_write","_meta":7}"#,
        r#"{"name":"notes_write","_meta":null}"#,
        r#"{"name":"notes_write","_meta":[]}"#,
        r#"{"name":"notes_write","_meta":"x"}"#,
        r#"{"name":"notes_write","_meta":{},"_meta":{}}"#,
        r#"{"name":"notes_write","_meta":{"a":1,"a":2}}"#,
        r#"{"name":"notes_write","uri":1,"uri":2}"#,
        r#"{"name":"notes_write","uri":{"a":"\ud800"}}"#,
        r#"{"name":"notes_write","_meta":{"io.modelcontextprotocol/protocolVersion":null,"io.modelcontextprotocol/protocolVersion":null}}"#,
        r#"{"name":"notes_write","_meta":{"io.modelcontextprotocol/clientCapabilities":1,"io.modelcontextprotocol/clientCapabilities":2}}"#,
        r#"{"name":"whoami","name":"notes_write"}"#,
        r#"{"name":"notes_write","name":"whoami"}"#,
        r#"{"name":"notes_write","x":1e999}"#,
    ] {
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{params}}}"
        );
        let posted = mcp.message(&Value::Null).body(body.clone());
        let reply = mcp.posts.ask(&posted).await;
        let outcome = (reply.status, reply.text());
        assert!(
            !outcome.1.contains("written"),
            "{params} over /mcp: {outcome:?}"
        );
        assert!(
            matches!(reply.status, 200 | 400 | 403),
            "{params}: {outcome:?}"
        );

        let posted = sse.message(&Value::Null).body(body);
        if sse.posts.ask(&posted).await.status == 202 {
            let answer = sse.events.message().await;
            assert!(answer["error"].is_object(), "{params} over /sse: {answer}");
        }
    }
    assert_eq!(
        scene.metric("usher_calls_total{tool=\"notes_write\",outcome=\"ok\"}"),
        0
    );
}

// K22: the same for what any request at all needs.
#[tokio::test]
async fn a_scope_that_every_request_needs_is_asked_for_at_every_door() {
    let scene =
        Scene::with(|config| config.resource.required_scopes = "mcp:tools".parse().unwrap()).await;
    let token = scene.token_with("alice", &json!({ "scope": "openid" }));

    for ask in [
        Ask::stream(&scene, "/sse", &token),
        Ask::post(&scene, "/mcp", &token, &initialize(0, "2025-11-25")),
        Ask::post(&scene, "/messages?sessionId=x", &token, &call(1, "whoami")),
        Ask::stream(&scene, "/mcp", &token),
        Ask::new(&scene, "DELETE", "/mcp").bearer(&token),
    ] {
        let reply = scene.ask(&ask).await.is(403);
        assert!(reply.challenge().contains("scope=\"mcp:tools\""));
    }
    scene.assert_no_state();
    accepted(&scene, &scene.token("alice")).await;
}

// K24
#[tokio::test]
async fn tokens_that_look_alike_are_different_tokens() {
    let scene = Scene::new().await;
    // Same header, same beginning of the claims; told apart in the middle only.
    let long = "x".repeat(200);
    let alice = scene.token_with("alice", &json!({ "aaa": long, "zzz": long }));
    let mallory = scene.token_with("mallory", &json!({ "aaa": long, "zzz": long }));
    let forged = {
        let signature = alice.rsplit('.').next().unwrap();
        let message = mallory.rsplit_once('.').unwrap().0;
        format!("{message}.{signature}")
    };
    assert_eq!(alice[..64], mallory[..64]);
    assert_eq!(alice[alice.len() - 64..], forged[forged.len() - 64..]);

    for (token, subject) in [(&alice, "alice"), (&mallory, "mallory")] {
        let ask = Ask::modern(&scene, token, 1, "tools/call", json!({ "name": "whoami" }));
        let answer = scene.ask(&ask).await.is(200).json();
        assert_eq!(answer["result"]["structuredContent"]["sub"], subject);
    }
    let ask = Ask::stream(&scene, "/sse", &forged);
    scene.ask(&ask).await.is(401);
}

// K25
#[tokio::test]
async fn a_token_remembered_from_reading_does_not_write() {
    let scene = Scene::new().await;
    let token = scene.token_with("alice", &json!({ "scope": "notes:read" }));
    let mut mcp = Mcp::ready(&scene, &token).await;

    let read = mcp.call(1, "notes_read").await;
    assert_eq!(read["result"]["content"][0]["text"], "read");
    mcp.post(&call(2, "notes_write")).await.is(403);

    // Nor does a session that was opened with more: the token of each request counts.
    let more = scene.token_with("alice", &json!({ "scope": "notes:read notes:write" }));
    let mut sse = Sse::ready(&scene, &more).await;
    sse.call(1, "notes_write").await;
    let less = sse
        .message(&call(2, "notes_write"))
        .with("Authorization", &format!("Bearer {token}"));
    scene.ask(&less).await.is(403);
}

// K30
#[tokio::test]
async fn an_issuer_in_trouble_is_a_503_and_not_a_401() {
    for behaviour in [
        Behaviour::Answer(500, String::new()),
        Behaviour::Answer(502, "<html>bad gateway</html>".to_owned()),
        Behaviour::Answer(200, "not json".to_owned()),
        Behaviour::Answer(302, String::new()),
        Behaviour::Answer(401, "{\"error\":\"invalid_client\"}".to_owned()),
        Behaviour::Cut,
    ] {
        // One each: so many kinds of trouble in a row are an outage, after which nobody is asked.
        let scene = troubled(behaviour).await;
        scene
            .issuer
            .behave(Endpoint::Introspection, Behaviour::Normal);
        scene.events(&Ask::stream(&scene, "/sse", "good")).await;
    }
}

// K30, F05
#[tokio::test]
async fn an_issuer_that_is_asked_too_much_is_left_alone_for_as_long_as_it_says() {
    let scene = troubled(Behaviour::Answer(429, String::new())).await;
    scene
        .issuer
        .behave(Endpoint::Introspection, Behaviour::Normal);

    for _ in 0..20 {
        let reply = scene
            .ask(&Ask::stream(&scene, "/sse", "good"))
            .await
            .is(503);
        let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=RETRY_AFTER).contains(&after), "{after}");
    }

    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1);
}

/// A scene whose issuer behaves like that, and has refused nobody by it.
async fn troubled(behaviour: Behaviour) -> Scene {
    let scene = Scene::with(introspecting).await;
    let audience = scene.url("/mcp");
    scene.issuer.know(
        "good",
        json!({ "sub": "alice", "aud": audience, "exp": NOW + 600 }),
    );
    scene.issuer.behave(Endpoint::Introspection, behaviour);
    let reply = scene
        .ask(&Ask::stream(&scene, "/sse", "good"))
        .await
        .is(503);
    assert!(reply.header("www-authenticate").is_none());
    assert_eq!(scene.running().verifier().usage().refusals, 0);
    scene
}

// K30: nor is it one while the issuer was never there.
#[tokio::test]
async fn an_issuer_that_is_not_there_yet_is_a_503_and_no_readiness() {
    let scene = Scene::unready(
        |config| config.issuer.url = Some("http://127.0.0.1:1/oidc".parse().unwrap()),
        tools::all(),
    );
    let token = scene.token_with("alice", &json!({ "iss": "http://127.0.0.1:1/oidc" }));

    scene
        .ask(&Ask::stream(&scene, "/sse", &token))
        .await
        .is(503);
    scene.ask(&Ask::get(&scene, "/sse")).await.is(401);
    let (status, report) = scene.admin("/readyz").await;
    assert_eq!(status, 503);
    assert!(report.contains("authorization server"), "{report}");
    assert_eq!(scene.admin("/livez").await.0, 200);
    let mirror = Ask::get(&scene, "/.well-known/oauth-authorization-server");
    scene.ask(&mirror).await.is(404);
    scene.assert_no_state();
}

// K34
#[tokio::test]
async fn a_token_that_is_too_long_is_refused_before_anybody_is_asked() {
    let scene = Scene::with(introspecting).await;

    let long = "a".repeat(8 * 1024 + 1);
    let reply = with_authorization(&scene, &format!("Bearer {long}"))
        .await
        .is(401);
    assert!(reply.challenge().contains("too long"));
    let longer = "a".repeat(1 << 20);
    with_authorization(&scene, &format!("Bearer {longer}"))
        .await
        .is(431);

    assert_eq!(scene.issuer.count(Endpoint::Introspection), 0);
    let usage = scene.running().verifier().usage();
    assert_eq!((usage.entries, usage.refusals), (0, 0));
}

// K35, scaled
#[tokio::test]
async fn any_number_of_unknown_keys_makes_us_fetch_once() {
    let scene = Scene::new().await;
    let claims = scene.claims("mallory").to_string();
    let before = scene.issuer.count(Endpoint::Keys);
    let mut asks = Vec::new();
    for number in 0..200 {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": format!("k{number}") });
        let token = scene.key.token_with(&header, &claims);
        asks.push(Ask::stream(&scene, "/sse", &token));
    }

    let replies = futures_util::future::join_all(asks.iter().map(|ask| scene.ask(ask))).await;

    assert!(replies.iter().all(|reply| reply.status == 401));
    assert!(scene.issuer.count(Endpoint::Keys) <= before + 1);
    accepted(&scene, &scene.token("alice")).await;
}

// K40, the POST of it
#[tokio::test]
async fn a_revoked_token_is_refused_once_its_answer_has_aged() {
    let scene = Scene::with(|config| {
        introspecting(config);
        config.verifier.cache.answer_ttl = HumanDuration::new(Duration::from_millis(300));
    })
    .await;
    let audience = scene.url("/mcp");
    scene.issuer.know(
        "good",
        json!({ "sub": "alice", "aud": audience, "exp": NOW + 600 }),
    );
    let mut mcp = Mcp::ready(&scene, "good").await;
    mcp.call(1, "whoami").await;

    scene.issuer.know("good", json!({ "active": false }));

    let started = std::time::Instant::now();
    while mcp.post(&call(2, "whoami")).await.status != 401 {
        assert!(started.elapsed() < Duration::from_secs(5), "still taken");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    eventually("asked again", || {
        scene.issuer.count(Endpoint::Introspection) >= 2
    })
    .await;
}

// K40, the stream of it: nobody has to POST for a revocation to count.
#[tokio::test]
async fn a_stream_whose_token_was_revoked_is_ended() {
    let scene = Scene::with(|config| {
        introspecting(config);
        config.verifier.cache.answer_ttl = HumanDuration::new(Duration::from_millis(300));
    })
    .await;
    let audience = scene.url("/mcp");
    let claims = json!({ "sub": "alice", "aud": audience, "exp": NOW + 600 });
    scene.issuer.know("good", claims);
    let mut sse = Sse::ready(&scene, "good").await;

    scene.issuer.know("good", json!({ "active": false }));

    let ended = tokio::time::timeout(Duration::from_secs(6), sse.events.farewell()).await;
    assert_eq!(ended.unwrap(), "closed: the access token is good no more");
    assert_eq!(scene.running().sessions(), 0);
}

// K40: streams of one token make one question for each time its answer has aged; what keeps nothing
// open makes none, and silence ends nothing at once.
#[tokio::test]
async fn a_token_that_keeps_streams_open_is_asked_about_once_each_time() {
    let scene = Scene::with(|config| {
        introspecting(config);
        config.verifier.cache.answer_ttl = HumanDuration::new(Duration::from_millis(300));
    })
    .await;
    let audience = scene.url("/mcp");
    for token in ["good", "idle"] {
        let claims = json!({ "sub": token, "aud": audience, "exp": NOW + 600 });
        scene.issuer.know(token, claims);
    }
    let _idle = Mcp::ready(&scene, "idle").await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(Sse::ready(&scene, "good").await);
    }
    let asked = |token: &str| {
        let all = scene.issuer.asked(Endpoint::Introspection);
        all.iter()
            .filter(|asked| asked.body.contains(token))
            .count()
    };
    let (before, started) = (asked("good"), std::time::Instant::now());
    eventually("asked again and again", || asked("good") >= before + 3).await;
    let rounds = usize::try_from(started.elapsed().as_secs()).unwrap() + 2;
    assert!(
        asked("good") - before <= rounds,
        "more than one for each sweep"
    );
    assert_eq!(asked("idle"), 1);

    scene.issuer.behave(Endpoint::Introspection, Behaviour::Cut);
    assert!(
        streams[0]
            .events
            .is_silent_for(Duration::from_secs(2))
            .await
    );
    assert_eq!(scene.running().sessions(), 9);
}

// K42, scaled
#[tokio::test]
async fn a_crowd_with_one_unknown_token_asks_once() {
    let scene = Scene::with(introspecting).await;
    let audience = scene.url("/mcp");
    scene.issuer.know(
        "good",
        json!({ "sub": "alice", "aud": audience, "exp": NOW + 600 }),
    );
    let gate = scene.issuer.hold(Endpoint::Introspection);
    let ask = Ask::modern(&scene, "good", 1, "tools/call", json!({ "name": "whoami" }));

    let crowd = futures_util::future::join_all((0..200).map(|_| scene.ask(&ask)));
    let release = async {
        eventually("everybody waits", || {
            scene.running().verifier().usage().waiting == 200
        })
        .await;
        gate.add_permits(1);
    };
    let (replies, ()) = tokio::join!(crowd, release);

    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1);
}
