//! The gate: Host and Origin, before anything else is looked at.
//!
//! A browser tells which page a request comes from; a page that is not ours must not reach a local
//! server, not even by making its own name resolve to it (2025-11-25, transports, security). Runs in
//! front of every resource of ours, and of no other. Metadata is for everybody: there, any origin may
//! read (RFC 9728 §3).

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, Version,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web,
};
use url::Url;

use super::{
    Door, Refusal, RefusalKind,
    unread::{self, Holding},
};
use crate::units::{PublicUrl, is_loopback};

/// Who may send requests here.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Host names, without port, that a `Host` header may name beside that of the public URL.
    /// Default none.
    pub allowed_hosts: Vec<String>,
    /// Origins, as in `https://app.example.com`, whose pages may call this server. Default none but
    /// our own.
    pub allowed_origins: Vec<String>,
    /// Whether pages of this machine (`http://localhost:*` and the like) may call it too, as the MCP
    /// Inspector does. Default false; `usher dev` sets it.
    pub allow_loopback_origins: bool,
}

/// The gate's rules, prepared once.
#[derive(Debug)]
pub(super) struct Gate {
    hosts: Vec<String>,
    origins: Vec<String>,
    loopback_origins: bool,
}

/// Names of this machine; each is as good as another where the public URL is one of them.
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

impl Gate {
    pub(super) fn new(config: &Config, public_url: &PublicUrl) -> Self {
        let mut hosts: Vec<String> = config.allowed_hosts.clone();
        let mut origins: Vec<String> = config.allowed_origins.clone();
        let own_host = host_name(public_url.authority()).to_owned();
        if LOOPBACK_HOSTS.contains(&own_host.as_str()) {
            hosts.extend(LOOPBACK_HOSTS.map(str::to_owned));
            let port = &public_url.authority()[own_host.len()..];
            origins.extend(LOOPBACK_HOSTS.map(|host| format!("http://{host}{port}")));
        }
        hosts.push(own_host);
        origins.push(public_url.origin().to_owned());
        Self {
            hosts,
            origins,
            loopback_origins: config.allow_loopback_origins,
        }
    }

    fn admits_host(&self, version: Version, headers: &HeaderMap, authority: Option<&str>) -> bool {
        let named: Vec<&HeaderValue> = headers.get_all(header::HOST).collect();
        let is_ours = |name: &str| {
            self.hosts
                .iter()
                .any(|ours| ours.eq_ignore_ascii_case(host_name(name)))
        };
        match named[..] {
            // One name, and in an absolute-form target the same kind of name.
            [host] => host.to_str().is_ok_and(is_ours) && authority.is_none_or(is_ours),
            // Where `:authority` stands in its place (RFC 9113 §8.3.1).
            [] if version >= Version::HTTP_2 => authority.is_some_and(is_ours),
            _ => false,
        }
    }

    /// Every `Origin` there is: a browser sends one, and of two nobody knows which is meant.
    fn admits_origins(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(header::ORIGIN);
        origins
            .next()
            .is_none_or(|origin| self.admits_origin(origin))
            && origins.next().is_none()
    }

    fn admits_origin(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str() else {
            return false;
        };
        if self.origins.iter().any(|ours| ours == origin) {
            return true;
        }
        // Parsed to look at its host. What is no origin when written out again never was one: a path,
        // a user name, a scheme that has none (`javascript:`).
        self.loopback_origins
            && Url::parse(origin).is_ok_and(|url| {
                let written = url.origin().ascii_serialization();
                is_loopback(&url) && written.eq_ignore_ascii_case(origin)
            })
    }
}

/// `example.com:8080` and `[::1]:8080` without their port, which is digits or nothing (RFC 3986
/// §3.2.3). In `ours:80@theirs` what stands behind the colon is no port, and `ours` no host.
fn host_name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    }
}

/// What stands in front of every resource of `door`.
pub(super) async fn guard(
    door: web::Data<Door>,
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let body = unread::hold(&mut request);
    let response = admit(&door, request, next).await?;
    Ok(response.map_body(|_head, answer| Holding::new(answer, body)))
}

async fn admit(
    door: &Door,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, actix_web::Error> {
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    if !door
        .gate
        .admits_host(request.version(), request.headers(), authority.as_deref())
    {
        let response = Refusal::new(RefusalKind::Host).respond(door, request.request());
        return Ok(request.into_response(response));
    }
    let for_everybody = request.path().starts_with("/.well-known/");
    let origin = request.headers().get(header::ORIGIN).cloned();
    if !for_everybody && !door.gate.admits_origins(request.headers()) {
        let response = Refusal::new(RefusalKind::Origin).respond(door, request.request());
        return Ok(request.into_response(response));
    }
    let readers = if for_everybody {
        Some(HeaderValue::from_static("*"))
    } else {
        origin
    };
    if let Some(readers) = &readers
        && is_preflight(request.request())
    {
        let response = preflight(request.request(), readers.clone());
        return Ok(request.into_response(response));
    }
    let mut response = next.call(request).await?;
    if let Some(readers) = readers {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, readers);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate, Retry-After, X-Request-Id"),
        );
    }
    Ok(response)
}

fn is_preflight(request: &HttpRequest) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(request: &HttpRequest, readers: HeaderValue) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    response
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, readers))
        // PUT is how a client changes its registration (RFC 7592 §2.2).
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, PUT, DELETE",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "600"))
        .insert_header((header::VARY, "Origin"));
    // The origin is one of ours, or the document is public: any header may be sent.
    if let Some(wanted) = request
        .headers()
        .get(header::ACCESS_CONTROL_REQUEST_HEADERS)
    {
        response.insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()));
    }
    response.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(public_url: &str) -> Gate {
        Gate::new(&Config::default(), &public_url.parse().unwrap())
    }

    fn admits(gate: &Gate, host: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static(host));
        gate.admits_host(Version::HTTP_11, &headers, None)
    }

    #[test]
    fn a_local_server_answers_to_names_of_this_machine_only() {
        let gate = gate("http://127.0.0.1:3001");

        assert!(admits(&gate, "localhost:3001") && admits(&gate, "[::1]:3001"));
        assert!(!admits(&gate, "evil.example:3001"));
        assert!(!admits(&gate, "127.0.0.1.evil.example"));
    }

    #[test]
    fn a_public_server_answers_to_its_own_name_only() {
        let gate = gate("https://mcp.example.com");

        assert!(admits(&gate, "mcp.example.com") && admits(&gate, "MCP.example.com:443"));
        assert!(!admits(&gate, "localhost") && !admits(&gate, "10.0.0.7:8080"));
    }

    #[test]
    fn what_follows_a_host_is_a_port_or_the_host_is_not_ours() {
        let gate = gate("http://127.0.0.1:3001");

        for host in [
            "localhost:80@evil.example",
            "localhost:evil",
            "127.0.0.1:3001/../..",
            "user@localhost",
            "[::1",
            "::1",
            "",
        ] {
            assert!(!admits(&gate, host), "{host}");
        }
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        let absolute = Some("localhost:x@evil.example");
        assert!(!gate.admits_host(Version::HTTP_11, &headers, absolute));
    }

    #[test]
    fn two_host_headers_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("127.0.0.1"));
        headers.append(header::HOST, HeaderValue::from_static("evil.example"));

        let gate = gate("http://127.0.0.1:3001");
        assert!(!gate.admits_host(Version::HTTP_11, &headers, None));
    }

    // A host app may speak HTTP/2.
    #[test]
    fn from_http_2_on_the_authority_is_the_host() {
        let (gate, none) = (gate("https://mcp.example.com"), HeaderMap::new());
        let admits = |version, authority| gate.admits_host(version, &none, authority);

        assert!(admits(Version::HTTP_2, Some("mcp.example.com")));
        assert!(!admits(Version::HTTP_2, Some("evil.example")));
        assert!(!admits(Version::HTTP_2, None));
        assert!(!admits(Version::HTTP_11, Some("mcp.example.com")));
    }

    #[test]
    fn an_origin_is_compared_whole() {
        let gate = gate("http://127.0.0.1:3001");
        let admits = |origin| gate.admits_origin(&HeaderValue::from_static(origin));

        assert!(admits("http://127.0.0.1:3001") && admits("http://localhost:3001"));
        for origin in [
            "https://evil.example",
            "null",
            "http://127.0.0.1:3001.evil.example",
            "",
        ] {
            assert!(!admits(origin), "{origin}");
        }
    }

    #[test]
    fn a_page_of_this_machine_is_an_origin_and_nothing_more() {
        let config = Config {
            allow_loopback_origins: true,
            ..Config::default()
        };
        let gate = Gate::new(&config, &"http://127.0.0.1:3001".parse().unwrap());
        let admits = |origin| gate.admits_origin(&HeaderValue::from_static(origin));

        for origin in [
            "http://localhost:6274",
            "http://[::1]:1",
            "https://127.0.0.1",
        ] {
            assert!(admits(origin), "{origin}");
        }
        for origin in [
            "javascript://localhost/%0aalert(1)",
            "chrome-extension://localhost",
            "http://evil.example@127.0.0.1",
            "http://localhost/path",
            "http://localhost.evil.example",
            "null",
        ] {
            assert!(!admits(origin), "{origin}");
        }
    }

    #[test]
    fn two_origins_are_none() {
        let gate = gate("http://127.0.0.1:3001");
        let mut headers = HeaderMap::new();
        assert!(gate.admits_origins(&headers));

        headers.append(
            header::ORIGIN,
            HeaderValue::from_static("http://127.0.0.1:3001"),
        );
        assert!(gate.admits_origins(&headers));
        headers.append(
            header::ORIGIN,
            HeaderValue::from_static("https://evil.example"),
        );

        assert!(!gate.admits_origins(&headers));
    }
}
