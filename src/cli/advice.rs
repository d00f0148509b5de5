//! What to do about an error, where the command line knows a way: which flag mends it.

use std::{io, net::SocketAddr};

#[cfg(feature = "dev-idp")]
use crate::idp::IdpError;
use crate::server::ServerError;

/// A sentence for the operator, or nothing.
pub(super) fn advice(error: &anyhow::Error) -> Option<String> {
    match error.downcast_ref()? {
        ServerError::Bind("server.listen", address, error) => listen("--listen", *address, error),
        ServerError::Bind(_, address, error) => listen("--admin-listen", *address, error),
        #[cfg(feature = "dev-idp")]
        ServerError::Provider(IdpError::Listen(address, error)) => {
            listen("--provider-listen", *address, error)
        }
        _ => None,
    }
}

fn listen(flag: &str, address: SocketAddr, error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let any_port = SocketAddr::new(address.ip(), 0);
            Some(format!(
                "another program listens there, perhaps another usher: end it, or choose another \
                 address ({flag} {any_port} takes a free port)"
            ))
        }
        io::ErrorKind::AddrNotAvailable => Some(format!(
            "this machine has no such address: choose one that it has with {flag}"
        )),
        io::ErrorKind::PermissionDenied => Some(format!(
            "ports below 1024 are not for everybody: choose a higher one with {flag}"
        )),
        _ => None,
    }
}
