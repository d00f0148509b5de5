//! A third-party agent: the client behind `usher agent URL`.
//!
//! It goes to an MCP server as any outside agent would (MCP authorization, 2026-07-28): it meets the
//! 401, discovers who issues tokens, registers, has the user sign in, and calls a tool, in every
//! protocol version and over every transport that Usher serves. The command line talks to this room
//! and prints what it reports; the room itself never prints and never opens a browser.
//!
//! ```text
//! connect ─ negotiation ─┬─ stateless (2026-07-28)      ┐
//!                        ├─ streamable (2025-03-26 …)   ├─ caller ── HTTP ──▶ MCP server
//!                        └─ legacy_sse (2024-11-05)     ┘    │ 401, 403
//!                                                       authorizer ─┬─ discovery ─ safe_url
//!                                                                   ├─ registration
//!                                                                   ├─ authorization ─ callback ─ page
//!                                                                   └─ token
//! ```
//!
//! Promises: a token goes to the server it was asked for and nowhere else, over TLS or on this machine;
//! every wait ends at a deadline of [`Config`]; every buffer is bounded; nothing from the other side
//! is handed to a shell, and what is shown of it has no control characters. Everything an agent holds
//! is gone when its [`Connection`] is dropped: nothing is stored.

mod authorization;
mod authorizer;
mod callback;
mod caller;
mod challenge;
mod config;
mod connection;
mod discovery;
mod error;
mod event;
mod event_stream;
mod legacy_sse;
mod message;
mod negotiation;
mod page;
mod registration;
mod reply;
mod safe_url;
mod stateless;
mod streamable;
mod token;

pub(crate) use challenge::BearerChallenge;
pub use config::{Config, ProtocolChoice};
pub use connection::{Connection, Tool, connect};
pub use error::{AgentError, OAuthRefusal, Said};
pub use event::{Event, Transport};

#[cfg(test)]
mod tests;
