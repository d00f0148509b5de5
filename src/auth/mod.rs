//! Who is calling: bearer tokens, and the principals they stand for.

mod principal;

pub use principal::{Identity, Method, Owner, Principal};
