//! May this caller do this? Judged on every request, from a verified principal, and never remembered:
//! the cache holds who a caller is, and K25 is what happens when it holds more.

use super::{AuthError, IssuerConfig, Method, Principal, Reason};
use crate::scope::Scopes;

/// The audiences a token for this server may name, made once at start.
#[derive(Debug, Clone, Default)]
pub struct Audiences {
    accepted: Box<[String]>,
    issuers: Vec<OfIssuer>,
}

/// What holds for one issuer's tokens only.
#[derive(Debug, Clone)]
struct OfIssuer {
    issuer: String,
    accepted: Box<[String]>,
    introspection_may_name_none: bool,
}

impl Audiences {
    /// These, each to the character (RFC 8707 §2, RFC 9068 §4), whoever issued the token.
    #[must_use]
    pub fn new(accepted: impl IntoIterator<Item = String>) -> Self {
        Self {
            accepted: accepted.into_iter().collect(),
            issuers: Vec::new(),
        }
    }

    /// Adds what an issuer's settings say about its own tokens: more audiences, and whether one that
    /// was introspected may name none at all, as Logto's don't. Such a token may have been meant for
    /// anybody: whoever is handed one can use it here.
    #[must_use]
    pub fn with_issuer(mut self, issuer: &IssuerConfig) -> Self {
        self.issuers.push(OfIssuer {
            issuer: issuer.issuer.to_string(),
            accepted: issuer.audiences.clone().into(),
            introspection_may_name_none: issuer.introspection_without_audience,
        });
        self
    }

    /// Those accepted of this issuer's tokens.
    pub fn of(&self, issuer: &str) -> impl Iterator<Item = &str> {
        let own = self.rules(issuer).map(|rules| &*rules.accepted);
        let all = self.accepted.iter().chain(own.unwrap_or_default());
        all.map(String::as_str)
    }

    fn rules(&self, issuer: &str) -> Option<&OfIssuer> {
        self.issuers.iter().find(|rules| rules.issuer == issuer)
    }

    fn check(&self, principal: &Principal) -> Result<(), Reason> {
        let named = principal.audiences();
        let issuer = principal.issuer();
        if self
            .of(issuer)
            .any(|ours| named.iter().any(|audience| audience == ours))
        {
            return Ok(());
        }
        let may_name_none = || {
            let rules = self.rules(issuer);
            rules.is_some_and(|rules| rules.introspection_may_name_none)
        };
        match principal.verified_by() {
            // Userinfo can't prove an audience, which is why it has to be chosen by name.
            Method::Userinfo => Ok(()),
            Method::Introspection if named.is_empty() && may_name_none() => Ok(()),
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

    const ISSUER: &str = "https://issuer";

    fn principal(verified_by: Method, audiences: &[&str], scopes: &str) -> Principal {
        of_issuer(ISSUER, verified_by, audiences, scopes)
    }

    fn of_issuer(issuer: &str, verified_by: Method, audiences: &[&str], scopes: &str) -> Principal {
        Principal::new(Identity {
            issuer: issuer.to_owned(),
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
        let mut rules = IssuerConfig::new(ISSUER.parse().unwrap());
        rules.introspection_without_audience = true;
        let lenient = ours().with_issuer(&rules);
        let ask = |issuer, method, audiences: &[&str]| {
            let caller = of_issuer(issuer, method, audiences, "");
            judge(&caller, &lenient, &Scopes::none())
        };

        assert_eq!(ask(ISSUER, Method::Introspection, &[]), Ok(()));
        assert!(ask(ISSUER, Method::Introspection, &["https://other"]).is_err());
        assert!(ask(ISSUER, Method::Jwt, &[]).is_err());
        let elsewhere = ask("https://elsewhere", Method::Introspection, &[]);
        assert_eq!(elsewhere, Err(Reason::NoAudience.into()));
    }

    // K13, with several issuers
    #[test]
    fn an_audience_of_one_issuer_is_none_of_another() {
        let mut rules = IssuerConfig::new(ISSUER.parse().unwrap());
        rules.audiences = vec!["urn:notes".to_owned()];
        let audiences = ours().with_issuer(&rules);
        let ask = |issuer, audience| {
            let caller = of_issuer(issuer, Method::Jwt, &[audience], "");
            judge(&caller, &audiences, &Scopes::none())
        };

        for issuer in [ISSUER, "https://elsewhere"] {
            assert_eq!(ask(issuer, "https://h/mcp"), Ok(()));
        }
        assert_eq!(ask(ISSUER, "urn:notes"), Ok(()));
        let wrong = Err(Reason::WrongAudience.into());
        assert_eq!(ask("https://elsewhere", "urn:notes"), wrong);
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
