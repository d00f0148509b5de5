//! Usher lets third-party AI agents into your MCP server: it checks who is there, keeps each
//! client's session, and hands every call to the right place.
//!
//! The crate is a house of rooms, one concern each; a room uses rooms on lower floors only
//! (`tests/house.rs` checks it, `ARCHITECTURE.md` is the floor plan). Data walks one way: transport,
//! auth, router, session, handler; replies leave by the [`outlet`] that came with the request.

pub mod auth;
pub mod fetch;
pub mod metadata;
pub mod page;
pub mod protocol;
pub mod scope;
pub mod secret;
pub mod time;
pub mod units;

#[cfg(feature = "dev-idp")]
pub mod idp;

#[cfg(feature = "cli")]
pub mod agent;
