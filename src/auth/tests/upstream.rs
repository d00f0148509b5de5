//! Which method a token goes by, what is asked, and what the answers mean.

use std::collections::HashMap;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::json;

use super::{NOW, Scene};
use crate::{
    auth::{
        AuthError, ClientKey, ClientProof, Method, Reason, Verification,
        fake_issuer::{Behaviour, Endpoint, signing::encoded},
    },
    scope::Scopes,
    secret::Secret,
    time::Timestamp,
};

#[actix::test]
async fn a_token_goes_by_its_kind() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    scene.issuer.know("opaque", json!({ "sub": "bob" }));

    let by_keys = scene.verify(&scene.good_token()).await.unwrap();
    let by_asking = scene.verify("opaque").await.unwrap();

    assert_eq!(by_keys.verified_by(), Method::Jwt);
    assert_eq!(by_asking.verified_by(), Method::Introspection);
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 1);
}

#[actix::test]
async fn an_opaque_token_that_nobody_can_be_asked_about_is_refused_with_the_reason() {
    for verification in [Verification::Auto, Verification::Jwt] {
        let scene = Scene::new(|config| config.issuer.verification = verification);

        let refused = scene.verify("opaque").await.unwrap_err();

        assert_eq!(refused, Reason::Opaque.into());
        assert_eq!(scene.issuer.count(Endpoint::Userinfo), 0);
    }
}

// K02, K04, K08, K15
#[actix::test]
async fn a_jwt_that_is_wrong_in_itself_makes_us_ask_nobody() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    scene.verify(&scene.good_token()).await.unwrap();
    let payload = scene.claims().to_string();
    let header = |alg: &str, kid: &str| json!({ "alg": alg, "typ": "at+jwt", "kid": kid });
    let foreign = super::claims("https://evil");

    for (token, reason) in [
        (
            scene.key.token_with(&header("none", "x"), &payload),
            Reason::Algorithm,
        ),
        (
            scene
                .key
                .token_with(&header("ES256", &"k".repeat(300)), &payload),
            Reason::KeyIdTooLong,
        ),
        (
            scene
                .key
                .token_with(&header("ES256", "x"), &foreign.to_string()),
            Reason::WrongIssuer,
        ),
    ] {
        assert_eq!(scene.verify(&token).await.unwrap_err(), reason.into());
    }
    assert_eq!(scene.issuer.count(Endpoint::Keys), 1);
    assert_eq!(scene.issuer.count(Endpoint::Introspection), 0);
    assert_eq!(scene.verifier.usage().refusals, 0);
    let counted = |wanted| {
        let mut refusals = scene.verifier.counters().refusals();
        refusals.find(|(reason, _)| *reason == wanted).unwrap().1
    };
    assert_eq!(counted(Reason::WrongIssuer), 1);
}

#[actix::test]
async fn introspection_tells_who_and_what_for_and_until_when() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    scene.issuer.know(
        "opaque",
        json!({
            "sub": "alice", "client_id": "agent", "scope": "openid profile", "iat": NOW - 1,
            "exp": NOW + 3_600, "iss": scene.issuer.issuer(), "token_type": "Bearer",
        }),
    );

    let caller = scene.verify("opaque").await.unwrap();

    assert_eq!(caller.client_id(), Some("agent"));
    assert_eq!(caller.scopes(), &Scopes::lenient("openid profile"));
    let end = Timestamp::from_unix_seconds(NOW + 3_600);
    assert_eq!(caller.expires_at(), Some(end));
    assert!(caller.audiences().is_empty(), "Logto names none");
}

#[actix::test]
async fn our_credentials_are_encoded_into_the_header_or_sent_in_the_body() {
    for (proof, header, body) in [
        (
            ClientProof::Basic as fn(Secret) -> ClientProof,
            format!("Basic {}", base64_of("us%3Aher+x:s3cret")),
            "token=opaque&token_type_hint=access_token",
        ),
        (
            ClientProof::Post,
            String::new(),
            "token=opaque&token_type_hint=access_token&client_id=us%3Aher+x&client_secret=s3cret",
        ),
    ] {
        let scene = Scene::opaque(Verification::Introspection, |config| {
            let client = config.issuer.client.as_mut().unwrap();
            client.id = "us:her x".to_owned();
            client.proof = proof(Secret::new("s3cret"));
        });
        scene.verify("opaque").await.unwrap_err();

        let asked = scene.issuer.asked(Endpoint::Introspection);
        assert_eq!(asked[0].authorization, header);
        assert_eq!(asked[0].body, body);
    }
}

// RFC 7523: and the audience is the issuer, not an endpoint that a hostile one could choose.
#[actix::test]
async fn our_key_signs_an_assertion_for_the_issuer_at_each_question() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let der = base64_of(pair.to_pkcs8().unwrap());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let key = ClientKey::from_pem(&Secret::new(pem), None, Some("k1".to_owned())).unwrap();
    let scene = Scene::opaque(Verification::Introspection, |config| {
        config.issuer.client.as_mut().unwrap().proof = ClientProof::PrivateKey(key);
    });

    for token in ["one", "another"] {
        scene.verify(token).await.unwrap_err();
    }

    let mut nonces = Vec::new();
    for asked in scene.issuer.asked(Endpoint::Introspection) {
        assert_eq!(asked.authorization, "");
        assert!(!asked.body.contains("client_secret"), "{}", asked.body);
        let form: HashMap<_, _> = url::form_urlencoded::parse(asked.body.as_bytes()).collect();
        assert_eq!(form["client_id"], "usher");
        assert_eq!(
            form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let [header, claims] = [0, 1].map(|index| {
            let part = form["client_assertion"].split('.').nth(index).unwrap();
            let json = URL_SAFE_NO_PAD.decode(part).unwrap();
            serde_json::from_slice::<serde_json::Value>(&json).unwrap()
        });
        assert_eq!(
            (&header["alg"], &header["kid"]),
            (&json!("EdDSA"), &json!("k1"))
        );
        assert_eq!(claims["aud"], scene.issuer.issuer());
        assert_eq!(claims["exp"], NOW + 60);
        nonces.push(claims["jti"].to_string());
    }
    assert_ne!(nonces[0], nonces[1]);
}

fn base64_of(text: impl AsRef<[u8]>) -> String {
    STANDARD.encode(text)
}

#[actix::test]
async fn only_active_true_is_active() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    for (number, active) in [json!(false), json!("true"), json!(1), json!(null)]
        .into_iter()
        .enumerate()
    {
        let answer = json!({ "active": active, "sub": "alice" }).to_string();
        scene
            .issuer
            .behave(Endpoint::Introspection, Behaviour::Answer(200, answer));
        let refused = scene.verify(&format!("t{number}")).await.unwrap_err();
        assert_eq!(refused, Reason::Inactive.into(), "{active}");
    }
}

// K03, K15, K17, K18, K21
#[actix::test]
async fn an_answer_is_read_as_strictly_as_a_jwt() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    for (claims, reason) in [
        (json!({ "sub": "a", "exp": NOW - 61 }), Reason::Expired),
        (
            json!({ "sub": "a", "exp": "soon" }),
            Reason::MalformedExpiry,
        ),
        (json!({ "sub": "a", "nbf": NOW + 61 }), Reason::NotYetValid),
        (
            json!({ "sub": "a", "nbf": "1" }),
            Reason::MalformedNotBefore,
        ),
        (
            json!({ "sub": "a", "iss": "https://evil" }),
            Reason::WrongIssuer,
        ),
        (json!({ "sub": "a", "iss": null }), Reason::WrongIssuer),
        (json!({ "sub": "a", "aud": 7 }), Reason::MalformedAudience),
        (json!({ "client_id": "agent" }), Reason::MalformedSubject),
        (json!({ "sub": "a\nb" }), Reason::MalformedSubject),
    ] {
        scene.issuer.know(reason.code(), claims);
        let refused = scene.verify(reason.code()).await.unwrap_err();
        assert_eq!(refused, reason.into());
    }
}

// What Logto was recorded to answer (logto.md c).
#[actix::test]
async fn what_logto_says_of_jwts_and_deleted_applications_is_a_refusal() {
    let scene = Scene::opaque(Verification::Introspection, |_| ());
    let jwt = format!("{}.{}.c2ln", encoded("{\"alg\":\"ES384\"}"), encoded("{}"));

    let refused = scene.verify(&jwt).await.unwrap_err();
    assert_eq!(refused, Reason::NotIntrospectable.into());

    let deleted = r#"{"code":"oidc.invalid_client","error":"invalid_client"}"#.to_owned();
    scene
        .issuer
        .behave(Endpoint::Introspection, Behaviour::Answer(400, deleted));
    let refused = scene.verify("opaque").await.unwrap_err();
    assert_eq!(refused, Reason::RefusedByIssuer.into());
}

// K30
#[actix::test]
async fn our_own_wrong_credentials_are_nobody_elses_fault() {
    let secret = || Secret::new("s3cret");
    let cases = [
        (ClientProof::Basic(secret()), 401),
        (ClientProof::Basic(secret()), 403),
        (ClientProof::Post(secret()), 400),
        (ClientProof::Post(secret()), 401),
    ];
    for (proof, status) in cases {
        let way = format!("{proof:?} {status}");
        let scene = Scene::opaque(Verification::Introspection, |config| {
            config.issuer.client.as_mut().unwrap().proof = proof;
        });
        let answer = r#"{"error":"invalid_client"}"#.to_owned();
        scene
            .issuer
            .behave(Endpoint::Introspection, Behaviour::Answer(status, answer));

        let verdict = scene.verify("opaque").await;
        assert!(
            matches!(verdict, Err(AuthError::Unavailable { .. })),
            "{way}"
        );
    }
}

#[actix::test]
async fn userinfo_is_shown_the_token_and_tells_who() {
    let scene = Scene::opaque(Verification::Userinfo, |_| ());
    scene.issuer.know(
        "opaque",
        json!({ "sub": "alice", "name": "Alice", "email": null }),
    );

    let caller = scene.verify("opaque").await.unwrap();

    assert_eq!(caller.subject(), "alice");
    assert_eq!(caller.claims()["name"], "Alice");
    assert_eq!((caller.client_id(), caller.expires_at()), (None, None));
    assert!(caller.scopes().is_empty());
    let asked = scene.issuer.asked(Endpoint::Userinfo);
    assert_eq!(asked[0].authorization, "Bearer opaque");
    assert_eq!(scene.issuer.count(Endpoint::Keys), 0, "no keys needed");
    assert!(scene.verifier.is_ready());
}

// K21
#[actix::test]
async fn userinfo_without_a_subject_names_nobody() {
    let scene = Scene::opaque(Verification::Userinfo, |_| ());
    scene.issuer.know("opaque", json!({ "name": "Alice" }));

    let refused = scene.verify("opaque").await.unwrap_err();

    assert_eq!(refused, Reason::MalformedSubject.into());
}

#[actix::test]
async fn userinfo_refuses_what_the_issuer_refuses() {
    let scene = Scene::opaque(Verification::Userinfo, |_| ());

    for token in ["unknown".to_owned(), scene.good_token()] {
        let refused = scene.verify(&token).await.unwrap_err();
        assert_eq!(refused, Reason::RefusedByIssuer.into());
    }
}

#[actix::test]
async fn an_issuer_without_the_endpoint_is_a_fault_of_ours() {
    let scene = Scene::opaque(Verification::Auto, |_| ());
    scene
        .issuer
        .set_metadata("introspection_endpoint", json!(null));

    let verdict = scene.verify("opaque").await;

    assert!(matches!(verdict, Err(AuthError::Unavailable { .. })));
}
