//! The whole road, end to end, over real sockets: the attacker's side of the house.
//!
//! Every server here is started as `main` starts it, on port 0, with a fake issuer beside it; the
//! tests of `shutdown` and `binary` run the `usher` binary itself. One test per row of the attack
//! catalogue, named after what the row says, its number beside it. Everything that comes back passes
//! [`kit::check`], which knows what no answer may ever hold, and every server is asked at its end
//! whether anything panicked.
//!
//! Not here: what a room shows by itself (`src/*/tests`), and real clients and browsers
//! (`tests/outside`). Tests that are ignored with *does not hold* are rows that are still open.

#![cfg(feature = "cli")]

#[cfg(test)]
mod kit;

#[cfg(test)]
mod audit;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod catalog;
#[cfg(test)]
mod cut_off;
#[cfg(test)]
mod grace;
#[cfg(test)]
mod inspect;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod legacy;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod load;
#[cfg(test)]
mod metadata;
#[cfg(test)]
mod mixed;
#[cfg(test)]
mod modern;
#[cfg(test)]
mod mounted;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod office;
#[cfg(test)]
mod overload;
#[cfg(feature = "rmcp")]
#[cfg(test)]
mod policy;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod resume;
#[cfg(feature = "rmcp")]
#[cfg(test)]
mod rmcp;
#[cfg(test)]
mod rmcp_client;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod session;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod token;
#[cfg(test)]
mod tracing;
#[cfg(test)]
mod transport;
