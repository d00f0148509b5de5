//! Metadata for everybody: ours (RFC 9728) and, for clients of 2025-03-26, a mirror of the
//! authorization server's (RFC 8414); the bridge's instead, where there is one.
//!
//! Every URL in them comes from the configuration, never from a request's `Host`. A path that is
//! none of these is a 404, so that clients go on to their next guess. The mirror is there only where
//! the origin is all ours: clients of 2025-03-26 ask the origin, whatever the path of their endpoint,
//! and what its authorization server is, is then for somebody else to say.

use std::future::ready;

use actix_web::{
    HttpRequest, HttpResponse, Resource,
    http::header::{
        self, CACHE_CONTROL, CacheControl, CacheDirective, ETAG, EntityTag, Header, IfNoneMatch,
    },
    web,
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;

use super::{Door, Refusal, RefusalKind, routes::shown};

const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";

/// How long a document may be kept: five minutes, since a provider may move.
const MAX_AGE_SECONDS: u32 = 300;

pub(super) fn resources(door: &Door) -> Vec<Resource> {
    let ours = ["", "/mcp", "/sse"].map(|path| {
        let answer = move |request, door| ready(protected_resource(path, &request, &door));
        shown(web::resource(door.resources.metadata_path(path)), answer)
    });
    let mut resources = Vec::from(ours);
    if door.own_authorization_server.is_some() {
        let path = format!("{AUTHORIZATION_SERVER}{}", door.public_url.path());
        resources.push(shown(web::resource(path), authorization_server));
    } else if door.public_url.path().is_empty() {
        let mirror = web::resource(AUTHORIZATION_SERVER);
        resources.push(shown(mirror, authorization_server));
    }
    resources
}

fn protected_resource(
    path: &'static str,
    request: &HttpRequest,
    door: &web::Data<Door>,
) -> HttpResponse {
    let document = door.resources.document(path).map(serde_json::to_vec);
    match document {
        Some(Ok(document)) => public_json(request, Bytes::from(document)),
        _ => Refusal::new(RefusalKind::NotFound).respond(door, request),
    }
}

/// Ours, where clients are to know no other; or else the provider's own words, its issuer among them. Not there while they are not known: a 404 makes a
/// client look elsewhere, which is what it has to do.
async fn authorization_server(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    if let Some(ours) = &door.own_authorization_server {
        return public_json(&request, ours.clone());
    }
    match door.verifier.discovery().current() {
        Some(server) => public_json(&request, server.raw().clone()),
        None => Refusal::new(RefusalKind::NotFound).respond(&door, &request),
    }
}

fn public_json(request: &HttpRequest, body: Bytes) -> HttpResponse {
    let tag = EntityTag::new_strong(URL_SAFE_NO_PAD.encode(digest(&SHA256, &body)));
    let caching = CacheControl(vec![
        CacheDirective::Public,
        CacheDirective::MaxAge(MAX_AGE_SECONDS),
    ]);
    let known = match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        // Whatever the client has, there is something here (RFC 9110 §13.1.2).
        Ok(IfNoneMatch::Any) => true,
        _ => false,
    };
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .insert_header((ETAG, tag.to_string()))
        .insert_header((CACHE_CONTROL, caching.to_string()));
    if known {
        return response.finish();
    }
    response
        .insert_header((header::CONTENT_TYPE, "application/json"))
        .body(body)
}
