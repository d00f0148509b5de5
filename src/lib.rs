//! Usher lets third-party AI agents into your MCP server: it checks who is there, keeps each
//! client's session, and hands every call to the right place.
//!
//! The crate is a house of rooms, one concern each; a room uses rooms on lower floors only
//! (`tests/house.rs` checks it, `ARCHITECTURE.md` is the floor plan). Data walks one way: transport,
//! auth, router, session, handler; replies leave by the [`outlet`] that came with the request.
//!
//! A server with a tool of its own, and with the embedded provider to try it:
//!
//! ```no_run
//! # #[cfg(feature = "dev-idp")] {
//! use mcp_usher::{Server, handler::{CallContext, NoArguments, Tool}};
//!
//! # async fn run() -> Result<(), mcp_usher::ServerError> {
//! let hello = Tool::new("hello", "Greets whoever calls", |call: CallContext, _: NoArguments| async move {
//!     Ok(format!("Hello, {}!", call.principal().subject()))
//! });
//! Server::dev().configure(|server| server.tool(hello)).run().await
//! # }
//! # }
//! ```
//!
//! In production: [`Server::new`] with a [`config::Config`] that names the authorization server. In an
//! actix-web `App` of your own: [`Server::mount`].

pub mod admin;
pub mod auth;
pub mod bridge;
pub mod cluster;
pub mod config;
pub mod fetch;
pub mod handler;
pub mod logto;
pub mod metadata;
pub mod notices;
mod oauth;
pub mod outlet;
pub mod page;
pub mod policy;
pub mod portal;
pub mod protocol;
pub mod registration;
pub mod roll_call;
pub mod router;
pub mod scope;
mod seal;
pub mod secret;
pub mod server;
pub mod session;
pub mod setups;
pub mod shutdown;
pub mod skills;
pub mod telemetry;
pub mod time;
pub mod transport;
pub mod units;

#[cfg(feature = "dev-idp")]
pub mod idp;

#[cfg(feature = "rmcp")]
pub mod rmcp;

#[cfg(feature = "cli")]
pub mod agent;
#[cfg(feature = "cli")]
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;

pub use server::{Server, ServerError};
