//! A caller as one node tells another: who it is, and never its token.
//!
//! The node that verified the token vouches for it. A moment in the past is told by how long ago it was,
//! since clocks that only run forward differ from machine to machine.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{
    Identity, Method, Principal,
    principal::{Issuance, Vouched},
};
use crate::time::Timestamp;

/// See the file's head.
#[derive(Serialize, Deserialize)]
pub struct Carried<'a> {
    issuer: Cow<'a, str>,
    subject: Cow<'a, str>,
    client_id: Option<Cow<'a, str>>,
    audiences: Cow<'a, [String]>,
    scopes: String,
    /// In seconds since the epoch.
    expires_at: Option<u64>,
    ends_at: Option<u64>,
    verified_by: Cow<'a, str>,
    claims: Cow<'a, Map<String, Value>>,
    /// In milliseconds.
    first_seen_ago: Option<u64>,
    verified_ago: u64,
}

/// What was carried names no caller that could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a caller")]
pub struct NotACaller;

impl<'a> Carried<'a> {
    /// Of a caller that was verified here.
    #[must_use]
    pub fn of(caller: &'a Principal) -> Self {
        Self {
            issuer: caller.issuer().into(),
            subject: caller.subject().into(),
            client_id: caller.client_id().map(Cow::from),
            audiences: caller.audiences().into(),
            scopes: caller.scopes().to_string(),
            expires_at: caller.expires_at().map(Timestamp::as_unix_seconds),
            ends_at: caller.ends_at().map(Timestamp::as_unix_seconds),
            verified_by: caller.verified_by().as_str().into(),
            claims: Cow::Borrowed(caller.claims()),
            first_seen_ago: caller.first_seen().map(|seen| milliseconds(seen.elapsed())),
            verified_ago: milliseconds(caller.age()),
        }
    }

    /// The caller, as the other node knows it.
    ///
    /// # Errors
    /// [`NotACaller`] for what no node of this version writes.
    pub fn into_principal(self) -> Result<Principal, NotACaller> {
        let verified_by = [Method::Jwt, Method::Introspection, Method::Userinfo]
            .into_iter()
            .find(|method| method.as_str() == self.verified_by)
            .ok_or(NotACaller)?;
        let identity = Identity {
            issuer: self.issuer.into_owned(),
            subject: self.subject.into_owned(),
            client_id: self.client_id.map(Cow::into_owned),
            audiences: self.audiences.into_owned(),
            scopes: self.scopes.parse().map_err(|_no_scopes| NotACaller)?,
            expires_at: self.expires_at.map(Timestamp::from_unix_seconds),
            verified_by,
            claims: self.claims.into_owned(),
        };
        let issuance = Issuance::of(&identity, self.first_seen_ago.and_then(ago));
        Ok(Principal::vouched(
            identity,
            Vouched {
                ends_at: self.ends_at.map(Timestamp::from_unix_seconds),
                issuance,
                verified_at: ago(self.verified_ago).unwrap_or_else(Instant::now),
            },
        ))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// So long ago; nothing for a moment before this machine's first.
fn ago(milliseconds: u64) -> Option<Instant> {
    Instant::now().checked_sub(Duration::from_millis(milliseconds))
}

/// Claims are personal data: `Debug` tells nothing of them.
impl fmt::Debug for Carried<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Carried(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scopes;

    #[test]
    fn a_caller_is_the_same_on_the_other_node() {
        let claims = serde_json::json!({ "sub": "alice", "iat": 1_000, "x": [1, 2] });
        let caller = Principal::new(Identity {
            issuer: "https://i".to_owned(),
            subject: "alice".to_owned(),
            client_id: Some("agent".to_owned()),
            audiences: vec!["https://r".to_owned()],
            scopes: "openid mcp:tools".parse().unwrap(),
            expires_at: Some(Timestamp::from_unix_seconds(2_000)),
            verified_by: Method::Jwt,
            claims: claims.as_object().unwrap().clone(),
        });

        let text = serde_json::to_string(&Carried::of(&caller)).unwrap();
        let carried: Carried<'static> = serde_json::from_str(&text).unwrap();
        let there = carried.into_principal().unwrap();

        assert_eq!(there.owner(), caller.owner());
        assert_eq!(there.claims(), caller.claims());
        assert_eq!(there.issued_at(), caller.issued_at());
        assert_eq!(there.expires_at(), caller.expires_at());
        assert_eq!(there.ends_at(), caller.ends_at());
        assert!(there.scopes().covers(caller.scopes()) && caller.scopes().covers(there.scopes()));
        assert!(!there.scopes().covers(&"other".parse::<Scopes>().unwrap()));
    }

    #[test]
    fn what_no_node_writes_is_no_caller() {
        let caller = serde_json::json!({
            "issuer": "i", "subject": "s", "client_id": null, "audiences": [], "scopes": "",
            "expires_at": null, "ends_at": null, "verified_by": "guess", "claims": {},
            "first_seen_ago": null, "verified_ago": 0,
        });

        let carried: Carried<'static> = serde_json::from_value(caller).unwrap();

        assert_eq!(carried.into_principal().unwrap_err(), NotACaller);
    }
}
