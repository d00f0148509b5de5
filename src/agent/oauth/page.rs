//! The page a browser shows when a sign-in is over: well, denied, or failed.
//!
//! `callback` sends it. It has no script, loads nothing, is readable on a phone, and follows the
//! browser's light or dark setting. Text from the other side is escaped by maud.

use std::fmt::Write;

use aws_lc_rs::digest;
use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, PreEscaped, html};

use crate::agent::error::AgentError;

const STYLE: &str = "\
:root{color-scheme:light dark;font:1.125rem/1.5 system-ui,sans-serif}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:Canvas;color:CanvasText}\
main{max-width:32rem;padding:2rem 1.25rem}\
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}\
p{margin:0 0 .75rem;overflow-wrap:anywhere}";

/// A whole HTTP answer, which closes its connection.
pub(super) fn answer(status: &str, title: &str, text: &str, detail: Option<&str>) -> Vec<u8> {
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    h1 { (title) }
                    p { (text) }
                    @if let Some(detail) = detail { p { small { (detail) } } }
                }
            }
        }
    }
    .into_string();
    let digest = digest::digest(&digest::SHA256, STYLE.as_bytes());
    let mut answer = String::new();
    // Writing to a String can't fail.
    let _ = write!(
        answer,
        "HTTP/1.1 {status}\r\n\
         Content-Type: text/html; charset=utf-8\r\n\
         Content-Length: {}\r\n\
         Connection: close\r\n\
         Cache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'\r\n\
         \r\n{body}",
        body.len(),
        BASE64_STANDARD.encode(digest),
    );
    answer.into_bytes()
}

/// What the user reads at the end of a sign-in.
pub(super) fn ending<T>(outcome: &Result<T, AgentError>) -> Vec<u8> {
    const CLOSE: &str = "You can close this window.";
    match outcome {
        Ok(_) => answer("200 OK", "You are signed in", CLOSE, None),
        Err(AgentError::Denied | AgentError::Cancelled) => answer(
            "200 OK",
            "Access was not granted",
            "The agent got nothing. You can close this window.",
            None,
        ),
        Err(error) => answer(
            "400 Bad Request",
            "The sign-in did not work",
            "The agent got nothing. You can close this window and try again.",
            Some(&error.to_string()),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::{error::OAuthRefusal, said::Said};

    #[test]
    fn what_the_other_side_says_is_escaped() {
        let outcome: Result<(), _> = Err(AgentError::SignInRefused(OAuthRefusal {
            error: Said::new("<script>alert(1)</script>"),
            description: None,
        }));

        let page = String::from_utf8(ending(&outcome)).unwrap();

        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("&lt;script&gt;"), "{page}");
    }

    #[test]
    fn the_page_says_that_the_window_can_be_closed() {
        for outcome in [
            Ok(()),
            Err(AgentError::Denied),
            Err(AgentError::StateMismatch),
        ] {
            let page = String::from_utf8(ending(&outcome)).unwrap();

            assert!(page.contains("You can close this window"), "{page}");
        }
    }
}
