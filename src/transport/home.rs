//! The home page: what this is, whether it is well, and what to paste where.

use actix_web::{
    HttpResponse, HttpResponseBuilder, Resource,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    web::{self, ServiceConfig},
};
use maud::{Markup, html};
use std::future::ready;

use super::{Door, Refusal, RefusalKind};
use crate::{
    page::{self, ASSETS, HEADERS, ICON_PATH},
    setups::setups,
};

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(
        shown("/")
            .route(web::get().to(home))
            .route(web::head().to(home)),
    );
    // Browsers ask for it whatever a page says; a page that is no HTML, as JSON, can't say anything.
    config.service(web::redirect("/favicon.ico", ICON_PATH));
    for asset in ASSETS {
        let answer = move || ready(serve(asset));
        config.service(
            shown(asset.path)
                .route(web::get().to(answer))
                .route(web::head().to(answer)),
        );
    }
}

/// Something to look at: any other method is told so, and not that there is nothing here.
fn shown(path: &str) -> Resource {
    web::resource(path).default_service(web::to(other))
}

async fn other(door: web::Data<Door>) -> HttpResponse {
    Refusal::new(RefusalKind::Method("GET, HEAD")).respond(&door)
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
    let tools: Vec<_> = door.handler.tool_names().collect();
    page::wide_frame(
        "An MCP server with a door",
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
                (fact("Open sessions", &html! { (door.router.sessions()) }))
            }
            h2 { "Connect a client" }
            @if !registers {
                p.note {
                    "Agents can't register themselves at this provider: yours needs a client id from \
                     whoever runs this server."
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
