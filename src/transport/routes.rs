//! Which path is whose, and what stands in front of every one of them.
//!
//! In parts, so that an `App` of somebody else's can take those it wants: [`endpoints`] and [`home`]
//! go below the public URL's path, [`well_known`] at the origin's root, whatever that path is. Each
//! resource brings its own gate and its own state along: nothing is added to the `App` around it, no
//! route of others is looked at, and several doors fit in one `App`.

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Resource, Route,
    dev::HttpServiceFactory,
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use actix_web_lab::middleware::{CatchPanic, PanicReporter};
use std::future::ready;

use super::{Door, Refusal, RefusalKind, arrival, forwarded, gate, legacy_sse, streamable};

/// Adds `/mcp`, `/sse` and `/messages`. `door` is shared by all workers.
pub fn endpoints(config: &mut ServiceConfig, door: &web::Data<Door>) {
    let mcp = mcp();
    let sse = web::resource("/sse")
        .route(web::get().to(legacy_sse::open))
        .route(web::post().to(legacy_sse::post_on_stream))
        .default_service(web::to(legacy_sse::other_on_stream));
    for resource in [mcp, sse, messages()] {
        config.service(guarded(resource, door));
    }
}

/// Adds what other nodes send on: the same routes behind another door, for a listener of their own.
pub fn from_nodes(config: &mut ServiceConfig, door: &web::Data<Door>) {
    for resource in [mcp(), messages()] {
        let (at_arrival, at_door) = (door.clone(), door.clone());
        let metrics = door.metrics().clone();
        let resource = resource
            .app_data(door.clone())
            .wrap(PanicReporter::new(move |_panic| metrics.panicked()))
            .wrap(CatchPanic::default())
            .wrap(from_fn(move |request, next| {
                arrival::receive(at_arrival.clone(), request, next)
            }))
            .wrap(from_fn(move |request, next| {
                forwarded::open(at_door.clone(), request, next)
            }));
        config.service(resource);
    }
}

fn mcp() -> Resource {
    web::resource("/mcp")
        .route(web::post().to(streamable::post))
        .route(web::get().to(streamable::get))
        .route(web::delete().to(streamable::delete))
        .default_service(web::to(streamable::other))
}

fn messages() -> Resource {
    web::resource("/messages")
        .route(web::post().to(legacy_sse::post))
        .default_service(web::to(legacy_sse::other_on_messages))
}

/// Adds the well-known documents of the endpoints.
pub fn well_known(config: &mut ServiceConfig, door: &web::Data<Door>) {
    for resource in super::well_known::resources(door) {
        config.service(guarded(resource, door));
    }
}

/// Adds the home page and what it loads.
pub fn home(config: &mut ServiceConfig, door: &web::Data<Door>) {
    for resource in super::home::resources() {
        config.service(guarded(resource, door));
    }
}

/// Adds routes of another room, behind the same gate as ours.
pub(crate) fn guard_all(
    config: &mut ServiceConfig,
    door: &web::Data<Door>,
    resources: Vec<Resource>,
) {
    for resource in resources {
        config.service(guarded(resource, door));
    }
}

/// The answer where nothing lives, for an `App` that is all ours.
#[must_use]
pub fn elsewhere(door: &web::Data<Door>) -> Route {
    let (at_arrival, at_gate, inside) = (door.clone(), door.clone(), door.clone());
    let not_found = move |request: HttpRequest| ready(not_found(&inside, &request));
    web::to(not_found)
        .wrap(from_fn(move |request, next| {
            gate::guard(at_gate.clone(), request, next)
        }))
        .wrap(from_fn(move |request, next| {
            arrival::receive(at_arrival.clone(), request, next)
        }))
}

fn not_found(door: &Door, request: &HttpRequest) -> HttpResponse {
    Refusal::new(RefusalKind::NotFound).respond(door, request)
}

/// A resource to look at: any other method is told so, and not that there is nothing here.
pub(super) fn shown<H, A>(resource: Resource, answer: H) -> Resource
where
    H: Handler<A, Output = HttpResponse>,
    A: FromRequest + 'static,
{
    resource
        .route(web::get().to(answer.clone()))
        .route(web::head().to(answer))
        .default_service(web::to(look_only))
}

async fn look_only(request: HttpRequest, door: web::Data<Door>) -> HttpResponse {
    Refusal::new(RefusalKind::Method("GET, HEAD")).respond(&door, &request)
}

fn guarded(resource: Resource, door: &web::Data<Door>) -> impl HttpServiceFactory + use<> {
    let (at_arrival, at_gate) = (door.clone(), door.clone());
    let metrics = door.metrics().clone();
    resource
        .app_data(door.clone())
        .wrap(from_fn(move |request, next| {
            gate::guard(at_gate.clone(), request, next)
        }))
        // A panic in a route is one 500 and one count, and no worker.
        .wrap(PanicReporter::new(move |_panic| metrics.panicked()))
        .wrap(CatchPanic::default())
        .wrap(from_fn(move |request, next| {
            arrival::receive(at_arrival.clone(), request, next)
        }))
}
