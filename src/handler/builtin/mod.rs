//! Tools that come with the server, one file each.

mod whoami;

pub use whoami::{whoami, whoami_with_verification};
