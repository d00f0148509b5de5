//! What holds for every answer, whatever was asked.

use serde_json::Value;

use super::Reply;

/// Every header this server sends, and no other: a new one is a decision.
const ALLOWED_HEADERS: [&str; 24] = [
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "date",
    "etag",
    "mcp-session-id",
    "referrer-policy",
    "retry-after",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-accel-buffering",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
];

/// Signs that an answer tells about our inside.
const INSIDE: [&str; 6] = [
    "panicked",
    ".rs:",
    "/src/",
    "stack backtrace",
    "actix",
    "serde_json::",
];

/// Checks one answer. `target` is what was asked for, `secrets` are the tokens that were sent.
#[track_caller]
pub(crate) fn reply(reply: &Reply, method: &str, target: &str, secrets: &[String]) {
    for (name, value) in &reply.headers {
        assert!(
            ALLOWED_HEADERS.contains(&name.as_str()),
            "unexpected header {name}: {value}"
        );
        no_secret(value, secrets);
    }
    // What never reached a resource of ours has no name: no request, or a host's own, whose
    // middleware marks it.
    let ours = ["/mcp", "/sse", "/messages", "/.well-known/"];
    let id = reply.header("x-request-id");
    assert!(
        is_no_request(reply)
            || ours.iter().all(|path| !target.contains(path))
            || reply.header("x-frame-options").is_some()
            || id.is_some_and(|id| !id.is_empty()),
        "{reply:?}"
    );
    let body = reply.text();
    no_secret(&body, secrets);
    for sign in INSIDE {
        assert!(!body.contains(sign), "{sign:?} in {body}");
    }
    if let Some(id) = reply.header("mcp-session-id") {
        assert!(id.len() >= 22 && id.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    let for_everybody = target.starts_with("/.well-known/");
    if reply.header("access-control-allow-origin") == Some("*") {
        assert!(for_everybody, "any page may read {target}");
    }
    if reply.status >= 400 {
        refusal(reply, method, target);
    }
}

/// A refusal is never kept, says in JSON-RPC what was wrong, and how to mend it where that is known. An
/// authorization server is told in OAuth's form.
#[track_caller]
fn refusal(reply: &Reply, method: &str, target: &str) {
    if is_no_request(reply) {
        assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
        return;
    }
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
    match reply.status {
        401 => assert!(reply.challenge().starts_with("Bearer ")),
        405 => assert!(reply.header("allow").is_some(), "{reply:?}"),
        429 | 503 => {
            let wait = reply.header("retry-after").map(str::parse::<u64>);
            assert!(matches!(wait, Some(Ok(1..=60))), "{reply:?}");
        }
        _ => {}
    }
    let is_to_issuer = ["/webhooks/logto", "/backchannel-logout"].contains(&target);
    if method == "HEAD" || (is_to_issuer && reply.status == 405) {
        return;
    }
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let Value::Object(members) = reply.json() else {
        panic!("no JSON-RPC error: {}", reply.text());
    };
    if is_to_issuer && !members.contains_key("jsonrpc") {
        assert_eq!(members["error"], "invalid_request");
        assert!(members["error_description"].is_string());
        assert_eq!(members.len(), 2);
        return;
    }
    assert_eq!(members["jsonrpc"], "2.0");
    assert!(
        members
            .keys()
            .all(|name| matches!(name.as_str(), "jsonrpc" | "id" | "error"))
    );
    assert!(!members.get("id").is_some_and(Value::is_null), "a null id");
    let error = &members["error"];
    assert!(error["code"].is_i64() && error["message"].is_string());
    // A call's own error may be the answer with these; it has its own data.
    let id = &error["data"]["requestId"];
    let is_calls = matches!(reply.status, 400 | 404) && id.is_null();
    assert!(
        is_calls || id.as_str() == reply.header("x-request-id"),
        "{error}"
    );
}

/// The HTTP layer itself refuses what is no request: without a body, and closes.
fn is_no_request(reply: &Reply) -> bool {
    reply.body.is_empty()
        && matches!(reply.status, 400 | 408 | 414 | 431)
        && reply.header("cache-control").is_none()
}

/// No token, nor a part of one, comes back.
#[track_caller]
pub(crate) fn no_secret(text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "a token came back: {text}");
    }
}

/// A token and those of its parts that are long enough to be secret.
pub(crate) fn secrets_of(token: &str) -> Vec<String> {
    let whole = std::iter::once(token);
    whole
        .chain(token.split('.'))
        .filter(|part| part.len() >= 16)
        .map(str::to_owned)
        .collect()
}
