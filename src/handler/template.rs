//! URI templates of the simplest form: literal text and `{name}` (RFC 6570 §3.2.2).

use std::str::FromStr;

use serde_json::{Map, Value};

/// A template, taken apart. A variable matches one or more characters up to the next literal, and
/// never a `/`, `?` or `#`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UriTemplate(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no URI template of literals and {{name}} variables with a literal between them")]
pub struct TemplateError(String);

impl FromStr for UriTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || TemplateError(text.to_owned());
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or_else(refused)?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(is_name) {
                return Err(refused());
            }
            // Two variables side by side could be split anywhere.
            if literal.is_empty() || literal.contains('}') {
                return Err(refused());
            }
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        }
        if rest.contains('}') || parts.is_empty() {
            return Err(refused());
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self(parts))
    }
}

impl UriTemplate {
    /// The variables' values, percent-decoded, if `uri` follows the template.
    pub(super) fn matches(&self, uri: &str) -> Option<Map<String, Value>> {
        let mut values = Map::new();
        let mut rest = uri;
        for (index, part) in self.0.iter().enumerate() {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Variable(name) => {
                    let end = match self.0.get(index + 1) {
                        Some(Part::Literal(next)) => rest.find(next.as_str())?,
                        _ => rest.len(),
                    };
                    let (value, after) = rest.split_at(end);
                    if value.is_empty() || value.contains(['/', '?', '#']) {
                        return None;
                    }
                    let decoded = percent_decoded(value)?;
                    // Decoded too: an author who joins it to a path must not get another path.
                    if decoded.contains('/') || decoded.contains(char::is_control) {
                        return None;
                    }
                    values.insert(name.clone(), Value::String(decoded));
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(values)
    }
}

pub(super) fn percent_decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(template: &str, uri: &str) -> Option<String> {
        let template: UriTemplate = template.parse().unwrap();
        template
            .matches(uri)
            .map(|values| Value::Object(values).to_string())
    }

    #[test]
    fn a_uri_of_the_family_gives_its_variables() {
        assert_eq!(
            matched("test://t/{id}/data", "test://t/123/data").unwrap(),
            r#"{"id":"123"}"#
        );
        assert_eq!(
            matched("n://{a}-{b}", "n://x-y%20z").unwrap(),
            r#"{"a":"x","b":"y z"}"#
        );
    }

    #[test]
    fn a_variable_never_reaches_into_the_next_segment() {
        for uri in [
            "test://t//data",
            "test://t/a/b/data",
            "test://t/..%2Fx/data",
            "test://t/1/data?",
        ] {
            assert_eq!(matched("test://t/{id}/data", uri), None, "{uri}");
        }
    }

    #[test]
    fn a_template_of_another_form_is_refused() {
        for text in [
            "plain",
            "{id}",
            "a://{a}{b}",
            "a://{",
            "a://{}",
            "a://{+path}",
            "a://}{x}",
        ] {
            assert!(text.parse::<UriTemplate>().is_err(), "{text}");
        }
    }
}
