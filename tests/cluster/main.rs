//! Several nodes as one: real Redis, real sockets, and where a node has to die, real processes.
//!
//! Redis is `redis-server` or `valkey-server`, whichever is on the machine's path, started by the test on
//! a port of its own and ended with it. Without either, what needs one is left out, and says so.

#![cfg(all(feature = "cli", feature = "cluster"))]

#[cfg(test)]
mod redis;
#[cfg(test)]
mod store;
