//! What is published about this server and its authorization server (RFC 9728, RFC 8414).
//!
//! Two directions. *Ours*: [`ProtectedResources`] holds the documents that tell a client where to
//! sign in, and says which audiences those documents make acceptable. *Theirs*: [`Discovery`] fetches
//! the authorization server's metadata, checks it, keeps the last good copy and refreshes it;
//! [`AuthorizationServer`] has the members we need typed, and the whole document for mirroring.
//!
//! The transport serves the documents; `auth` runs [`Discovery`] and reads endpoints from it. No
//! route, no actor and no token is known here.

mod authorization_server;
mod discovery;
mod issuer;
mod protected_resource;

pub use authorization_server::{AuthorizationServer, MetadataError};
pub use discovery::{Discovery, DiscoveryConfig, DiscoveryError};
pub use issuer::{Issuer, IssuerError};
pub use protected_resource::{ProtectedResource, ProtectedResources, ResourceConfig};
