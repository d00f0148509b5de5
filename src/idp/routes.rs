//! Which address leads to which endpoint.

use std::future::ready;

use actix_web::{
    Error, HttpResponse, Resource,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
    web::{self, ServiceConfig},
};

use super::{
    answer, authorize, consent, discovery, home,
    interaction::{CONSENT_PATH, SIGN_IN_PATH},
    introspection,
    parameters::BODY_BYTES_MAX,
    provider::Provider,
    registration, revocation, sign_in, token, userinfo,
};
use crate::page;

/// Everywhere that clients look for metadata: behind the issuer (OpenID Connect Discovery §4),
/// and with the well-known part in front of its path (RFC 8414 §3.1).
const METADATA_PATHS: [&str; 4] = [
    "/oidc/.well-known/openid-configuration",
    "/oidc/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/oidc",
    "/.well-known/openid-configuration/oidc",
];

/// Registers every route.
pub(super) fn configure(routes: &mut ServiceConfig) {
    routes.app_data(web::PayloadConfig::new(BODY_BYTES_MAX));
    for path in METADATA_PATHS {
        routes.service(
            endpoint(path, "GET, HEAD, OPTIONS")
                .route(web::get().to(discovery::metadata))
                .route(web::head().to(discovery::metadata)),
        );
    }
    routes
        .service(
            endpoint("/oidc/jwks", "GET, HEAD, OPTIONS")
                .route(web::get().to(discovery::key_set))
                .route(web::head().to(discovery::key_set)),
        )
        .service(endpoint("/oidc/token", "POST, OPTIONS").route(web::post().to(token::post)))
        .service(
            endpoint("/oidc/register", "POST, OPTIONS").route(web::post().to(registration::post)),
        )
        .service(
            endpoint("/oidc/me", "GET, POST, OPTIONS")
                .route(web::get().to(userinfo::get))
                .route(web::post().to(userinfo::get)),
        )
        .service(
            endpoint("/oidc/introspection", "POST, OPTIONS")
                .route(web::post().to(introspection::post)),
        )
        .service(
            endpoint("/oidc/revocation", "POST, OPTIONS").route(web::post().to(revocation::post)),
        );
    configure_pages(routes);
}

/// What a person's browser visits.
fn configure_pages(routes: &mut ServiceConfig) {
    routes
        .service(
            visited("/oidc/auth", "GET, POST")
                .route(web::get().to(authorize::get))
                .route(web::post().to(authorize::post)),
        )
        .service(
            visited(SIGN_IN_PATH, "GET, POST")
                .route(web::get().to(sign_in::get))
                .route(web::post().to(sign_in::post)),
        )
        .service(
            visited(CONSENT_PATH, "GET, POST")
                .route(web::get().to(consent::get))
                .route(web::post().to(consent::post)),
        )
        .service(visited("/oidc/session/end", "POST").route(web::post().to(home::sign_out)));
    for path in ["/", "/oidc", "/oidc/"] {
        routes.service(visited(path, "GET").route(web::get().to(home::get)));
    }
    for asset in page::ASSETS {
        routes
            .service(visited(asset.path, "GET").route(web::get().to(move || ready(serve(asset)))));
    }
    routes.default_service(web::to(home::not_found));
}

/// A path that scripts of other origins may use too.
fn endpoint(path: &str, methods: &'static str) -> Resource {
    web::resource(path)
        .route(web::method(Method::OPTIONS).to(move || ready(answer::preflight(methods))))
        .default_service(web::to(move || ready(answer::method_not_allowed(methods))))
}

/// A path for the user's browser alone: other origins get no leave.
fn visited(path: &str, methods: &'static str) -> Resource {
    web::resource(path).default_service(web::to(move || {
        ready(
            HttpResponse::MethodNotAllowed()
                .insert_header((header::ALLOW, methods))
                .finish(),
        )
    }))
}

fn serve(asset: page::Asset) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(asset.content_type)
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(asset.body)
}

/// Lets in only requests addressed to this machine: a name that somebody made point here
/// (DNS rebinding) is not ours, and its pages are not of our origin.
pub(super) async fn own_host(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let port = request
        .app_data::<web::Data<Provider>>()
        .map_or(0, |provider| provider.port);
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if host.is_some_and(|host| is_own(host, port)) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    Ok(request.into_response(HttpResponse::new(StatusCode::MISDIRECTED_REQUEST)))
}

fn is_own(host: &str, port: u16) -> bool {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    host.rsplit_once(':')
        .is_some_and(|(name, its_port)| names.contains(&name) && its_port.parse() == Ok(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_only_points_here_is_not_ours() {
        assert!(is_own("127.0.0.1:3002", 3002));
        assert!(is_own("localhost:3002", 3002));
        assert!(is_own("[::1]:3002", 3002));
        for host in [
            "evil.example:3002",
            "127.0.0.1:3001",
            "127.0.0.1",
            "127.0.0.1.nip.io:3002",
        ] {
            assert!(!is_own(host, 3002), "{host}");
        }
    }
}
