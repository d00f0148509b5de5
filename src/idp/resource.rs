//! Resource indicators: for whom a token is (RFC 8707).

use url::Url;

use super::{IdpError, error::OAuthError};

/// Most resources that one request may name.
const RESOURCES_MAX: usize = 8;

/// Whether a configured resource is an absolute URI without a fragment (RFC 8707 §2).
pub(super) fn check(resource: &str) -> Result<(), IdpError> {
    match Url::parse(resource) {
        Ok(url) if url.fragment().is_none() => Ok(()),
        _ => Err(IdpError::Resource(resource.to_owned())),
    }
}

/// Finds the resources a request names among those configured, as configured.
pub(super) fn resolve<'a>(
    named: impl Iterator<Item = &'a str>,
    configured: &[String],
) -> Result<Vec<String>, OAuthError> {
    let mut resolved = Vec::new();
    for name in named {
        let resource = configured
            .iter()
            .find(|resource| is_same(resource, name))
            .ok_or(OAuthError::InvalidTarget("the resource is not known here"))?;
        if !resolved.contains(resource) {
            resolved.push(resource.clone());
        }
    }
    if resolved.len() > RESOURCES_MAX {
        return Err(OAuthError::InvalidTarget("too many resources"));
    }
    Ok(resolved)
}

/// For which resource a token request wants its token: the one it names, which the user must have
/// agreed to, or else the only one the user agreed to. `None` makes an opaque token.
pub(super) fn choose<'a>(
    named: Option<&str>,
    granted: &'a [String],
) -> Result<Option<&'a str>, OAuthError> {
    match (named, granted) {
        (Some(named), _) => granted
            .iter()
            .find(|resource| is_same(resource, named))
            .map(|resource| Some(resource.as_str()))
            .ok_or(OAuthError::InvalidTarget(
                "the resource was not named in the authorization request",
            )),
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only)),
        (None, _) => Err(OAuthError::InvalidTarget("name one of the resources")),
    }
}

/// Exactly equal; but an origin may come with a slash, as Python's MCP SDK 1.x sends it.
fn is_same(configured: &str, named: &str) -> bool {
    configured == named || (is_origin(configured) && named.strip_suffix('/') == Some(configured))
}

fn is_origin(resource: &str) -> bool {
    resource
        .split_once("://")
        .is_some_and(|(_, rest)| !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_one(name: &str, configured: &str) -> Result<Vec<String>, OAuthError> {
        resolve([name].into_iter(), &[configured.to_owned()])
    }

    #[test]
    fn a_resource_is_compared_exactly() {
        assert!(resolve_one("http://a/mcp", "http://a/mcp").is_ok());
        assert!(resolve_one("http://a/mcp/", "http://a/mcp").is_err());
        assert!(resolve_one("http://b/mcp", "http://a/mcp").is_err());
    }

    #[test]
    fn an_origin_may_come_with_a_slash() {
        assert_eq!(
            resolve_one("http://a:3001/", "http://a:3001"),
            Ok(vec!["http://a:3001".to_owned()])
        );
        assert!(resolve_one("http://a:3001//", "http://a:3001").is_err());
    }

    #[test]
    fn a_token_is_for_a_resource_the_user_agreed_to() {
        let granted = ["http://a".to_owned(), "http://b".to_owned()];

        assert_eq!(choose(Some("http://b"), &granted), Ok(Some("http://b")));
        assert!(choose(Some("http://c"), &granted).is_err());
        assert!(choose(None, &granted).is_err());
        assert_eq!(choose(None, &granted[..1]), Ok(Some("http://a")));
        assert_eq!(choose(None, &[]), Ok(None));
    }
}
