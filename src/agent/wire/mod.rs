//! How messages travel: three transports over one HTTP client, and which of them a server speaks.
//!
//! `connection` opens a [`Conversation`] and sends requests through it.
//!
//! ```text
//! negotiation ─┬─ stateless (2026-07-28) ── rounds   ┐         ┌─ desk ── host
//!              ├─ streamable (2025-03-26 …)          ├─ talk ──┤
//!              └─ legacy_sse (2024-11-05)            ┘         └─ caller ── HTTP
//! ```

mod caller;
mod desk;
mod endpoint;
mod event_stream;
mod handshake;
mod headers;
mod legacy_sse;
mod message;
mod negotiation;
mod patience;
mod reply;
mod rounds;
mod stateless;
mod streamable;
mod talk;

pub use self::handshake::ServerSays;
pub(super) use self::{
    caller::Caller,
    headers::Mirror,
    message::RpcError,
    negotiation::{Conversation, open},
    talk::Talk,
};
