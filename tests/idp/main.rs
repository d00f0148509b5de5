//! The embedded provider through its door: the real server on a free port, driven as a browser and
//! an agent drive it. Rows of `attacks.md` are named at the tests that show them.
//!
//! Each module says `cfg(test)` so that clippy knows its helpers for tests, too.

#![cfg(feature = "dev-idp")]

#[cfg(test)]
mod authorize;
#[cfg(test)]
mod client_document;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod discovery;
#[cfg(test)]
#[path = "../bridge/http.rs"]
mod http;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod kit;
#[cfg(feature = "cli")]
#[cfg(test)]
#[path = "../kit/loud.rs"]
mod loud;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod sign_in;
#[cfg(test)]
mod token;
#[cfg(test)]
mod token_refresh;
#[cfg(test)]
mod userinfo;
