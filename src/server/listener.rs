//! The listeners: sockets and the HTTP settings that the measurements asked for.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{
    App, HttpServer,
    dev::{Server, ServerHandle},
    web::{self, ServiceConfig},
};

use super::Mounted;
use crate::{admin::Access, transport};

/// How long a client may take for a request's head.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);

/// How long an idle connection is kept: longer than the 60 s after which the usual balancers let go
/// of theirs, so that it is never us who cuts a connection they are about to use.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long a client may take no byte of what is written to it: a stream it does not read, answers it
/// does not fetch. Far longer than a network that falters for a moment.
#[cfg(any(target_os = "linux", target_os = "android"))]
const WRITE_STALL: Duration = Duration::from_secs(10);

/// Connections per worker; beyond, the kernel's queue waits.
const CONNECTIONS_MAX: usize = 20_000;

/// A bound socket with what it is bound to: port 0 has become a real one.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Bound {
    pub(super) fn to(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        // actix-http has no deadline for a write, so the kernel keeps it: of a peer that acknowledges
        // nothing, or whose window stays shut, it lets go (RFC 5482, tcp(7)). Accepted sockets inherit.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(WRITE_STALL))?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }
}

/// The listener that clients reach.
pub(super) fn public(
    bound: Bound,
    mounted: Mounted,
    workers: usize,
) -> io::Result<(Server, ServerHandle)> {
    listen(bound, mounted, workers, serve)
}

/// The listener that other nodes reach.
pub(super) fn nodes(
    bound: Bound,
    mounted: Mounted,
    workers: usize,
) -> io::Result<(Server, ServerHandle)> {
    listen(bound, mounted, workers, |root, mounted| {
        mounted.from_nodes(root);
    })
}

fn listen(
    bound: Bound,
    mounted: Mounted,
    workers: usize,
    routes: fn(&mut ServiceConfig, &Mounted),
) -> io::Result<(Server, ServerHandle)> {
    let drain_after = mounted.drain_after();
    let server = HttpServer::new(move || App::new().configure(|root| routes(root, &mounted)))
        .workers(workers)
        // Without it, every event written in more than one piece waits 40 ms for an acknowledgement.
        .tcp_nodelay(true)
        // With it, a stream whose client has closed would never be noticed.
        .h1_allow_half_closed(false)
        .client_request_timeout(HEAD_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .max_connections(CONNECTIONS_MAX)
        .shutdown_timeout(drain_after.as_secs())
        // Signals are `shutdown`'s: the order of stopping is ours.
        .disable_signals()
        .listen(bound.listener)?
        .run();
    let handle = server.handle();
    Ok((server, handle))
}

/// Everything, where the public URL says it is.
fn serve(root: &mut ServiceConfig, mounted: &Mounted) {
    let below = |config: &mut ServiceConfig| {
        mounted.endpoints(config);
        mounted.home(config);
    };
    mounted.well_known(root);
    match mounted.url().path() {
        "" => below(root),
        path => _ = root.service(web::scope(path).configure(below)),
    }
    root.default_service(transport::elsewhere(mounted.door()));
}

/// The listener for probes, metrics and operators.
pub(super) fn admin(
    bound: Bound,
    mounted: Mounted,
    access: Access,
) -> io::Result<(Server, ServerHandle)> {
    let server = HttpServer::new(move || {
        App::new()
            .configure(|root| mounted.probes(root))
            .configure(|root| mounted.office(root, access.clone()))
    })
    .workers(1)
    .client_request_timeout(HEAD_DEADLINE)
    .shutdown_timeout(1)
    .disable_signals()
    .listen(bound.listener)?
    .run();
    let handle = server.handle();
    Ok((server, handle))
}
