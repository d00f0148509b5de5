//! The bridge and the developer portal in front of a Logto: registration, sign-in, tokens and pages as
//! clients and browsers see them, and what the Management API was asked for. The Logto is a double
//! (`logto`) made of the shapes that were recorded from a real one, with its quirks, and with faults where
//! a test wants them. Rows of the attack catalogue are named at the tests that show them.
//!
//! Each module says `cfg(test)` so that clippy knows its helpers for tests, too.

#[cfg(feature = "cli")]
#[cfg(test)]
mod check;
#[cfg(feature = "cli")]
#[cfg(test)]
mod command;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod http;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod logto;
#[cfg(feature = "cli")]
#[cfg(test)]
#[path = "../kit/loud.rs"]
mod loud;
#[cfg(test)]
mod portal;
#[cfg(test)]
mod portal_attacks;
#[cfg(feature = "dev-idp")]
#[cfg(test)]
mod portal_dev;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod roll_call;
#[cfg(test)]
mod sign_in;
#[expect(
    unreachable_pub,
    reason = "shared with other tests, of which some are crates of their own"
)]
#[cfg(test)]
#[path = "../it/kit/issuer/signing.rs"]
mod signing;
