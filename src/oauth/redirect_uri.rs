//! Where an agent may have the user's browser sent: which URIs it may register, which it may use.
//!
//! Pure rules without state, shared by whoever registers clients. A URI is kept and compared as it
//! was written (RFC 9700 §2.1), but for the port of a native client on this machine, which the
//! operating system picks anew for every sign-in (RFC 8252 §7.3).

use url::Url;

use crate::units::is_loopback;

/// Longest redirect URI that is taken, in bytes.
pub(crate) const REDIRECT_URI_BYTES_MAX: usize = 2_048;

/// Schemes without a dot that are taken although RFC 8252 §7.1 wants a reversed domain name: those
/// of agents that people really use.
const KNOWN_AGENT_SCHEMES: [&str; 7] = [
    "cursor",
    "vscode",
    "vscode-insiders",
    "vscodium",
    "windsurf",
    "zed",
    "claude",
];

/// What a client says it is (OpenID Connect Dynamic Client Registration §2, `application_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApplicationType {
    /// On the user's device: loopback with any port, or a scheme of its own.
    Native,
    /// On a server: https, or loopback with a fixed port.
    Web,
}

impl ApplicationType {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Web => "web",
        }
    }
}

/// Why a redirect URI is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedirectUriError {
    #[error("a redirect URI has at most {REDIRECT_URI_BYTES_MAX} bytes")]
    TooLong,
    #[error("a redirect URI is an absolute URI in printable ASCII without spaces or backslashes")]
    Unreadable,
    #[error("a redirect URI has no fragment")]
    Fragment,
    #[error("a redirect URI has no user name or password")]
    UserName,
    #[error("a redirect URI has no wildcard")]
    Wildcard,
    #[error("http is for 127.0.0.1, [::1] and localhost only; use https")]
    PlainHttp,
    #[error(
        "this scheme is not allowed; use https, http on 127.0.0.1, or a reversed domain name such as com.example.app:/callback"
    )]
    Scheme,
    #[error("a web client has https redirect URIs, or http on this machine")]
    NotForWeb,
}

/// A redirect URI that may be registered, as its client wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedirectUri {
    text: String,
    any_port: bool,
}

impl RedirectUri {
    /// Checks a URI for registration.
    pub(crate) fn check(
        text: &str,
        application: ApplicationType,
    ) -> Result<Self, RedirectUriError> {
        let url = read(text)?;
        let loopback_http = url.scheme() == "http" && is_loopback(&url);
        match url.scheme() {
            "https" => {}
            "http" if loopback_http => {}
            "http" => return Err(RedirectUriError::PlainHttp),
            _ if application == ApplicationType::Web => return Err(RedirectUriError::NotForWeb),
            scheme if is_app_scheme(scheme) => {}
            _ => return Err(RedirectUriError::Scheme),
        }
        Ok(Self {
            text: text.to_owned(),
            any_port: loopback_http && application == ApplicationType::Native,
        })
    }

    /// As it was registered.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether its port is picked anew for every sign-in.
    #[cfg(feature = "dev-idp")]
    pub(crate) const fn has_any_port(&self) -> bool {
        self.any_port
    }

    /// Whether an authorization request may name `requested`.
    pub(crate) fn matches(&self, requested: &str) -> bool {
        if self.text == requested {
            return true;
        }
        self.any_port
            && match (without_port(&self.text), without_port(requested)) {
                (Some(registered), Some(requested)) => registered == requested,
                _ => false,
            }
    }
}

/// Whether a redirect URI suggests a client on the user's device, for clients that don't say.
pub(crate) fn looks_native(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| is_loopback(&url) || !matches!(url.scheme(), "http" | "https"))
}

/// Where a redirect leads, as people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Destination {
    /// Host and port, or the scheme.
    pub(crate) name: String,
    /// What that is, where the name does not say.
    pub(crate) remark: Option<&'static str>,
}

#[cfg(feature = "dev-idp")]
impl Destination {
    /// Whether it leads to a program on the user's own device, and so to whichever waits there.
    pub(crate) const fn is_on_this_device(&self) -> bool {
        self.remark.is_some()
    }
}

/// Tells where a redirect leads: to a host, or to the app that owns the scheme.
pub(crate) fn destination(redirect_uri: &str) -> Destination {
    let Ok(url) = Url::parse(redirect_uri) else {
        return Destination {
            name: redirect_uri.to_owned(),
            remark: None,
        };
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Destination {
            name: format!("{}:", url.scheme()),
            remark: Some("an app on this device"),
        };
    }
    let host = url.host_str().unwrap_or_default();
    Destination {
        name: url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        remark: is_loopback(&url).then_some("this computer"),
    }
}

/// The `form-action` source that covers a redirect URI: its origin, or its scheme.
#[cfg(feature = "dev-idp")]
pub(crate) fn form_target(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    if matches!(url.scheme(), "http" | "https") {
        return Some(url.origin().ascii_serialization());
    }
    Some(format!("{}:", url.scheme()))
}

fn read(text: &str) -> Result<Url, RedirectUriError> {
    if text.len() > REDIRECT_URI_BYTES_MAX {
        return Err(RedirectUriError::TooLong);
    }
    // Asked of the raw text: the parser would drop tabs and line breaks and trim the rest, and then
    // `java\nscript:` is one thing here and another in the browser.
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return Err(RedirectUriError::Unreadable);
    }
    let Ok(url) = Url::parse(text) else {
        return Err(RedirectUriError::Unreadable);
    };
    if text.contains('*') {
        return Err(RedirectUriError::Wildcard);
    }
    if text.contains('#') {
        return Err(RedirectUriError::Fragment);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(RedirectUriError::UserName);
    }
    Ok(url)
}

/// A reversed domain name belongs to somebody; any other scheme may be the system's
/// (`intent:`, `ms-settings:`) or the browser's (`javascript:`, `data:`).
fn is_app_scheme(scheme: &str) -> bool {
    let reversed_domain =
        scheme.contains('.') && !scheme.starts_with('.') && !scheme.ends_with('.');
    reversed_domain || KNOWN_AGENT_SCHEMES.contains(&scheme)
}

/// Cuts the port out of an http URI on this machine; `None` for every other URI.
fn without_port(text: &str) -> Option<(&str, &str)> {
    if !is_loopback(&read(text).ok()?) {
        return None;
    }
    let rest = text.strip_prefix("http://")?;
    let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_at);
    // The colons of [::1] are not a port's.
    let host_end = authority.find(']').map_or(0, |bracket| bracket + 1);
    let host = authority[host_end..]
        .find(':')
        .map_or(authority, |colon| &authority[..host_end + colon]);
    Some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn native(text: &str) -> Result<RedirectUri, RedirectUriError> {
        RedirectUri::check(text, ApplicationType::Native)
    }

    /// R02
    #[test]
    fn schemes_that_run_or_read_something_are_refused() {
        for text in [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            " data:text/html,x",
            "data:text/html,x",
            "vbscript:x",
            "file:///etc/passwd",
            "blob:https://a/b",
            "about:blank",
        ] {
            assert!(native(text).is_err(), "{text:?} was taken");
        }
    }

    /// R04
    #[test]
    fn plain_http_is_for_this_machine_only() {
        for text in [
            "http://app.example/cb",
            "http://localhost.evil.com/cb",
            "http://127.0.0.1.nip.io/cb",
            "http://0.0.0.0/cb",
        ] {
            assert_eq!(native(text), Err(RedirectUriError::PlainHttp), "{text}");
        }
        for text in [
            "http://localhost:1/",
            "http://[::1]/",
            "http://127.0.0.1/cb",
            "https://a/cb",
        ] {
            assert!(native(text).is_ok(), "{text} was refused");
        }
    }

    /// R05
    #[test]
    fn an_apps_own_scheme_is_a_reversed_domain_name_or_a_known_agents() {
        for text in [
            "com.example.app:/cb",
            "cursor://anysphere.cursor-retrieval/cb",
            "vscode://a/b",
        ] {
            assert!(native(text).is_ok(), "{text} was refused");
        }
        for text in ["intent://x", "ms-settings:x", "x:y", "tel:1", ".a:x"] {
            assert!(native(text).is_err(), "{text} was taken");
        }
        assert_eq!(
            RedirectUri::check("com.example.app:/cb", ApplicationType::Web),
            Err(RedirectUriError::NotForWeb)
        );
    }

    /// R06
    #[test]
    fn a_wildcard_is_refused() {
        assert_eq!(
            native("https://*.example.com/cb"),
            Err(RedirectUriError::Wildcard)
        );
    }

    /// R07
    #[test]
    fn five_kibibytes_are_too_long() {
        let text = format!("https://a/{}", "x".repeat(5 * 1024));

        assert_eq!(native(&text), Err(RedirectUriError::TooLong));
    }

    #[test]
    fn a_fragment_and_a_user_name_are_refused() {
        assert_eq!(native("https://a/cb#x"), Err(RedirectUriError::Fragment));
        assert_eq!(
            native("https://good@evil/"),
            Err(RedirectUriError::UserName)
        );
        assert_eq!(native("/cb"), Err(RedirectUriError::Unreadable));
    }

    /// R29
    #[test]
    fn a_native_client_on_this_machine_may_take_any_port_but_no_other_path() {
        let registered = native("http://127.0.0.1/cb").unwrap();

        assert!(registered.matches("http://127.0.0.1:53211/cb"));
        for other in [
            "http://127.0.0.1:53211/other",
            "http://127.0.0.1:53211/cb?x=1",
            "http://localhost:53211/cb",
            "http://127.0.0.1:53211@evil.example/cb",
            "https://127.0.0.1:53211/cb",
        ] {
            assert!(!registered.matches(other), "{other} was taken");
        }
        assert!(
            native("http://[::1]:1/cb")
                .unwrap()
                .matches("http://[::1]:2/cb")
        );
    }

    #[test]
    fn a_web_clients_port_is_fixed() {
        let registered =
            RedirectUri::check("http://127.0.0.1:5000/cb", ApplicationType::Web).unwrap();

        assert!(!registered.matches("http://127.0.0.1:5001/cb"));
    }

    #[test]
    fn any_other_difference_is_a_difference() {
        let registered = native("https://a.example/cb").unwrap();

        for other in [
            "https://a.example/cb/",
            "https://A.example/cb",
            "https://a.example:443/cb",
        ] {
            assert!(!registered.matches(other), "{other} was taken");
        }
    }

    #[test]
    fn people_are_told_the_host() {
        for (uri, name, remark) in [
            ("https://agent.example/cb?x", "agent.example", None),
            (
                "http://127.0.0.1:5000/cb",
                "127.0.0.1:5000",
                Some("this computer"),
            ),
            ("cursor://a/b", "cursor:", Some("an app on this device")),
        ] {
            let told = destination(uri);

            assert_eq!((told.name.as_str(), told.remark), (name, remark));
        }
    }

    #[cfg(feature = "dev-idp")]
    #[test]
    fn a_form_may_lead_to_the_redirects_origin_or_scheme() {
        assert_eq!(
            form_target("http://127.0.0.1:5000/cb").unwrap(),
            "http://127.0.0.1:5000"
        );
        assert_eq!(form_target("cursor://a/b").unwrap(), "cursor:");
    }
}
