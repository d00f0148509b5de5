//! How an agent gets a token: challenge, discovery, registration, sign-in, refresh.
//!
//! `wire::caller` holds an [`Authorizer`] and asks it on a 401 or a 403. Nothing outside this folder
//! sees a client secret, a code or a refresh token.

mod authorization;
mod authorizer;
mod callback;
mod challenge;
mod discovery;
mod page;
mod registration;
pub(super) mod safe_url;
mod token;

pub(super) use self::authorizer::{Authorizer, Bearer};
pub(crate) use self::challenge::BearerChallenge;

#[cfg(test)]
mod tests;
