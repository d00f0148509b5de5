//! A deployment with one fault each, as seen in the field, and the finding that names it.

use std::{future::Future, sync::Arc};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::Method, web};
use serde_json::{Value, json};

use super::*;

type Authorize = fn(&HttpRequest) -> HttpResponse;

/// A deployment that is in order, until a test spoils it.
struct Deployment {
    status: u16,
    challenge: String,
    /// What the endpoint makes of the request, where that is not the status above.
    endpoint: fn(&HttpRequest) -> Option<HttpResponse>,
    resource: Value,
    server: Value,
    keys: Value,
    /// Query of the redirect that the authorization endpoint answers with.
    authorize: Authorize,
    /// Paths at which there is nothing.
    missing: &'static [&'static str],
}

const JWK: &str = r#"{"kty":"EC","use":"sig","kid":"a","alg":"ES256","crv":"P-256",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;

fn usual(request: &HttpRequest) -> Option<HttpResponse> {
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if header("origin").is_some() {
        return Some(HttpResponse::Forbidden().finish());
    }
    let token = header("authorization")?;
    if token.contains(".good") || token.contains("opaque-good") {
        let session = ("mcp-session-id", "s1");
        return Some(HttpResponse::Ok().insert_header(session).json(json!({})));
    }
    let challenge = "Bearer error=\"invalid_token\", error_description=\"expired\"";
    let refused = HttpResponse::Unauthorized()
        .insert_header(("www-authenticate", challenge))
        .finish();
    Some(refused)
}

fn sign_in_page(request: &HttpRequest) -> HttpResponse {
    if !request.query_string().contains("code_challenge") {
        return to_client("error=invalid_request");
    }
    HttpResponse::SeeOther()
        .insert_header(("location", "/sign-in?app_id=a"))
        .finish()
}

fn refused(error: &str) -> HttpResponse {
    HttpResponse::BadRequest().json(json!({ "error": error }))
}

/// As a bridge: on to who stands behind it.
fn to_behind(_: &HttpRequest) -> HttpResponse {
    let location = "/behind?client_id=a&redirect_uri=https://mcp.example/callback";
    HttpResponse::SeeOther()
        .insert_header(("location", location))
        .finish()
}

fn to_client(query: &str) -> HttpResponse {
    let location = format!("https://agent.example/cb?{query}&state=usher-check");
    HttpResponse::SeeOther()
        .insert_header(("location", location))
        .finish()
}

impl Deployment {
    /// In order; `BASE` stands for its own origin.
    fn new() -> Self {
        Self {
            status: 401,
            challenge:
                "Bearer resource_metadata=\"BASE/.well-known/oauth-protected-resource/mcp\", \
                        scope=\"mcp:tools\""
                    .to_owned(),
            endpoint: usual,
            resource: json!({
                "resource": "BASE/mcp", "authorization_servers": ["BASE/oidc"],
                "scopes_supported": ["mcp:tools"], "bearer_methods_supported": ["header"],
            }),
            server: json!({
                "issuer": "BASE/oidc", "jwks_uri": "BASE/jwks",
                "authorization_endpoint": "BASE/auth", "token_endpoint": "BASE/token",
                "registration_endpoint": "BASE/register",
                "scopes_supported": ["openid", "offline_access", "mcp:tools"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true,
            }),
            keys: json!({ "keys": [serde_json::from_str::<Value>(JWK).unwrap()] }),
            authorize: sign_in_page,
            missing: &[],
        }
    }

    fn answer(&self, request: &HttpRequest, base: &str) -> HttpResponse {
        let path = request.path();
        let json = |document: &Value| {
            HttpResponse::Ok()
                .insert_header(("access-control-allow-origin", "*"))
                .content_type("application/json")
                .body(document.to_string().replace("BASE", base))
        };
        match path {
            _ if self.missing.contains(&path) => HttpResponse::NotFound().finish(),
            "/mcp" if request.method() == Method::DELETE => HttpResponse::NoContent().finish(),
            "/mcp" => (self.endpoint)(request).unwrap_or_else(|| {
                HttpResponse::build(self.status.try_into().unwrap())
                    .insert_header(("www-authenticate", self.challenge.replace("BASE", base)))
                    .finish()
            }),
            "/.well-known/oauth-protected-resource/mcp" => json(&self.resource),
            "/.well-known/oauth-authorization-server"
            | "/.well-known/oauth-authorization-server/oidc"
            | "/oidc/.well-known/openid-configuration" => json(&self.server),
            "/jwks" => json(&self.keys),
            "/auth" => (self.authorize)(request),
            "/token" => refused("invalid_grant"),
            "/register" => refused("invalid_client_metadata"),
            "/behind" => refused("invalid_redirect_uri"),
            _ => HttpResponse::NotFound().finish(),
        }
    }

    /// Walks it; `change` sees the origin.
    async fn walked(self, change: impl FnOnce(&mut Config, &str)) -> Vec<Finding> {
        let deployment = Arc::new(self);
        let server = HttpServer::new(move || {
            let deployment = Arc::clone(&deployment);
            let answer = move |request: HttpRequest| {
                // Not `connection_info`, which follows X-Forwarded-Host.
                let host = request.headers().get("host").unwrap();
                let base = format!("http://{}", host.to_str().unwrap());
                let answer = deployment.answer(&request, &base);
                async move { answer }
            };
            App::new().default_service(web::to(answer))
        });
        let server = server
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let mut config = Config::new(format!("{base}/mcp").parse().unwrap());
        change(&mut config, &base);
        let mut told = 0;
        let findings = check(config, |_| told += 1).await.unwrap();
        handle.stop(false).await;
        assert_eq!(told, findings.len());
        findings
    }

    async fn with_client(self) -> Vec<Finding> {
        let client = Client {
            id: "agent".to_owned(),
            redirect_uri: "https://agent.example/cb".to_owned(),
        };
        self.walked(|config, _| config.client = Some(client)).await
    }
}

/// The finding of `check` that is worst.
#[track_caller]
fn of<'f>(findings: &'f [Finding], check: &str) -> &'f Finding {
    let of_check = findings.iter().filter(|one| one.check == check);
    of_check
        .max_by_key(|one| one.verdict)
        .unwrap_or_else(|| panic!("no {check} in {findings:#?}"))
}

/// Walks a spoilt deployment and expects one finding of the verdict, and its mend to hold the words.
async fn expect(spoil: impl FnOnce(&mut Deployment), check: &str, verdict: Verdict, words: &str) {
    let mut deployment = Deployment::new();
    spoil(&mut deployment);
    let findings = deployment.walked(|_, _| ()).await;
    let finding = of(&findings, check);
    assert_eq!(finding.verdict, verdict, "{findings:#?}");
    let mend = finding.mend.as_deref().unwrap();
    assert!(mend.contains(words), "{mend}");
}

fn system(walk: impl Future<Output = ()>) {
    actix_web::rt::System::new().block_on(walk);
}

#[test]
fn a_deployment_in_order_has_nothing_to_mend() {
    system(async {
        let findings = Deployment::new().with_client().await;

        let worst = findings.iter().map(|one| one.verdict).max();
        assert_eq!(worst, Some(Verdict::Skipped), "{findings:#?}");
        assert_eq!(of(&findings, "token").verdict, Verdict::Skipped);
    });
}

#[test]
fn what_a_stranger_meets_is_judged() {
    use Verdict::{Problem, Warning};
    system(async {
        expect(
            |one| one.status = 200,
            "refused",
            Problem,
            "open to everybody",
        )
        .await;
        expect(|one| one.status = 404, "refused", Problem, "whole path").await;
        expect(|one| one.status = 307, "refused", Problem, "redirect").await;
        expect(|one| one.status = 503, "refused", Problem, "log").await;
        expect(
            |one| one.challenge = "Basic realm=x".into(),
            "challenge",
            Problem,
            "RFC 9728",
        )
        .await;
        expect(
            |one| one.challenge = "Bearer".into(),
            "challenge",
            Warning,
            "resource_metadata",
        )
        .await;
        let named = "Bearer resource_metadata=\"BASE/.well-known/oauth-protected-resource/mcp\", \
                     error=\"invalid_token\"";
        expect(
            |one| one.challenge = named.into(),
            "challenge",
            Warning,
            "RFC 6750",
        )
        .await;
        expect(|one| one.endpoint = |_| None, "origin", Warning, "403").await;
        expect(
            |one| one.endpoint = |_| None,
            "wrong token",
            Warning,
            "RFC 6750",
        )
        .await;
        let takes_all: fn(&HttpRequest) -> Option<HttpResponse> = |request| {
            let has_token = request.headers().contains_key("authorization");
            has_token.then(|| HttpResponse::Ok().finish())
        };
        expect(
            |one| one.endpoint = takes_all,
            "wrong token",
            Problem,
            "does not look",
        )
        .await;
        let follows: fn(&HttpRequest) -> Option<HttpResponse> = |request| {
            let host = request.headers().get("x-forwarded-host")?.to_str().ok()?;
            let challenge = format!("Bearer resource_metadata=\"https://{host}/\"");
            let refused = ("www-authenticate", challenge);
            Some(HttpResponse::Unauthorized().insert_header(refused).finish())
        };
        expect(
            |one| one.endpoint = follows,
            "forwarded",
            Problem,
            "configuration",
        )
        .await;
    });
}

#[test]
fn the_documents_are_judged() {
    use Verdict::{Problem, Warning};
    system(async {
        expect(
            |one| one.missing = &["/.well-known/oauth-protected-resource/mcp"],
            "metadata",
            Problem,
            "RFC 9728",
        )
        .await;
        expect(
            |one| one.resource["resource"] = json!("BASE/mcp/"),
            "resource",
            Problem,
            "Logto",
        )
        .await;
        expect(
            |one| one.resource["resource"] = json!("BASE"),
            "resource",
            Warning,
            "each",
        )
        .await;
        expect(
            |one| one.resource["resource"] = json!("https://x/mcp"),
            "resource",
            Problem,
            "URL",
        )
        .await;
        expect(
            |one| one.resource["authorization_servers"] = json!([]),
            "authorization server",
            Problem,
            "authorization_servers",
        )
        .await;
        expect(
            |one| one.resource["scopes_supported"] = json!(["offline_access"]),
            "scopes",
            Warning,
            "leave it out",
        )
        .await;
        expect(
            |one| one.server["issuer"] = json!("BASE/oidc/"),
            "issuer",
            Problem,
            "slash",
        )
        .await;
        expect(
            |one| one.server["issuer"] = json!("https://x"),
            "issuer",
            Problem,
            "provider",
        )
        .await;
        expect(
            |one| one.missing = &["/.well-known/oauth-authorization-server/oidc"],
            "discovery",
            Warning,
            "proxy",
        )
        .await;
    });
}

#[test]
fn what_the_authorization_server_offers_is_judged() {
    use Verdict::{Problem, Warning};
    system(async {
        expect(
            |one| one.server["code_challenge_methods_supported"] = json!(["plain"]),
            "pkce",
            Problem,
            "S256",
        )
        .await;
        expect(
            |one| one.server["registration_endpoint"] = Value::Null,
            "registration",
            Warning,
            "dynamic apps",
        )
        .await;
        let logto = json!(["openid", "offline_access", "urn:logto:scope:organizations"]);
        expect(
            |one| {
                one.server["scopes_supported"] = logto;
                one.challenge = one.challenge.replace("mcp:tools", "mcp:tools email");
            },
            "user scopes",
            Warning,
            "invalid_scope",
        )
        .await;
        let logto = json!(["openid", "offline_access", "urn:logto:scope:organizations"]);
        expect(
            |one| one.server["scopes_supported"] = logto,
            "refresh",
            Warning,
            "bridge",
        )
        .await;
        expect(
            |one| one.server["scopes_supported"] = json!(["openid", "offline_access"]),
            "offered scopes",
            Warning,
            "RFC 8414",
        )
        .await;
        expect(
            |one| one.keys = json!({ "keys": [] }),
            "keys",
            Problem,
            "publish",
        )
        .await;
        expect(
            |one| one.keys["keys"][0]["d"] = json!("x"),
            "keys",
            Problem,
            "take it down",
        )
        .await;
    });
}

#[test]
fn endpoints_that_a_proxy_does_not_pass_on_are_named() {
    use Verdict::{Problem, Warning};
    system(async {
        expect(
            |one| one.missing = &["/auth"],
            "authorize endpoint",
            Problem,
            "proxy",
        )
        .await;
        expect(
            |one| one.missing = &["/token"],
            "token endpoint",
            Problem,
            "proxy",
        )
        .await;
        expect(
            |one| one.missing = &["/register"],
            "register endpoint",
            Problem,
            "proxy",
        )
        .await;
        // A page for everything is no token endpoint, and a registration that takes anything none either.
        let page = json!("BASE/auth?code_challenge=x");
        expect(
            |one| one.server["token_endpoint"] = page,
            "token endpoint",
            Problem,
            "proxy",
        )
        .await;
        let keys = json!("BASE/jwks");
        expect(
            |one| one.server["registration_endpoint"] = keys,
            "register endpoint",
            Problem,
            "proxy",
        )
        .await;
        expect(
            |one| one.missing = &["/.well-known/oauth-authorization-server"],
            "older clients",
            Warning,
            "mirror",
        )
        .await;
    });
}

#[test]
fn a_server_that_signs_in_through_somebody_else_is_not_blamed_for_keys_and_issuer() {
    system(async {
        let mut bridge = Deployment::new();
        bridge.resource["authorization_servers"] = json!(["BASE"]);
        bridge.server["issuer"] = json!("BASE");
        bridge.server["jwks_uri"] = Value::Null;
        let findings = bridge
            .walked(|config, base| {
                config.token = Some(token(&json!({
                    "iss": "https://acme.logto.app/oidc", "aud": format!("{base}/mcp"),
                    "exp": 4_000_000_000_u64, "scope": "mcp:tools",
                })));
            })
            .await;

        assert_eq!(of(&findings, "keys").verdict, Verdict::Skipped);
        assert_eq!(of(&findings, "token issuer").verdict, Verdict::Right);
    });
}

#[test]
fn the_way_to_the_sign_in_page_is_judged() {
    system(async {
        let refusals: [(Authorize, &str); 5] = [
            (|_| to_client("error=invalid_target"), "API resource"),
            (|_| to_client("error=invalid_scope"), "Permissions"),
            (|_| refused("invalid_client"), "very provider"),
            (|_| refused("invalid_redirect_uri"), "to the character"),
            (
                to_behind,
                "register https://mcp.example/callback, the bridge's",
            ),
        ];
        for (authorize, words) in refusals {
            let deployment = Deployment {
                authorize,
                ..Deployment::new()
            };
            let findings = deployment.with_client().await;
            let finding = of(&findings, "sign-in");
            assert_eq!(finding.verdict, Verdict::Problem);
            assert!(
                finding.mend.as_deref().unwrap().contains(words),
                "{finding:?}"
            );
        }
        let authorize: Authorize = |_| HttpResponse::Ok().body("sign in");
        let careless = Deployment {
            authorize,
            ..Deployment::new()
        };
        let findings = careless.with_client().await;
        assert_eq!(of(&findings, "sign-in").verdict, Verdict::Right);
        assert_eq!(of(&findings, "pkce forced").verdict, Verdict::Warning);
    });
}

/// Something with the form of a JWT; its signature is the word that makes our endpoint take it.
fn token(claims: &Value) -> Secret {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    Secret::new(format!("e30.{claims}.good"))
}

#[test]
fn a_token_is_judged_by_its_claims_and_by_the_server() {
    system(async {
        let findings = Deployment::new()
            .walked(|config, base| {
                config.token = Some(token(&json!({
                    "iss": format!("{base}/oidc"), "aud": format!("{base}/mcp"),
                    "exp": 4_000_000_000_u64, "scope": "mcp:tools",
                })));
            })
            .await;
        for check in ["token issuer", "token audience", "call"] {
            assert_eq!(
                of(&findings, check).verdict,
                Verdict::Right,
                "{findings:#?}"
            );
        }

        let findings = Deployment::new()
            .walked(|config, base| {
                config.token = Some(token(&json!({
                    "iss": "https://other", "aud": [format!("{base}/mcp/")], "exp": 1, "scope": "",
                })));
            })
            .await;
        for (check, words) in [
            ("token issuer", "authorization server"),
            ("token audience", "slash"),
            ("token life", "new one"),
            ("token scopes", "roles"),
        ] {
            let finding = of(&findings, check);
            assert!(
                finding.mend.as_deref().unwrap().contains(words),
                "{finding:?}"
            );
        }

        let opaque = Secret::new("opaque-bad");
        let findings = Deployment::new()
            .walked(|config, _| config.token = Some(opaque))
            .await;
        assert_eq!(of(&findings, "token").verdict, Verdict::Warning);
        let finding = of(&findings, "call");
        assert!(finding.found.ends_with("expired"), "{finding:?}");
        assert!(!format!("{findings:?}").contains("opaque-bad"));
    });
}

#[test]
fn nothing_there_is_a_finding_and_no_error() {
    system(async {
        let mut config = Config::new("http://127.0.0.1:1/mcp".parse().unwrap());
        config.deadline = HumanDuration::from_secs(2);

        let findings = check(config, |_| ()).await.unwrap();

        assert_eq!(of(&findings, "reachable").verdict, Verdict::Problem);
    });
}
