//! May this caller do this? Judged on every request, from a verified principal, and never remembered:
//! the cache holds who a caller is, and K25 is what happens when it holds more.

use super::{AuthError, Method, Principal, Reason};
use crate::scope::Scopes;

/// The audiences a token for this server may name, made once at start.
#[derive(Debug, Clone, Default)]
pub struct Audiences {
    accepted: Box<[String]>,
    introspection_may_name_none: bool,
}

impl Audiences {
    /// These, each to the character (RFC 8707 §2, RFC 9068 §4).
    #[must_use]
    pub fn new(accepted: impl IntoIterator<Item = String>) -> Self {
        Self {
            accepted: accepted.into_iter().collect(),
            introspection_may_name_none: false,
        }
    }

    /// Takes opaque tokens whose introspection names no audience at all, as Logto's does. Such a
    /// token may have been meant for anybody: whoever is handed one can use it here.
    #[must_use]
    pub fn or_none_by_introspection(mut self, allowed: bool) -> Self {
        self.introspection_may_name_none = allowed;
        self
    }

    /// Those accepted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.accepted.iter().map(String::as_str)
    }

    fn check(&self, principal: &Principal) -> Result<(), Reason> {
        let named = principal.audiences();
        if named
            .iter()
            .any(|audience| self.accepted.contains(audience))
        {
            return Ok(());
        }
        match principal.verified_by() {
            // Userinfo can't prove an audience, which is why it has to be chosen by name.
            Method::Userinfo => Ok(()),
            Method::Introspection if named.is_empty() && self.introspection_may_name_none => Ok(()),
            Method::Jwt | Method::Introspection if named.is_empty() => Err(Reason::NoAudience),
            Method::Jwt | Method::Introspection => Err(Reason::WrongAudience),
        }
    }
}

/// Whether the caller's token is for this server and covers what is `required`.
///
/// # Errors
/// [`Reason::NoAudience`] or [`Reason::WrongAudience`]; [`AuthError::InsufficientScope`] with all of
/// `required`.
pub fn judge(
    principal: &Principal,
    audiences: &Audiences,
    required: &Scopes,
) -> Result<(), AuthError> {
    audiences.check(principal)?;
    if principal.scopes().covers(required) {
        return Ok(());
    }
    Err(AuthError::InsufficientScope {
        needed: required.clone(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::auth::Identity;

    fn principal(verified_by: Method, audiences: &[&str], scopes: &str) -> Principal {
        Principal::new(Identity {
            issuer: "https://issuer".to_owned(),
            subject: "alice".to_owned(),
            client_id: Some("agent".to_owned()),
            audiences: audiences.iter().map(|text| (*text).to_owned()).collect(),
            scopes: scopes.parse().unwrap(),
            expires_at: None,
            verified_by,
            claims: Map::new(),
        })
    }

    fn ours() -> Audiences {
        Audiences::new(["https://h/mcp".to_owned()])
    }

    fn verdict(verified_by: Method, audiences: &[&str]) -> Result<(), AuthError> {
        judge(
            &principal(verified_by, audiences, ""),
            &ours(),
            &Scopes::none(),
        )
    }

    // K13
    #[test]
    fn a_token_must_name_this_server_among_its_audiences() {
        for method in [Method::Jwt, Method::Introspection] {
            let wrong = Err(Reason::WrongAudience.into());

            assert_eq!(verdict(method, &["https://h/mcp"]), Ok(()));
            assert_eq!(verdict(method, &["https://other", "https://h/mcp"]), Ok(()));
            assert_eq!(verdict(method, &[]), Err(Reason::NoAudience.into()));
            assert_eq!(verdict(method, &["https://other"]), wrong);
            assert_eq!(verdict(method, &["https://h/mcp/"]), wrong);
            assert_eq!(verdict(method, &["agent"]), wrong);
        }
    }

    #[test]
    fn userinfo_proves_no_audience_and_is_asked_for_none() {
        assert_eq!(verdict(Method::Userinfo, &[]), Ok(()));
    }

    #[test]
    fn introspection_without_an_audience_passes_only_where_that_is_allowed() {
        let lenient = ours().or_none_by_introspection(true);
        let ask = |method, audiences: &[&str]| {
            judge(&principal(method, audiences, ""), &lenient, &Scopes::none())
        };

        assert_eq!(ask(Method::Introspection, &[]), Ok(()));
        assert!(ask(Method::Introspection, &["https://other"]).is_err());
        assert!(ask(Method::Jwt, &[]).is_err());
    }

    // K22
    #[test]
    fn a_missing_scope_is_told_with_all_that_are_needed() {
        let caller = principal(Method::Jwt, &["https://h/mcp"], "notes:read");
        let needed: Scopes = "notes:read notes:write".parse().unwrap();

        assert_eq!(
            judge(&caller, &ours(), &needed),
            Err(AuthError::InsufficientScope { needed })
        );
        assert_eq!(
            judge(&caller, &ours(), &"notes:read".parse().unwrap()),
            Ok(())
        );
    }
}
