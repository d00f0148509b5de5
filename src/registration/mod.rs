//! Agents that register: where they are kept, who may, how many, and what is written down of it.
//!
//! `Registrar` is whoever keeps the clients: a Logto tenant (`LogtoRegistrar`), or the embedded
//! provider of `usher dev`. Usher itself keeps none. `Admission` says who may register and how
//! often, before a registrar is asked anything; `Registry` is the one way in past both. `bridge`
//! registers programs with it, and `portal` what developers make; `cli` manages what was registered. No
//! HTTP answer is known here.

mod admission;
mod config;
mod directory;
mod logto;
mod record;
mod registrar;
mod registry;
mod scopes;
mod unused;

pub(crate) use admission::{Admission, Refused};
pub use config::{Config, KeyError, Mode, Who};
pub(crate) use directory::Directory;
pub(crate) use logto::{LeadsTo, LogtoRegistrar, client_of};
pub(crate) use registrar::{
    Client, GrantingUser, GrantingUsers, Links, NamedSecret, NewClient, Origin, Registered,
    Registrar, RegistrarError,
};
pub(crate) use registry::{NoSecret, NotRegistered, Registry, SECRETS_MAX};
#[cfg(feature = "cli")]
pub(crate) use unused::unused;
