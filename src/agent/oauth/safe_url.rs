//! Where the agent sends a credential or a person: TLS, or this machine.
//!
//! Everything a server tells us to visit passes here: metadata URLs, issuers, endpoints, the sign-in
//! page. `https` is taken; `http` only on loopback (OAuth 2.1 §1.5, RFC 8252 §7.3); and a server
//! elsewhere may not point us at this machine, where other doors may be open (MCP security best
//! practices, SSRF). Other schemes never are: `file:` or `javascript:` would reach the browser.

use url::Url;

use crate::{
    agent::{error::AgentError, said::Said},
    units::is_loopback,
};

/// Takes `text`, said by `server`, as the URL of `what`, or says why not.
pub(in crate::agent) fn checked(
    what: &'static str,
    text: &str,
    server: &Url,
) -> Result<Url, AgentError> {
    let refuse = |why| AgentError::UnsafeUrl {
        what,
        url: Said::new(text),
        why,
    };
    let url = Url::parse(text).map_err(|_malformed| refuse("that is no URL"))?;
    if let Some(why) = objection(&url) {
        return Err(refuse(why));
    }
    if is_loopback(&url) && !is_loopback(server) {
        return Err(refuse("a server elsewhere may not send us to this machine"));
    }
    Ok(url)
}

/// Refuses to sign in at, and so to send a token to, a server that anyone on the way can read.
pub(super) fn check_server(server: &Url) -> Result<(), AgentError> {
    match objection(server) {
        None => Ok(()),
        Some(why) => Err(AgentError::UnsafeUrl {
            what: "the MCP server, which wants a token,",
            url: Said::new(server.as_str()),
            why,
        }),
    }
}

fn objection(url: &Url) -> Option<&'static str> {
    match url.scheme() {
        "https" | "http" if !url.username().is_empty() || url.password().is_some() => {
            Some("a user name in a URL can pass for its host")
        }
        "https" => None,
        "http" if is_loopback(url) => None,
        "http" => Some("plain http is safe on this machine only; it has to be https"),
        _ => Some("only https is visited, and http on this machine"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str, server: &str) -> bool {
        checked("the page", text, &Url::parse(server).unwrap()).is_ok()
    }

    #[test]
    fn https_is_visited_and_http_on_this_machine_only() {
        assert!(taken("https://id.example.com/a", "https://mcp.example.com"));
        assert!(taken("http://127.0.0.1:9/a", "http://localhost:3001/mcp"));
        assert!(!taken("http://id.example.com/a", "https://mcp.example.com"));
    }

    #[test]
    fn no_other_scheme_reaches_the_browser() {
        for text in [
            "javascript:alert(1)",
            "file:///etc/passwd",
            "-x",
            "ms-msdt:/a",
            "data:,a",
        ] {
            assert!(!taken(text, "http://127.0.0.1:3001/mcp"), "{text}");
        }
    }

    #[test]
    fn a_server_elsewhere_does_not_point_us_at_this_machine() {
        for text in [
            "http://127.0.0.1:8080/a",
            "https://localhost/a",
            "http://[::1]/a",
        ] {
            assert!(!taken(text, "https://mcp.example.com/mcp"), "{text}");
        }
    }

    #[test]
    fn a_url_with_a_user_name_is_refused() {
        assert!(!taken(
            "https://bank.example@evil.example/",
            "https://mcp.example.com"
        ));
    }
}
