//! JWTs through every check, without a server.

use std::time::Duration;

use serde_json::{Value, json};

use super::{NOW, RESOURCE, claims, with};
use crate::{
    auth::{
        ClaimsConfig, Identity, IssuerConfig, Reason,
        fake_issuer::signing::{SigningKey, encoded},
        jwt::{Jwt, Signature},
        key_set::KeySet,
    },
    scope::Scopes,
    time::Timestamp,
};

const ISSUER: &str = "https://tenant.logto.app/oidc";

/// What becomes of a token when these are the issuer's keys.
fn verdict(token: &str, jwks: &[Value]) -> Result<Identity, Reason> {
    verdict_by(&rules(), token, jwks)
}

fn verdict_by(rules: &IssuerConfig, token: &str, jwks: &[Value]) -> Result<Identity, Reason> {
    let keys = KeySet::parse(&json!({ "keys": jwks })).unwrap_or_default();
    let token = Jwt::parse(token)?;
    token.check(rules, Timestamp::from_unix_seconds(NOW))?;
    match token.signature(rules, &keys) {
        Signature::Good(_) => token.into_identity(rules),
        Signature::Bad(reason) => Err(reason),
        Signature::UnknownKey => Err(Reason::UnknownKey),
    }
}

fn rules() -> IssuerConfig {
    IssuerConfig::new(ISSUER.parse().unwrap())
}

fn key() -> SigningKey {
    SigningKey::new("ES256", "k")
}

/// What becomes of well-signed claims.
fn verdict_on(claims: &Value) -> Result<Identity, Reason> {
    let key = key();
    verdict(&key.token(claims), &[key.jwk()])
}

/// What becomes of good claims under this header, well signed.
fn verdict_under(change: impl FnOnce(&mut Value)) -> Result<Identity, Reason> {
    let key = key();
    let mut header = key.header();
    change(&mut header);
    let token = key.token_with(&header, &claims(ISSUER).to_string());
    verdict(&token, &[key.jwk()])
}

#[test]
fn a_good_token_of_every_algorithm_is_verified() {
    for algorithm in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    ] {
        let key = SigningKey::new(algorithm, "k");

        let identity = verdict(&key.token(&claims(ISSUER)), &[key.jwk()]).unwrap();

        assert_eq!(identity.subject, "alice", "{algorithm}");
        assert_eq!(identity.issuer, ISSUER);
        assert_eq!(identity.client_id.as_deref(), Some("agent"));
        assert_eq!(identity.audiences, [RESOURCE]);
        assert_eq!(identity.scopes, Scopes::lenient("mcp:tools notes:read"));
        let end = Timestamp::from_unix_seconds(NOW + 600);
        assert_eq!(identity.expires_at, Some(end));
        assert_eq!(identity.claims["jti"], "1");
    }
}

#[test]
fn an_ed25519_token_may_call_its_algorithm_by_the_newer_name() {
    let key = SigningKey::new("EdDSA", "k");
    let header = json!({ "alg": "Ed25519", "typ": "at+jwt", "kid": "k" });
    let token = key.token_with(&header, &claims(ISSUER).to_string());

    assert!(verdict(&token, &[key.jwk()]).is_ok());
}

#[test]
fn the_client_id_may_be_called_azp_and_the_scopes_scp() {
    let mut older = with(ISSUER, "client_id", json!(null));
    older["azp"] = json!("older-agent");
    older["scope"] = json!(null);
    older.as_object_mut().unwrap().remove("scope");
    older["scp"] = json!(["notes:read", "mcp:tools", 7, "no scope"]);

    let identity = verdict_on(&older).unwrap();

    assert_eq!(identity.client_id.as_deref(), Some("older-agent"));
    assert_eq!(identity.scopes.to_string(), "mcp:tools notes:read");
}

#[test]
fn an_issuer_may_say_elsewhere_who_calls_and_what_for() {
    let key = key();
    let mut rules = rules();
    rules.claims = ClaimsConfig {
        subject: "/ext/user".parse().unwrap(),
        client_id: ["cid", "client_id"]
            .map(|name| name.parse().unwrap())
            .to_vec(),
        scopes: ["https://h/scopes", "/realm_access/roles"]
            .map(|path| path.parse().unwrap())
            .to_vec(),
    };
    let mut claims = claims(ISSUER);
    claims["ext"] = json!({ "user": "a-1" });
    claims["cid"] = json!("other");
    claims["realm_access"] = json!({ "roles": ["notes:read", 7, "b c", "admin"] });

    let identity = verdict_by(&rules, &key.token(&claims), &[key.jwk()]).unwrap();

    assert_eq!(identity.subject, "a-1");
    assert_eq!(identity.client_id.as_deref(), Some("other"));
    assert_eq!(identity.scopes, "admin notes:read".parse().unwrap());

    claims["https://h/scopes"] = json!("one two");
    claims["ext"] = json!({ "user": 7 });
    let refused = verdict_by(&rules, &key.token(&claims), &[key.jwk()]);
    assert_eq!(refused.unwrap_err(), Reason::MalformedSubject);
    claims["ext"] = json!({ "user": "a-1" });
    let identity = verdict_by(&rules, &key.token(&claims), &[key.jwk()]).unwrap();
    assert_eq!(identity.scopes, "one two".parse().unwrap());
}

// K21, of the client: sessions belong to it too.
#[test]
fn a_client_id_that_is_no_identifier_is_refused_and_not_passed_over() {
    for id in [
        json!(7),
        json!(["agent"]),
        json!("a\nb"),
        json!("a".repeat(2_049)),
    ] {
        let mut claims = with(ISSUER, "client_id", id.clone());
        claims["azp"] = json!("other");
        assert_eq!(
            verdict_on(&claims).unwrap_err(),
            Reason::MalformedClientId,
            "{id}"
        );
    }
    for absent in [json!(null), json!("")] {
        let mut claims = claims(ISSUER);
        claims["client_id"] = absent;
        claims["azp"] = json!("other");
        assert_eq!(
            verdict_on(&claims).unwrap().client_id.as_deref(),
            Some("other")
        );
    }
}

// K03
#[test]
fn an_expired_token_is_refused() {
    let expired = verdict_on(&with(ISSUER, "exp", json!(NOW - 61)));

    assert_eq!(expired.unwrap_err(), Reason::Expired);
}

// K04
#[test]
fn a_token_without_a_proper_algorithm_is_refused() {
    for algorithm in [
        json!("none"),
        json!("None"),
        json!("nOnE"),
        json!("NONE"),
        json!(""),
        json!("HS256"),
        json!("es256"),
        json!(null),
        json!(["ES256"]),
    ] {
        let refused = verdict_under(|header| header["alg"] = algorithm.clone());
        assert_eq!(refused.unwrap_err(), Reason::Algorithm, "{algorithm}");
    }
    let absent = verdict_under(|header| {
        header.as_object_mut().unwrap().remove("alg");
    });
    assert_eq!(absent.unwrap_err(), Reason::Algorithm);
}

// K04
#[test]
fn a_token_with_its_signature_cut_off_is_refused() {
    let key = key();
    let token = key.token(&claims(ISSUER));
    let (message, signature) = token.rsplit_once('.').unwrap();

    for cut in [
        format!("{message}."),
        format!("{message}.{}", &signature[4..]),
    ] {
        assert_eq!(
            verdict(&cut, &[key.jwk()]).unwrap_err(),
            Reason::BadSignature
        );
    }
    for torn in [
        message.to_owned(),
        format!("{token}."),
        format!("{token}.x"),
    ] {
        assert_eq!(
            verdict(&torn, &[key.jwk()]).unwrap_err(),
            Reason::MalformedToken
        );
    }
}

// K04: the key an attacker knows, the public one, must never become an HMAC secret.
#[test]
fn a_token_signed_with_hmac_under_the_public_key_is_refused() {
    let key = SigningKey::new("RS256", "k");
    let header = encoded(json!({ "alg": "HS256", "typ": "at+jwt", "kid": "k" }).to_string());
    let message = format!("{header}.{}", encoded(claims(ISSUER).to_string()));
    let secret = aws_lc_rs::hmac::Key::new(
        aws_lc_rs::hmac::HMAC_SHA256,
        key.jwk()["n"].as_str().unwrap().as_bytes(),
    );
    let tag = aws_lc_rs::hmac::sign(&secret, message.as_bytes());
    let token = format!("{message}.{}", encoded(tag));

    assert_eq!(
        verdict(&token, &[key.jwk()]).unwrap_err(),
        Reason::Algorithm
    );
}

// K06
#[test]
fn an_algorithm_that_does_not_fit_its_key_is_refused() {
    let rsa = SigningKey::new("RS256", "k");
    let curve = SigningKey::new("ES384", "k");
    let token = curve.token(&claims(ISSUER));

    let other_algorithm = SigningKey::new("PS256", "k").token(&claims(ISSUER));
    for (token, jwk) in [
        (&token, rsa.jwk()),
        (&token, SigningKey::new("ES256", "k").jwk()),
        (&token, SigningKey::new("EdDSA", "k").jwk()),
        (&other_algorithm, rsa.jwk()),
    ] {
        assert_eq!(verdict(token, &[jwk]).unwrap_err(), Reason::KeyMismatch);
    }
}

// K06
#[test]
fn a_key_for_encryption_or_of_an_unfit_kind_is_no_key_for_signatures() {
    let good = key();
    let changes: [(&str, Value); 6] = [
        ("use", json!("enc")),
        ("key_ops", json!(["encrypt"])),
        ("alg", json!("RSA-OAEP")),
        ("alg", json!("ES512")),
        ("crv", json!("P-384")),
        ("kty", json!("oct")),
    ];
    for (member, value) in changes {
        let mut unfit = good.jwk();
        unfit[member] = value;
        let other = SigningKey::new("EdDSA", "other").jwk();

        let refused = verdict(&good.token(&claims(ISSUER)), &[unfit, other]);
        assert_eq!(refused.unwrap_err(), Reason::KeyMismatch, "{member}");
    }
}

// K06
#[test]
fn an_algorithm_that_is_not_on_the_list_is_refused() {
    let mut rules = rules();
    rules.algorithms = vec!["ES384".parse().unwrap()];
    let key = key();

    let refused = verdict_by(&rules, &key.token(&claims(ISSUER)), &[key.jwk()]);

    assert_eq!(refused.unwrap_err(), Reason::Algorithm);
}

#[test]
fn a_key_without_an_algorithm_serves_all_of_its_kind() {
    // Logto's RSA key, after a rotation, says no `alg`.
    let mut jwk = SigningKey::new("RS256", "k").jwk();
    jwk.as_object_mut().unwrap().remove("alg");

    for algorithm in ["RS256", "RS512", "PS256"] {
        let token = SigningKey::new(algorithm, "k").token(&claims(ISSUER));
        assert!(verdict(&token, &[jwk.clone()]).is_ok(), "{algorithm}");
    }
}

#[test]
fn an_rsa_key_may_be_written_with_leading_zeros_but_may_not_be_short() {
    let key = SigningKey::new("RS256", "k");
    let token = key.token(&claims(ISSUER));
    let mut padded = key.jwk();
    let mut modulus = vec![0];
    modulus.extend(
        base64::Engine::decode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            padded["n"].as_str().unwrap(),
        )
        .unwrap(),
    );
    padded["n"] = json!(encoded(&modulus));
    assert!(verdict(&token, &[padded]).is_ok());

    let mut short = key.jwk();
    short["n"] = json!(encoded(&modulus[1..129]));
    assert!(KeySet::parse(&json!({ "keys": [short] })).is_none());
}

// K08
#[test]
fn an_odd_key_id_is_only_an_unknown_one_and_a_long_one_is_not_looked_up() {
    for id in ["../../etc/passwd", "' OR 1=1 --", "a\u{0}b", "a\r\nb", ""] {
        let refused = verdict_under(|header| header["kid"] = json!(id));
        assert_eq!(refused.unwrap_err(), Reason::UnknownKey, "{id:?}");
    }
    let long = verdict_under(|header| header["kid"] = json!("k".repeat(257)));
    assert_eq!(long.unwrap_err(), Reason::KeyIdTooLong);
    for odd in [json!(7), json!(null), json!(["k"])] {
        let refused = verdict_under(|header| header["kid"] = odd);
        assert_eq!(refused.unwrap_err(), Reason::MalformedToken);
    }
}

// K09
#[test]
fn a_token_without_a_key_id_is_taken_if_its_key_can_be_found_among_four() {
    let keys: Vec<_> = (0..5)
        .map(|number| SigningKey::new("ES256", &format!("k{number}")))
        .collect();
    let header = json!({ "alg": "ES256", "typ": "at+jwt" });
    let token = keys[1].token_with(&header, &claims(ISSUER).to_string());
    let published = |count| -> Vec<_> { keys[..count].iter().map(SigningKey::jwk).collect() };
    let of_another_kind = SigningKey::new("RS256", "rsa").jwk();

    assert!(verdict(&token, &[keys[1].jwk(), of_another_kind.clone()]).is_ok());
    assert!(verdict(&token, &published(4)).is_ok());
    assert_eq!(
        verdict(&token, &published(5)).unwrap_err(),
        Reason::AmbiguousKey
    );
    assert_eq!(
        verdict(&token, &published(1)).unwrap_err(),
        Reason::BadSignature
    );
    assert_eq!(
        verdict(&token, &[of_another_kind]).unwrap_err(),
        Reason::UnknownKey
    );
}

// K12
#[test]
fn a_token_of_another_type_is_refused() {
    for kind in [
        json!("JWT"),
        json!("logout+jwt"),
        json!("application/jwt"),
        json!("id_token"),
        json!(""),
        json!(7),
        json!(null),
    ] {
        let refused = verdict_under(|header| header["typ"] = kind.clone());
        assert_eq!(refused.unwrap_err(), Reason::WrongType, "{kind}");
    }
    let absent = verdict_under(|header| {
        header.as_object_mut().unwrap().remove("typ");
    });
    assert_eq!(absent.unwrap_err(), Reason::WrongType);
    for kind in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/at+JWT",
    ] {
        assert!(verdict_under(|header| header["typ"] = json!(kind)).is_ok());
    }
}

// K12
#[test]
fn a_token_of_no_or_of_the_general_type_is_taken_where_that_is_allowed() {
    let mut rules = rules();
    rules.token_types = vec!["JWT".to_owned(), String::new()];
    let key = key();
    let verdict = |header: Value| {
        let token = key.token_with(&header, &claims(ISSUER).to_string());
        verdict_by(&rules, &token, &[key.jwk()]).map(|_| ())
    };

    assert_eq!(
        verdict(json!({ "alg": "ES256", "kid": "k", "typ": "jwt" })),
        Ok(())
    );
    assert_eq!(verdict(json!({ "alg": "ES256", "kid": "k" })), Ok(()));
    for kind in ["at+jwt", "logout+jwt"] {
        let header = json!({ "alg": "ES256", "kid": "k", "typ": kind });
        assert_eq!(verdict(header), Err(Reason::WrongType));
    }
}

// K06 (RFC 7515 §4.1.11)
#[test]
fn a_token_that_demands_any_extension_is_refused() {
    for crit in [
        json!(["exp"]),
        json!(["b64"]),
        json!([]),
        json!(null),
        json!("b64"),
    ] {
        let refused = verdict_under(|header| header["crit"] = crit.clone());
        assert_eq!(refused.unwrap_err(), Reason::Critical, "{crit}");
    }
}

// K13
#[test]
fn an_audience_is_a_text_or_a_list_of_texts() {
    let audiences = |value| verdict_on(&with(ISSUER, "aud", value)).map(|found| found.audiences);

    assert_eq!(audiences(json!("a")).unwrap(), ["a"]);
    assert_eq!(audiences(json!(["a", "b"])).unwrap(), ["a", "b"]);
    assert!(audiences(json!(null)).unwrap().is_empty(), "left to judge");
    for odd in [json!(7), json!({ "a": 1 }), json!(["a", 7]), json!(true)] {
        assert_eq!(audiences(odd).unwrap_err(), Reason::MalformedAudience);
    }
}

// K15
#[test]
fn a_token_of_another_issuer_is_refused_before_any_key_is_looked_for() {
    let mut odd = vec![json!(null), json!(7), json!([ISSUER])];
    for issuer in [
        "",
        "https://evil",
        "https://tenant.logto.app/oidc/",
        "HTTPS://tenant.logto.app/oidc",
    ] {
        odd.push(json!(issuer));
    }
    for issuer in odd {
        let token = key().token(&with(ISSUER, "iss", issuer.clone()));

        assert_eq!(
            verdict(&token, &[]).unwrap_err(),
            Reason::WrongIssuer,
            "{issuer}"
        );
    }
}

/// The payload of a good token, with `exp`, say, written as this text.
fn payload(name: &str, text: &str) -> String {
    let mut members: Vec<_> = with(ISSUER, name, json!(null))
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    members.push(format!("\"{name}\":{text}"));
    format!("{{{}}}", members.join(","))
}

fn verdict_on_date(name: &str, text: &str) -> Result<(), Reason> {
    let key = key();
    let token = key.token_with(&key.header(), &payload(name, text));
    verdict(&token, &[key.jwk()]).map(|_| ())
}

// K17
#[test]
fn an_expiry_that_is_no_number_is_refused() {
    for text in [
        "\"1800000600\"",
        "-1",
        "-1800000600",
        "null",
        "true",
        "[1800000600]",
        "{}",
        "18446744073709551616",
        "9223372036854775808",
        "1e300",
        "1800000600000",
    ] {
        let refused = verdict_on_date("exp", text);
        assert_eq!(refused, Err(Reason::MalformedExpiry), "{text}");
    }
    // No JSON number at all for serde_json, so the token can't be read.
    assert_eq!(verdict_on_date("exp", "1e400"), Err(Reason::MalformedToken));
    let missing = verdict_on(&with(ISSUER, "exp", json!(null)));
    assert_eq!(missing.unwrap_err(), Reason::MalformedExpiry);
}

#[test]
fn an_expiry_with_a_fraction_is_a_number() {
    assert_eq!(verdict_on_date("exp", "1800000600.75"), Ok(()));
    assert_eq!(verdict_on_date("exp", "1.8000006e9"), Ok(()));
}

// K18
#[test]
fn a_date_ahead_is_taken_within_the_leeway_and_refused_beyond() {
    for (name, reason) in [
        ("nbf", Reason::NotYetValid),
        ("iat", Reason::IssuedInFuture),
    ] {
        assert_eq!(verdict_on_date(name, &(NOW + 60).to_string()), Ok(()));
        assert_eq!(verdict_on_date(name, &(NOW + 61).to_string()), Err(reason));
    }
}

// K18
#[test]
fn a_date_that_is_no_number_is_refused_and_not_overlooked() {
    for (name, reason) in [
        ("nbf", Reason::MalformedNotBefore),
        ("iat", Reason::MalformedIssuedAt),
    ] {
        for text in ["\"4000000000\"", "null", "-1", "[]", "1e300"] {
            assert_eq!(verdict_on_date(name, text), Err(reason), "{name} {text}");
        }
    }
}

// K19
#[test]
fn an_expired_token_is_taken_for_the_leeway_and_no_longer() {
    assert_eq!(verdict_on_date("exp", &(NOW - 59).to_string()), Ok(()));
    for late in [60, 61] {
        let expired = verdict_on_date("exp", &(NOW - late).to_string());
        assert_eq!(expired, Err(Reason::Expired));
    }
    let mut rules = rules();
    rules.leeway = crate::units::HumanDuration::new(Duration::ZERO);
    let key = key();
    let token = key.token(&with(ISSUER, "exp", json!(NOW)));
    let expired = verdict_by(&rules, &token, &[key.jwk()]);
    assert_eq!(expired.unwrap_err(), Reason::Expired);
}

// K21
#[test]
fn a_subject_that_is_missing_empty_long_or_odd_is_refused() {
    for subject in [
        json!(null),
        json!(""),
        json!("a".repeat(256)),
        json!("a".repeat(300)),
        json!("ä".repeat(100_000)),
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("a\u{85}b"),
        json!(7),
    ] {
        let refused = verdict_on(&with(ISSUER, "sub", subject));
        assert_eq!(refused.unwrap_err(), Reason::MalformedSubject);
    }
    for subject in ["a".repeat(255), "ä".repeat(255), "auth0|5f7c".to_owned()] {
        assert!(verdict_on(&with(ISSUER, "sub", json!(subject))).is_ok());
    }
}

// K24
#[test]
fn the_same_payload_under_another_signature_is_refused() {
    let token = key().token(&claims(ISSUER));
    let forged = key();

    let refused = verdict(&token, &[forged.jwk()]);

    assert_eq!(refused.unwrap_err(), Reason::BadSignature);
}

#[test]
fn a_payload_changed_after_signing_is_refused() {
    let key = key();
    let token = key.token(&claims(ISSUER));
    let parts: Vec<_> = token.split('.').collect();
    let payload = encoded(with(ISSUER, "sub", json!("mallory")).to_string());
    let forged = format!("{}.{payload}.{}", parts[0], parts[2]);

    let refused = verdict(&forged, &[key.jwk()]);

    assert_eq!(refused.unwrap_err(), Reason::BadSignature);
}

#[test]
fn what_is_no_json_object_in_base64url_is_no_token() {
    let key = key();
    let header = key.header();
    for payload in ["", "[]", "7", "{", "\"a\"", "{} {}"] {
        let token = key.token_with(&header, payload);
        assert_eq!(
            verdict(&token, &[key.jwk()]).unwrap_err(),
            Reason::MalformedToken
        );
    }
    for token in [
        "",
        ".",
        "..",
        "a.b.c",
        "a.b",
        "e30.e30",
        "e30.e30.e30.e30",
        "e30=.e30=.e30=",
    ] {
        assert!(verdict(token, &[key.jwk()]).is_err(), "{token}");
    }
}
