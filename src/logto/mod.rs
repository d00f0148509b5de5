//! Logto's Management API, as far as Usher asks it.
//!
//! The credential behind it is that of a tenant's administrator, since Logto knows no lesser one; it
//! is used here and nowhere else, and never written down. [`Management`] is the client: one token for all callers, renewed once
//! however many wait, only repeated what is safe to repeat, with deadlines and one breaker. Its methods
//! stand in `applications`, `people` and `tenant`. `registration` keeps agents with it; `cli` sets a
//! tenant up. It knows no HTTP answer of ours.
//!
//! Shapes are those recorded from a running Logto (1.42, 1.43).

mod applications;
mod config;
mod error;
mod management;
mod people;
mod scopes;
mod tenant;
mod token;

pub use applications::{
    Application, ApplicationKind, Branding, ConsentScopes, NewApplication, SecretName,
};
pub use config::Config;
pub use error::LogtoError;
pub use management::{Management, Page};
pub use people::{Grant, User};
pub use scopes::{USER_SCOPES, is_of_resource, is_user_scope};
pub use tenant::{ApiResource, ApiScope, Hook, Role};
