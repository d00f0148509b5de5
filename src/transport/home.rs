//! The home page: what this is, whether it is well, and what to paste where.

use actix_web::{
    HttpResponse, HttpResponseBuilder, Resource,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION},
    web,
};
use maud::{Markup, html};
use std::future::ready;

use super::{Door, routes::shown};
use crate::{
    page::{self, ASSETS, HEADERS, ICON_PATH},
    setups::setups,
};

pub(super) fn resources() -> Vec<Resource> {
    // Below a prefix, with and without a slash at its end.
    let page = shown(web::resource(["", "/"]), home);
    // Browsers ask for it whatever a page says; a page that is no HTML, as JSON, can't say anything.
    let favicon = web::resource("/favicon.ico").default_service(web::to(favicon));
    let mut resources = vec![page, favicon];
    resources
        .extend(ASSETS.map(|asset| shown(web::resource(asset.path), move || ready(serve(asset)))));
    resources
}

async fn favicon(door: web::Data<Door>) -> HttpResponse {
    HttpResponse::TemporaryRedirect()
        .insert_header((LOCATION, format!("{}{ICON_PATH}", door.public_url.path())))
        .finish()
}

fn serve(asset: page::Asset) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, asset.content_type))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .body(asset.body)
}

async fn home(door: web::Data<Door>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    with_headers(&mut response)
        .content_type("text/html; charset=utf-8")
        .body(body(&door).into_string())
}

fn with_headers(response: &mut HttpResponseBuilder) -> &mut HttpResponseBuilder {
    for header in HEADERS {
        response.insert_header(header);
    }
    response.insert_header((CONTENT_SECURITY_POLICY, page::content_security_policy(&[])))
}

fn body(door: &Door) -> Markup {
    let waiting_for = door.health.waiting_for();
    let url = &door.public_url;
    let issuer = door.verifier.discovery().issuer();
    let provider = door.verifier.discovery().current();
    let registers = provider.is_none_or(|provider| provider.registration_endpoint().is_some());
    let offered = door.handler.now();
    let tools: Vec<_> = offered.tool_names().collect();
    page::wide_frame(
        "An MCP server with a door",
        url.path(),
        html! {
            h1 { "This is an MCP server" }
            p.quiet { "Agents come in here to act for you, once you have signed in and agreed to it." }
            @if waiting_for.is_empty() {
                p.status role="status" { "Open: agents can sign in now" }
            } @else {
                p.status.waiting role="status" { "Not ready: waiting for " (waiting_for.join(", ")) }
            }
            dl.facts {
                (fact("Endpoint", &html! { code { (url.join("/mcp")) } }))
                (fact("Endpoint for older clients (HTTP+SSE)", &html! { code { (url.join("/sse")) } }))
                (fact("Users sign in at", &html! { code { (issuer.as_str()) } }))
                (fact("Tools", &html! { (tools.join(", ")) }))
            }
            h2 { "Connect a client" }
            @if !registers && door.developers.is_none() {
                p.note {
                    "Agents can't register themselves at this provider: yours needs a client id from \
                     whoever runs this server."
                }
            }
            @if let Some(developers) = &door.developers {
                p.note {
                    "Do you make an agent? " a href=(developers) { "Register it here" }
                    ", and look after it."
                }
            }
            @for setup in setups(url) {
                section.setup {
                    h3 { (setup.client) span.quiet.small { (setup.place) } }
                    pre { code { (setup.snippet) } }
                }
            }
        },
    )
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}
