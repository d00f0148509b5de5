//! Rules of OAuth that whoever plays an authorization server has to keep.
//!
//! What a client may say of itself when it registers, where it may have a browser sent, how it proves
//! that it is the one that asked, and how requests are read. Pure and without state: the embedded
//! provider (`idp`) and the bridge keep the same rules by calling the same functions. No framework and
//! no answer is known here.

pub(crate) mod basic;
pub(crate) mod client_information;
pub(crate) mod client_metadata;
pub(crate) mod parameters;
pub(crate) mod pkce;
pub(crate) mod redirect_uri;
