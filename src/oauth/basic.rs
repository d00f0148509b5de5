//! `Authorization: Basic` of a client at the token endpoint (RFC 6749 §2.3.1).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use crate::secret::Secret;

/// A client's id and secret, both form-decoded; an empty password is no secret.
pub(crate) fn read(value: &str) -> Option<(String, Option<Secret>)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client_id, secret) = decoded.split_once(':')?;
    let secret = form_decoded(secret);
    let secret = (!secret.is_empty()).then(|| Secret::new(secret));
    Some((form_decoded(client_id), secret))
}

fn form_decoded(text: &str) -> String {
    // Parsed as a name without a value; an `=` or `&` inside would have been encoded.
    form_urlencoded::parse(text.as_bytes())
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded() {
        let header = format!("basic {}", STANDARD.encode("a%3Ab:c%2Bd"));
        let (client_id, secret) = read(&header).unwrap();

        assert_eq!(client_id, "a:b");
        assert_eq!(secret.unwrap().expose(), "c+d");
    }

    #[test]
    fn an_empty_password_is_no_secret() {
        let header = format!("Basic {}", STANDARD.encode("agent:"));

        assert!(read(&header).unwrap().1.is_none());
        assert!(read("Bearer abc").is_none());
    }
}
