//! One cut-off: whose tokens, and which of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{auth::Principal, telemetry::audit, time::Timestamp};

/// Whether a caller's token is from before a moment. One that was issued in that very second and not
/// seen yet may be from after it, and is taken for that: who signs in at once is let in.
pub(super) fn is_from_before(caller: &Principal, second: Timestamp, moment: Instant) -> bool {
    caller.issued_at().is_some_and(|issued| issued < second)
        || caller.first_seen().is_none_or(|seen| seen < moment)
}

/// Whose tokens are meant: all parts that are given have to match, each to the character.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whom {
    /// Who vouches for them; every issuer without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The agent; every agent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The user, by the token's `sub` or whatever the issuer's rules take for it; every user without
    /// one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// What is to be refused from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    /// Whose tokens.
    pub whom: Whom,
    /// Those that were issued before this second.
    pub issued_before: Timestamp,
    /// And those that were seen here before this moment, whatever they say: it is the same one, by a
    /// clock that is not the issuer's.
    pub seen_before: Instant,
    /// And all others, for so long.
    pub ban: Option<Duration>,
}

/// A cut-off that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOffSummary {
    /// Whose tokens are refused.
    #[serde(flatten)]
    pub whom: Whom,
    /// Those issued before then, in seconds since the epoch.
    pub issued_before: u64,
    /// Until when all others are too, in seconds since the epoch; nothing where they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned_until: Option<u64>,
    /// When it is forgotten, in seconds since the epoch.
    pub ends_at: u64,
}

impl Whom {
    /// Whether a caller is meant.
    #[must_use]
    pub fn is(&self, caller: &Principal) -> bool {
        let fits = |wanted: &Option<String>, is: Option<&str>| match wanted {
            None => true,
            Some(wanted) => is == Some(wanted),
        };
        fits(&self.issuer, Some(caller.issuer()))
            && fits(&self.client_id, caller.client_id())
            && (fits(&self.subject, Some(caller.subject()))
                || fits(&self.subject, caller.sub_claim()))
    }

    /// Whom it is about, for the audit log.
    #[must_use]
    pub fn audited(&self) -> audit::Shut<'_> {
        audit::Shut {
            issuer: self.issuer.as_deref(),
            client_id: self.client_id.as_deref(),
            subject: self.subject.as_deref(),
        }
    }

    /// Whether nobody is left out.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.issuer.is_none() && self.client_id.is_none() && self.subject.is_none()
    }
}

impl CutOff {
    /// The tokens that `whom` has got before `then`, which is not later than `now`.
    #[must_use]
    pub fn before(then: Timestamp, whom: Whom, now: Timestamp) -> Self {
        let (present, ago) = (Instant::now(), now.since(then));
        Self {
            whom,
            issued_before: then.min(now),
            seen_before: present.checked_sub(ago).unwrap_or(present),
            ban: None,
        }
    }

    /// And every later one, for so long.
    #[must_use]
    pub fn and_ban_for(mut self, ban: Duration) -> Self {
        self.ban = Some(ban);
        self
    }

    /// Whether it refuses the token that this caller has shown.
    #[must_use]
    pub fn refuses(&self, caller: &Principal) -> bool {
        self.whom.is(caller) && (self.ban.is_some() || self.is_younger_than(caller))
    }

    fn is_younger_than(&self, caller: &Principal) -> bool {
        is_from_before(caller, self.issued_before, self.seen_before)
    }
}
