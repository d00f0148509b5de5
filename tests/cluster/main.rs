//! Several nodes as one: real Redis, real sockets, and where a node has to die, real processes.
//!
//! Redis is `redis-server` or `valkey-server`, whichever is on the machine's path, started by the test on
//! a port of its own and ended with it. Without either, what needs one is left out, and says so. Nodes
//! have one issuer and one audience; nothing here makes a client keep to one of them.

#![cfg(all(feature = "cli", feature = "cluster"))]

#[expect(
    dead_code,
    unused_imports,
    reason = "the kit is that of the end-to-end tests, which use the rest of it"
)]
#[cfg(test)]
#[path = "../it/kit/mod.rs"]
mod kit;

#[cfg(test)]
mod death;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod store;
