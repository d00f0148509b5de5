//! Who may act as an operator: whoever holds the admin token, or is on this machine where there is none.
//!
//! A browser on the operator's machine reaches a loopback listener too, on behalf of any page; so a
//! request with an `Origin`, or with a `Host` that is no name of this machine (DNS rebinding), is
//! none of an operator's.

use std::net::{IpAddr, SocketAddr};

use actix_web::{HttpRequest, http::header};
use subtle::ConstantTimeEq;

use super::refusal::Refusal;
use crate::secret::Secret;

/// Who may come in.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever shows this token.
    Token(Secret),
    /// Whoever is on this machine: only for a listener on a loopback address.
    ThisMachine,
    /// Nobody.
    Nobody,
}

impl Access {
    /// The rule for a listener: its token where there is one, this machine where only that reaches it.
    #[must_use]
    pub fn of(listener: SocketAddr, token: Option<Secret>) -> Self {
        match token {
            Some(token) => Self::Token(token),
            None if listener.ip().is_loopback() => Self::ThisMachine,
            None => Self::Nobody,
        }
    }

    /// Lets an operator pass.
    ///
    /// # Errors
    /// Why everybody else does not.
    pub(super) fn check(&self, request: &HttpRequest) -> Result<(), Refusal> {
        if request.headers().contains_key(header::ORIGIN) {
            return Err(Refusal::Page);
        }
        match self {
            Self::Token(token) if shows(request, token) => Ok(()),
            Self::ThisMachine if names_this_machine(request) => Ok(()),
            Self::Token(_) => Err(Refusal::Token),
            Self::ThisMachine => Err(Refusal::OtherHost),
            Self::Nobody => Err(Refusal::Closed),
        }
    }
}

fn shows(request: &HttpRequest, token: &Secret) -> bool {
    let mut shown = request.headers().get_all(header::AUTHORIZATION);
    let (Some(first), None) = (shown.next(), shown.next()) else {
        return false;
    };
    let bearer = first.to_str().ok().and_then(|value| value.split_once(' '));
    bearer.is_some_and(|(scheme, shown)| {
        scheme.eq_ignore_ascii_case("Bearer")
            && bool::from(shown.as_bytes().ct_eq(token.expose().as_bytes()))
    })
}

fn names_this_machine(request: &HttpRequest) -> bool {
    let mut hosts = request.headers().get_all(header::HOST);
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let Ok(host) = host.to_str() else {
        return false;
    };
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn passes(access: &Access, headers: &[(&str, &str)]) -> bool {
        let mut request = TestRequest::get();
        for header in headers {
            request = request.append_header(*header);
        }
        access.check(&request.to_http_request()).is_ok()
    }

    fn on(address: &str, token: Option<&str>) -> Access {
        Access::of(address.parse().unwrap(), token.map(Secret::new))
    }

    #[test]
    fn this_machine_is_let_in_by_its_own_names_only() {
        let access = on("127.0.0.1:9090", None);

        for host in [
            "127.0.0.1:9090",
            "localhost:9090",
            "LOCALHOST",
            "[::1]:9090",
            "127.0.0.1",
            "[::1]",
        ] {
            assert!(passes(&access, &[("host", host)]), "{host}");
        }
        for host in [
            "evil.example:9090",
            "127.0.0.1.nip.io",
            "localhost.evil.example",
            "",
            "10.0.0.1:9090",
        ] {
            assert!(!passes(&access, &[("host", host)]), "{host}");
        }
        assert!(!passes(&access, &[]));
        let page = [
            ("host", "127.0.0.1:9090"),
            ("origin", "http://127.0.0.1:9090"),
        ];
        assert!(!passes(&access, &page));
    }

    #[test]
    fn a_token_is_needed_whole_and_once() {
        for address in ["0.0.0.0:9090", "127.0.0.1:9090"] {
            let access = on(address, Some("s3cret"));

            assert!(passes(&access, &[("authorization", "Bearer s3cret")]));
            assert!(passes(&access, &[("authorization", "bearer s3cret")]));
            for header in [
                "Bearer s3cre",
                "Bearer s3cret ",
                "Basic s3cret",
                "s3cret",
                "Bearer ",
            ] {
                assert!(!passes(&access, &[("authorization", header)]), "{header}");
            }
            let twice = [
                ("authorization", "Bearer s3cret"),
                ("authorization", "Bearer s3cret"),
            ];
            assert!(!passes(&access, &twice));
            assert!(!passes(&access, &[("host", "127.0.0.1:9090")]));
        }
    }

    #[test]
    fn a_listener_that_others_reach_lets_nobody_in_without_a_token() {
        assert!(!passes(
            &on("0.0.0.0:9090", None),
            &[("host", "127.0.0.1:9090")]
        ));
    }
}
