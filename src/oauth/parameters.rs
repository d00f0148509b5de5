//! Parameters of a request, from a query or a form body.
//!
//! A parameter without a value counts as omitted, and one that comes twice spoils the request
//! (RFC 6749 §3.1); `resource` and a form's `scope` may come many times (RFC 8707 §2).

use url::form_urlencoded;

/// Names and values, decoded, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

/// What spoils a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ParameterError {
    /// It may come once.
    Twice,
    /// It has to come; what to say then.
    Missing(&'static str),
}

impl ParameterError {
    /// What to tell the client.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Twice => "a parameter came twice",
            Self::Missing(text) => text,
        }
    }
}

impl Parameters {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// A parameter that may come once.
    pub(crate) fn one(&self, name: &'static str) -> Result<Option<&str>, ParameterError> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(ParameterError::Twice);
        }
        Ok(first)
    }

    /// A parameter that has to come once.
    pub(crate) fn required(
        &self,
        name: &'static str,
        missing: &'static str,
    ) -> Result<&str, ParameterError> {
        self.one(name)?.ok_or(ParameterError::Missing(missing))
    }

    /// A parameter that may come many times.
    pub(crate) fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(move |(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_without_a_value_is_omitted() {
        let parameters = Parameters::parse(b"state=&scope=a");

        assert_eq!(parameters.one("state"), Ok(None));
        assert_eq!(parameters.one("scope"), Ok(Some("a")));
    }

    #[test]
    fn a_repeated_parameter_spoils_the_request() {
        let parameters = Parameters::parse(b"client_id=a&client_id=b");

        assert!(parameters.one("client_id").is_err());
    }
}
