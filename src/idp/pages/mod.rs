//! The provider's pages as pure state → HTML.
//!
//! Every text that came from outside goes through maud's escaping; there is no other way in. Forms
//! work without a script, and each answers to what `sign_in` and `consent` read.

mod consent;
mod error;
mod home;
mod sign_in;
mod wording;

pub(super) use self::{
    consent::{ConsentPage, consent},
    error::error,
    home::{HomePage, home},
    sign_in::{SignInPage, sign_in},
};
