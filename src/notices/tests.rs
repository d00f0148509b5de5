use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::{
    answer::Refusal,
    seen::{Seen, name, too_old_at},
    webhook::{EVENTS, Event, Meaning, Signer, from_hex},
};
use crate::{auth::Whom, secret::Secret, time::Timestamp};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_785_229_200);
const KEY: &str = "a signing key";

const WINDOW: Duration = Duration::from_secs(300);

fn signed(body: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    hmac::sign(&key, body.as_bytes()).as_ref().to_vec()
}

fn of_issuer(subject: Option<&str>) -> Whom {
    Whom {
        issuer: Some("https://i".to_owned()),
        client_id: None,
        subject: subject.map(str::to_owned),
    }
}

fn meaning(event: Value) -> Result<Meaning, Refusal> {
    let event: Event = serde_json::from_value(event).unwrap();
    event.meaning("https://i")
}

#[test]
fn only_what_was_signed_with_the_key_and_lately_is_read() {
    let signer = Signer::new(&Secret::new(KEY));
    let read = |signature: &[u8], body: &str| {
        let read = signer.read(signature, body.as_bytes(), NOW, WINDOW);
        read.map(|(_, then)| then.as_unix_seconds())
    };
    let event = |at: &str| json!({ "event": "PostSignIn", "createdAt": at }).to_string();
    let good = event("2026-07-28T09:00:00.000Z");
    assert_eq!(read(&signed(&good), &good), Ok(1_785_229_200));

    let other = signed(&event("2026-07-28T09:00:01.000Z"));
    for signature in [&other[..], &signed(&good)[..31], &[]] {
        assert_eq!(read(signature, &good), Err(Refusal::Signature));
    }
    for stale in ["2026-07-28T08:54:59.000Z", "2026-07-28T09:05:01.000Z"] {
        let body = event(stale);
        assert_eq!(read(&signed(&body), &body), Err(Refusal::Stale));
    }
    for body in ["", "{}", "[]", "{\"event\":1}", &event("yesterday")] {
        let refused = read(&signed(body), body);
        assert!(matches!(refused, Err(Refusal::Unreadable(_))), "{body}");
    }
}

#[test]
fn a_signature_is_64_hexadecimal_digits() {
    let digits = "0123456789abcdefABCDEF".repeat(3);
    let bytes = from_hex(&digits[..64]).unwrap();
    assert_eq!((bytes.len(), bytes[0], bytes[7]), (32, 0x01, 0xef));
    for text in [
        "",
        &digits[..63],
        &digits[..66],
        &format!("+{}", &digits[..63]),
    ] {
        assert_eq!(from_hex(text), None, "{text}");
    }
    assert_eq!(from_hex(&"ü".repeat(32)), None);
}

#[test]
fn an_event_means_what_its_table_says() {
    let user = |event: &str, data: Value| json!({ "event": event, "createdAt": "", "data": data });
    let ban = |is_ban| Meaning::Refuse {
        whom: of_issuer(Some("u1")),
        is_ban,
    };
    let suspended = |yes: bool| json!({ "id": "u1", "isSuspended": yes });
    let status = "User.SuspensionStatus.Updated";
    assert_eq!(meaning(user(status, suspended(true))), Ok(ban(true)));
    assert_eq!(meaning(user(status, json!({ "id": "u1" }))), Ok(ban(true)));
    let ended = Meaning::EndBan(of_issuer(Some("u1")));
    assert_eq!(meaning(user(status, suspended(false))), Ok(ended));
    // As Logto writes it: the user is gone, and only the request names it.
    let deleted = json!({
        "event": "User.Deleted", "createdAt": "", "data": null, "params": { "userId": "u1" },
    });
    assert_eq!(meaning(deleted), Ok(ban(true)));
    let reset = json!({ "event": "PostResetPassword", "createdAt": "", "userId": "u1" });
    assert_eq!(meaning(reset), Ok(ban(false)));
    for event in ["Role.Scopes.Updated", "Role.Deleted", "Scope.Deleted"] {
        let everybody = Meaning::Refuse {
            whom: of_issuer(None),
            is_ban: false,
        };
        assert_eq!(meaning(user(event, Value::Null)), Ok(everybody));
    }
    assert_eq!(
        meaning(user("Role.Created", Value::Null)),
        Ok(Meaning::Nothing)
    );
    let nobody = meaning(user("User.Deleted", Value::Null));
    assert!(matches!(nobody, Err(Refusal::Unreadable(_))));
}

#[test]
fn each_event_that_logto_is_asked_for_means_something_unless_it_is_a_test() {
    for name in EVENTS {
        let event = json!({ "event": name, "createdAt": "", "params": { "id": "u1" } });
        assert_ne!(meaning(event), Ok(Meaning::Nothing), "{name}");
        let test = json!({
            "event": name, "createdAt": "", "params": { "id": "fake-id" },
            "data": { "result": "success" },
        });
        assert_eq!(meaning(test), Ok(Meaning::Nothing), "{name}");
    }
    let test = json!({ "event": "PostResetPassword", "createdAt": "", "userId": "fake-id" });
    assert_eq!(meaning(test), Ok(Meaning::Nothing));
}

#[test]
fn what_was_carried_out_is_not_done_again_and_a_full_memory_takes_nothing() {
    let seen = Seen::new(2);
    let until = NOW.plus(Duration::from_secs(60));
    let is_new = |message: &[u8], now| seen.is_new(name(message), until, now);

    assert_eq!(is_new(b"a", NOW), Ok(true));
    assert_eq!(is_new(b"a", NOW), Ok(false));
    assert_eq!(is_new(b"b", NOW), Ok(true));
    assert_eq!(is_new(b"c", NOW), Err(Refusal::SeenFull));
    seen.forget(&name(b"b"));
    assert_eq!(is_new(b"c", NOW), Ok(true));
    assert_eq!(is_new(b"d", until), Ok(true), "the others have ended");
    assert_eq!(
        too_old_at(NOW, WINDOW).since(NOW),
        WINDOW + Duration::from_secs(1),
        "the last second of the window is within it"
    );
}
