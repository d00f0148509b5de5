//! The bearer token of a request, from its `Authorization` headers and nowhere else (RFC 6750 §2.1).
//!
//! A token in the query string or the body is never looked for. What can't be a token is refused
//! here, before anything is looked up or anybody asked.

use std::{borrow::Cow, fmt};

use super::{AuthError, Reason};
use crate::secret::Secret;

/// Longest token that is taken, in bytes. The RFCs name no limit; JWTs of real providers stay below
/// 4 KiB, and nobody's proxy passes a header much longer than this.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// An access token as it was sent, where it was sent: a caller who is known costs no copy. Never
/// shown.
#[derive(Clone)]
pub struct BearerToken<'h>(Cow<'h, str>);

impl BearerToken<'_> {
    /// The token, for the one place that hashes it and those that verify it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// A token that was taken before, to ask about it again.
    pub(super) fn again(token: &Secret) -> BearerToken<'_> {
        BearerToken(token.expose().into())
    }

    /// A copy that outlives the request, for those who verify it.
    pub(super) fn to_static(&self) -> BearerToken<'static> {
        BearerToken(Cow::Owned(self.0.clone().into_owned()))
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BearerToken(…)")
    }
}

/// Takes the token out of a request's `Authorization` headers: all of them, in any order.
///
/// # Errors
/// [`AuthError::Missing`] without a header or with one of another scheme; [`AuthError::Malformed`]
/// for two headers (neither is used), no token behind `Bearer`, or a character no token has;
/// [`Reason::TooLong`] beyond [`TOKEN_BYTES_MAX`].
pub fn bearer<'h>(
    authorization: impl IntoIterator<Item = &'h [u8]>,
) -> Result<BearerToken<'h>, AuthError> {
    let mut headers = authorization.into_iter();
    let header = headers.next().ok_or(AuthError::Missing)?;
    if headers.next().is_some() {
        return Err(AuthError::Malformed("it was sent more than once"));
    }
    // credentials = auth-scheme 1*SP token (RFC 9110 §11.4); schemes have no case.
    let end_of_scheme = header.iter().position(|byte| *byte == b' ');
    let (scheme, rest) = header.split_at(end_of_scheme.unwrap_or(header.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(AuthError::Missing);
    }
    let token = rest.trim_ascii_start();
    if token.is_empty() {
        return Err(AuthError::Malformed("no token follows Bearer"));
    }
    if token.len() > TOKEN_BYTES_MAX {
        return Err(Reason::TooLong.into());
    }
    match str::from_utf8(token) {
        Ok(text) if is_b64token(text) => Ok(BearerToken(text.into())),
        _ => Err(AuthError::Malformed(
            "the token has a character that no token has",
        )),
    }
}

/// b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
fn is_b64token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty()
        && body.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[&str]) -> Result<String, AuthError> {
        bearer(headers.iter().map(|header| header.as_bytes()))
            .map(|token| token.expose().to_owned())
    }

    #[test]
    fn the_token_is_what_follows_bearer_in_any_case() {
        for header in [
            "Bearer a.b-c_d~e+f/0==",
            "bearer a.b-c_d~e+f/0==",
            "BEARER  a.b-c_d~e+f/0==",
        ] {
            assert_eq!(read(&[header]).unwrap(), "a.b-c_d~e+f/0==");
        }
    }

    // K01, K02
    #[test]
    fn no_header_or_another_scheme_is_no_token() {
        for headers in [
            &[][..],
            &["Basic YTpi"],
            &["DPoP abc"],
            &["Bearerabc"],
            &[""],
        ] {
            assert_eq!(read(headers), Err(AuthError::Missing), "{headers:?}");
        }
    }

    // K02
    #[test]
    fn a_header_that_can_not_be_read_is_malformed() {
        for header in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a\tb",
            "Bearer a,b",
            "Bearer =",
            "Bearer a=b",
            "Bearer ä",
            "Bearer \"a\"",
            "Bearer a\u{0}",
        ] {
            assert!(
                matches!(read(&[header]), Err(AuthError::Malformed(_))),
                "{header:?}"
            );
        }
        let not_utf8 = bearer([&b"Bearer \xff"[..]]);
        assert!(matches!(not_utf8, Err(AuthError::Malformed(_))));
    }

    // T19
    #[test]
    fn two_authorization_headers_are_malformed_even_if_alike() {
        for headers in [
            ["Bearer a", "Bearer b"],
            ["Bearer a", "Bearer a"],
            ["Basic a", "Bearer b"],
        ] {
            assert!(matches!(read(&headers), Err(AuthError::Malformed(_))));
        }
    }

    // K34
    #[test]
    fn a_token_longer_than_the_limit_is_refused_before_anything_else() {
        let longest = "a".repeat(TOKEN_BYTES_MAX);

        assert!(read(&[&format!("Bearer {longest}")]).is_ok());
        for longer in [
            format!("Bearer {longest}a"),
            format!("Bearer {}", "ä".repeat(1 << 20)),
        ] {
            assert_eq!(read(&[&longer]), Err(Reason::TooLong.into()));
        }
    }

    #[test]
    fn debug_output_never_shows_the_token() {
        let token = bearer([&b"Bearer c4nary"[..]]).unwrap();

        assert_eq!(format!("{token:?}"), "BearerToken(…)");
    }
}
