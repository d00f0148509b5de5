//! One token, looked at through every check that verification makes, for people who wonder why it is
//! refused.
//!
//! [`Verifier::inspect`](super::Verifier::inspect) is the way in. Verification stops at the first
//! check that fails; an inspection goes on, and says of each what was seen. It runs the same rules, so
//! what it says of a token as a whole is what the server says to it. It remembers nothing and believes
//! no cache, and never holds the token or its signature.

mod seen;

use std::{fmt, future::Future, time::Duration};

use tokio::time::timeout;

use super::{
    Audiences, AuthError, Check, Identity, Method, Principal, Reason,
    claims::{self, Claims},
    judge,
    jwt::{Jwt, Signature},
    key_set::KeySet,
    questions::Asker,
    trusted_issuer::TrustedIssuer,
};
use crate::scope::Scopes;

/// What came of it.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// By whose rules it was looked at; `None` where it is nobody's.
    pub issuer: Option<String>,
    /// How it was verified; `None` where it can't be.
    pub method: Option<Method>,
    /// Each check in the order of verification.
    pub findings: Vec<Finding>,
}

/// One check.
#[derive(Clone)]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// What came of it.
    pub outcome: Outcome,
    /// What was seen, in a line for people; may hold claims, with nothing a terminal would obey.
    pub seen: String,
}

/// How a check went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// This is what a caller with the token is refused for, if no check before it failed.
    Failed(AuthError),
    /// It could not be looked at, because of a check that failed.
    Skipped,
}

/// What the checks lead up to.
struct Examined {
    method: Option<Method>,
    identity: Option<Identity>,
}

impl Inspection {
    /// What the server says to the token: the first check that failed.
    ///
    /// # Errors
    /// What a caller with the token is refused for.
    pub fn verdict(&self) -> Result<(), &AuthError> {
        let failed = self
            .findings
            .iter()
            .find_map(|finding| match &finding.outcome {
                Outcome::Failed(error) => Some(error),
                Outcome::Passed | Outcome::Skipped => None,
            });
        failed.map_or(Ok(()), Err)
    }

    /// Of what is no bearer token at all.
    #[must_use]
    pub fn of_none(error: AuthError) -> Self {
        let mut inspection = Self::begun(None);
        inspection.failed(Check::Form, error, "no bearer token".to_owned());
        inspection
    }

    /// Of a token that no issuer's rules are for.
    pub(super) fn of_nobodys(reason: Reason, named: Option<&str>) -> Self {
        let mut inspection = Self::begun(None);
        let seen = match named {
            Some(named) => format!("names the issuer {}", seen::text(named)),
            None => "names no issuer".to_owned(),
        };
        inspection.failed(Check::Route, reason.into(), seen);
        inspection
    }

    /// Looks at a token by one issuer's rules, and asks that issuer for no longer than `within` at a
    /// time.
    pub(super) async fn of(
        issuer: &TrustedIssuer,
        token: &str,
        within: Duration,
        audiences: &Audiences,
        required: &Scopes,
    ) -> Self {
        let mut inspection = Self::begun(Some(issuer.config().issuer.to_string()));
        let Examined { method, identity } = match issuer.method_for(token) {
            Ok(Method::Jwt) => inspection.look_at_jwt(issuer, token, within).await,
            Ok(method) => inspection.ask(issuer, method, token, within).await,
            Err(reason) => {
                let seen = format!("{} characters that are no JWT", token.len());
                inspection.failed(Check::Form, reason.into(), seen);
                Examined::nothing(None)
            }
        };
        inspection.method = method;
        if let Some(identity) = identity {
            inspection.judge(identity, audiences, required);
        } else {
            inspection.skipped(Check::Audience);
            inspection.skipped(Check::Scopes);
        }
        inspection
    }

    fn begun(issuer: Option<String>) -> Self {
        Self {
            issuer,
            method: None,
            findings: Vec::new(),
        }
    }

    async fn look_at_jwt(
        &mut self,
        issuer: &TrustedIssuer,
        token: &str,
        within: Duration,
    ) -> Examined {
        let (method, now) = (Some(Method::Jwt), issuer.now());
        let jwt = match Jwt::parse(token) {
            Ok(jwt) => jwt,
            Err(reason) => {
                let seen = "no three parts of base64url, the first two JSON objects";
                self.failed(Check::Form, reason.into(), seen.to_owned());
                return Examined::nothing(method);
            }
        };
        self.passed(Check::Form, "a JWT".to_owned());
        let rules = issuer.config();
        let mut header_is_good = true;
        for (check, outcome) in jwt.checks(rules, now) {
            let is_of_key = matches!(check, Check::Algorithm | Check::KeyId);
            header_is_good &= outcome.is_ok() || !is_of_key;
            let seen = seen::of_jwt(check, &jwt, rules, now);
            self.found(check, outcome, seen);
        }
        if !header_is_good {
            self.skipped(Check::Signature);
            return Examined::nothing(method);
        }
        let found = bounded(within, issuer.signature(&jwt)).await;
        self.look_at_signature(issuer, &jwt, found.map(|(signature, _)| signature));
        // What nobody signed is no identity to judge: it would only look like an answer.
        let identity = self.verdict().is_ok();
        Examined {
            method,
            identity: identity.then(|| jwt.into_identity(rules).ok()).flatten(),
        }
    }

    fn look_at_signature(
        &mut self,
        issuer: &TrustedIssuer,
        jwt: &Jwt<'_>,
        found: Result<Signature, AuthError>,
    ) {
        let keys = issuer.keys().at_hand();
        let ids: Vec<_> = keys.iter().flat_map(|edition| ids(&edition.keys)).collect();
        let seen = seen::keys(jwt.header("kid"), &ids);
        match found {
            Ok(Signature::Good(_)) => self.passed(Check::Signature, seen),
            Ok(Signature::Bad(reason)) => self.failed(Check::Signature, reason.into(), seen),
            Ok(Signature::UnknownKey) => {
                self.failed(Check::Signature, Reason::UnknownKey.into(), seen);
            }
            Err(error) => self.failed(Check::Signature, error, trouble(issuer)),
        }
    }

    async fn ask(
        &mut self,
        issuer: &TrustedIssuer,
        method: Method,
        token: &str,
        within: Duration,
    ) -> Examined {
        let asked = match method {
            Method::Userinfo => bounded(within, issuer.ask_userinfo(token, Asker::Known)).await,
            _ => bounded(within, issuer.ask_introspection(token, Asker::Known)).await,
        };
        let claims = match asked {
            Ok(claims) => claims,
            Err(error) => {
                let seen = match error {
                    AuthError::Unavailable { .. } => trouble(issuer),
                    _ => format!("{} says no", seen::endpoint(method)),
                };
                self.failed(Check::Answer, error, seen);
                return Examined::nothing(Some(method));
            }
        };
        let seen = format!("{} says yes", seen::endpoint(method));
        self.passed(Check::Answer, seen);
        self.look_at_claims(issuer, method, &claims);
        let rules = issuer.config();
        let is_good = self.verdict().is_ok();
        let identity = is_good.then(|| claims::identity(claims, rules, method).ok());
        Examined {
            method: Some(method),
            identity: identity.flatten(),
        }
    }

    fn look_at_claims(&mut self, issuer: &TrustedIssuer, method: Method, claims: &Claims) {
        let (rules, now) = (issuer.config(), issuer.now());
        if method == Method::Introspection {
            let seen = seen::of_claims(Check::Issuer, claims, rules, now);
            self.found(Check::Issuer, issuer.is_named_in(claims), seen);
        }
        for (check, rule) in claims::RULES {
            let is_date = matches!(check, Check::Expiry | Check::NotBefore | Check::IssuedAt);
            // Userinfo has no date of the token: one that is there says something else.
            if is_date && method == Method::Userinfo {
                continue;
            }
            let seen = seen::of_claims(*check, claims, rules, now);
            self.found(*check, rule(claims, rules, now), seen);
        }
    }

    /// Audience and scopes, by the very judge of every request.
    fn judge(&mut self, identity: Identity, audiences: &Audiences, required: &Scopes) {
        let principal = Principal::new(identity);
        let seen = seen::audience(&principal, audiences);
        match judge(&principal, audiences, &Scopes::none()) {
            Ok(()) => self.passed(Check::Audience, seen),
            Err(error) => self.failed(Check::Audience, error, seen),
        }
        let seen = seen::scopes(principal.scopes(), required);
        if principal.scopes().covers(required) {
            self.passed(Check::Scopes, seen);
        } else {
            let needed = required.clone();
            self.failed(Check::Scopes, AuthError::InsufficientScope { needed }, seen);
        }
    }

    fn found(&mut self, check: Check, outcome: Result<(), Reason>, seen: String) {
        match outcome {
            Ok(()) => self.passed(check, seen),
            Err(reason) => self.failed(check, reason.into(), seen),
        }
    }

    fn passed(&mut self, check: Check, seen: String) {
        self.push(check, Outcome::Passed, seen);
    }

    fn failed(&mut self, check: Check, error: AuthError, seen: String) {
        self.push(check, Outcome::Failed(error), seen);
    }

    fn skipped(&mut self, check: Check) {
        self.push(check, Outcome::Skipped, "not looked at".to_owned());
    }

    fn push(&mut self, check: Check, outcome: Outcome, seen: String) {
        let finding = Finding {
            check,
            outcome,
            seen,
        };
        match self.findings.last_mut() {
            // Of a JWT's expiry two things are asked, one after the other.
            Some(last) if last.check == check && last.outcome == Outcome::Passed => *last = finding,
            Some(last) if last.check == check => {}
            _ => self.findings.push(finding),
        }
    }
}

impl Examined {
    fn nothing(method: Option<Method>) -> Self {
        Self {
            method,
            identity: None,
        }
    }
}

/// What is seen are claims, which are personal data.
impl fmt::Debug for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Finding")
            .field("check", &self.check)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

fn ids(keys: &KeySet) -> impl Iterator<Item = String> {
    keys.ids().map(str::to_owned)
}

/// Why the issuer could not be asked, as far as that is known.
fn trouble(issuer: &TrustedIssuer) -> String {
    let known = issuer.trouble();
    known.unwrap_or_else(|| "the issuer gave no answer that says anything".to_owned())
}

async fn bounded<T>(
    within: Duration,
    asking: impl Future<Output = Result<T, AuthError>>,
) -> Result<T, AuthError> {
    let in_time = timeout(within, asking).await;
    in_time.unwrap_or(Err(AuthError::unavailable()))
}
