//! Shows the token to the issuer's userinfo endpoint (OpenID Connect Core §5.3).
//!
//! For opaque tokens of providers without introspection. It proves whose token it is and not for
//! whom, which is why it has to be chosen by name. Logto's answers were recorded: 401 for expired,
//! revoked and resource-bound tokens alike, `400 invalid_client` once the application is deleted.

use serde_json::{Map, Value};

use super::{Reason, claims::Claims, upstream::Trouble};
use crate::fetch::{Answer, Fetcher};

/// Asks, and returns the claims about the user.
pub(super) async fn ask(fetcher: &Fetcher, endpoint: &str, token: &str) -> Result<Claims, Trouble> {
    let answer = fetcher
        .send(fetcher.get(endpoint).bearer_auth(token))
        .await?;
    read(&answer)
}

fn read(answer: &Answer) -> Result<Claims, Trouble> {
    if answer.is_success() {
        return Ok(answer.json()?);
    }
    let says_no = match answer.status.as_u16() {
        // An empty body is fine (RFC 6750 §3.1); a page is somebody in between, not the issuer.
        401 | 403 => !is_a_page(&answer.body),
        400 => names_an_error(&answer.body),
        _ => false,
    };
    if says_no {
        return Err(Reason::RefusedByIssuer.into());
    }
    Err(Trouble::unexpected(answer))
}

fn is_a_page(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"<")
}

fn names_an_error(body: &[u8]) -> bool {
    serde_json::from_slice::<Map<String, Value>>(body)
        .is_ok_and(|members| members.get("error").is_some_and(Value::is_string))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use reqwest::StatusCode;

    use super::*;

    fn trouble(status: u16, body: &'static str) -> Trouble {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: Some(Duration::from_secs(9)),
            headers: reqwest::header::HeaderMap::new(),
            body: body.into(),
        };
        read(&answer).unwrap_err()
    }

    #[test]
    fn what_the_issuer_itself_refuses_is_refused() {
        for (status, body) in [
            (401, ""),
            (401, r#"{"error":"invalid_token"}"#),
            (403, r#"{"error":"insufficient_scope"}"#),
            (400, r#"{"error":"invalid_client"}"#),
            (
                400,
                r#"{"code":"oidc.invalid_request","error":"invalid_request"}"#,
            ),
        ] {
            assert!(
                matches!(trouble(status, body), Trouble::No(Reason::RefusedByIssuer)),
                "{status} {body}"
            );
        }
    }

    // K30
    #[test]
    fn what_does_not_come_from_the_issuer_is_no_verdict() {
        for (status, body) in [
            (200, "<!doctype html>"),
            (200, "[]"),
            (302, ""),
            (400, "<html>"),
            (401, "\n<html>proxy login"),
            (403, "<html>blocked"),
            (404, ""),
            (429, ""),
            (500, r#"{"error":"invalid_token"}"#),
            (502, "<html>"),
        ] {
            assert!(
                matches!(trouble(status, body), Trouble::NoAnswer { .. }),
                "{status} {body}"
            );
        }
    }

    // K30
    #[test]
    fn what_an_overloaded_issuer_says_about_coming_back_is_kept() {
        let Trouble::NoAnswer { stay_away, .. } = trouble(429, "") else {
            panic!("a verdict");
        };

        assert_eq!(stay_away, Some(Duration::from_secs(9)));
    }
}
