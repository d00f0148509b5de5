//! Who is calling: bearer tokens, and the principals they stand for.
//!
//! The transport walks through four steps, each a call on this door:
//!
//! 1. [`bearer()`] takes the token out of the request's headers;
//! 2. [`Verifier::verify`] says who sent it: a [`Principal`], from memory or by asking;
//! 3. [`judge()`] says whether that caller may do this, anew on every request;
//! 4. on an [`AuthError`], [`Challenge`] writes what the client is told.
//!
//! A verdict is *verified*, *refused* or *could not ask*. The last is our trouble and not the
//! client's: it is never a 401 and never remembered. This room knows no HTTP framework: which status
//! an error becomes is the transport's to say.

mod algorithm;
mod bearer;
mod cache;
mod carried;
mod challenge;
mod check;
mod claim_path;
mod claims;
mod client;
mod client_key;
mod config;
mod counters;
mod cut_offs;
mod desk;
mod digest;
mod error;
mod examiner;
mod inspection;
mod introspection;
mod issuer_config;
mod judge;
mod jwt;
mod key_editions;
mod key_set;
mod keys;
mod logout;
mod principal;
mod questions;
mod trusted_issuer;
mod upstream;
mod userinfo;
mod verifier;

/// The fake issuer of the end-to-end tests, for the tests of this room.
#[cfg(test)]
#[path = "../../tests/it/kit/issuer/mod.rs"]
pub mod fake_issuer;
#[cfg(test)]
mod tests;

pub use algorithm::{Algorithm, AlgorithmError};
pub use bearer::{BearerToken, TOKEN_BYTES_MAX, bearer};
pub use carried::{Carried, NotACaller};
pub use challenge::Challenge;
pub use check::Check;
pub use claim_path::{ClaimPath, ClaimPathError};
pub use client::{ClientAuthentication, ClientCredentials, ClientProof};
pub use client_key::{ClientKey, ClientKeyError};
pub use config::{CacheConfig, Config, LimitsConfig};
pub use counters::{Counters, Outcome};
pub use cut_offs::{CutOff, CutOffConfig, CutOffError, CutOffSummary, CutOffs, Whom};
pub use error::{AuthError, Reason};
pub use inspection::{Finding, Inspection, Outcome as Inspected};
#[cfg(feature = "cli")]
pub(crate) use introspection::request as introspection_request;
pub use issuer_config::{ChoiceError, ClaimsConfig, IssuerConfig, KeysConfig, Verification};
pub use judge::{Audiences, judge};
#[cfg(feature = "cli")]
pub(crate) use key_set::usable_keys;
pub use logout::{LogoutError, LogoutToken};
pub use principal::{Identity, Method, Owner, Principal};
pub use verifier::{Standing, Status, Usage, Verifier};
