//! A third-party agent: the client behind `usher agent URL`.
//!
//! It goes to an MCP server as any outside agent would (MCP authorization, 2026-07-28): it meets the
//! 401, discovers who issues tokens, registers, has the user sign in, and uses what the server offers,
//! in every protocol version and over every transport that Usher serves. What the server asks back, a
//! [`Host`] answers. The command line talks to this room and prints what it reports; the room itself
//! never prints and never opens a browser.
//!
//! ```text
//! connection ─ lists            ┌─ negotiation ─ three transports ─ talk ─ desk ─┐
//!            ─ watch ── wire ───┤                                                └─ host
//!                               └─ caller ── HTTP ──▶ MCP server
//!                                    │ 401, 403
//!                        oauth ── authorizer ─ discovery, registration, sign-in, tokens
//! ```
//!
//! Promises: a token goes to the server it was asked for and nowhere else, over TLS or on this machine;
//! every wait ends at a deadline of [`Config`], but for watching, which the user ends; every buffer,
//! list and round of questions is bounded; nothing from the other side is handed to a shell; what is
//! said of it in an [`Event`] or an [`AgentError`] is fit for a terminal unless its doc says otherwise.
//! Everything an agent holds is gone when its [`Connection`] is dropped: nothing is stored.

mod config;
mod connection;
mod document;
mod error;
mod event;
mod host;
mod lists;
mod oauth;
mod said;
mod watch;
mod wire;

pub use config::{Config, ProtocolChoice};
pub use connection::{Connection, Reference, Tool, connect};
pub use document::Document;
pub use error::{AgentError, OAuthRefusal};
pub use event::{Change, Event, Transport};
pub use host::{
    Answer, Choice, Field, Form, FormQuestion, Host, Kind, Question, Refused, Root, UrlQuestion,
};
pub use lists::Listing;
pub(crate) use oauth::BearerChallenge;
pub use said::{Said, plain};
pub use watch::{Canceller, Watched};
pub use wire::ServerSays;

#[cfg(test)]
mod tests;
