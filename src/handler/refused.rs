//! Calls that are refused before they run: counted, and audited with who made them.
//!
//! `permit` refuses in a call's answer, `transport` over HTTP by a challenge; both come by here, so that
//! an operator finds the one like the other.

use serde_json::Value;

use super::Handler;
use crate::{
    auth::Principal,
    protocol::{Method, Peek},
    scope::Scopes,
    telemetry::{
        audit::{self, RefusedCall},
        spans,
    },
};

/// Why the caller may not make the call.
#[derive(Debug, Clone, Copy)]
pub(super) enum Refused<'a> {
    /// No rule lets it.
    Policy,
    /// It was not granted all of these.
    Scopes(&'a Scopes),
    /// It called too often.
    Rate,
}

impl Handler {
    /// The request is refused over HTTP, with a challenge for the scopes that it needs.
    pub fn challenged(&self, caller: &Principal, method: &Method, peek: &Peek, needed: &Scopes) {
        let name = peek.name.as_ref().and_then(Value::as_str);
        audited(caller, method, name, Refused::Scopes(needed));
    }

    pub(super) fn refused(
        &self,
        caller: &Principal,
        method: &Method,
        name: &str,
        why: Refused<'_>,
    ) {
        self.0.metrics.refused(why.word());
        audited(caller, method, Some(name), why);
    }
}

fn audited(caller: &Principal, method: &Method, name: Option<&str>, why: Refused<'_>) {
    if !audit::is_on() {
        return;
    }
    let scopes = match why {
        Refused::Scopes(needed) => Some(needed.to_string()),
        Refused::Policy | Refused::Rate => None,
    };
    let call = RefusedCall {
        method: method.label(),
        // A resource's URI may say more than a name.
        name: name.filter(|name| spans::can_be_shown(name)),
        reason: why.word(),
        scopes: scopes.as_deref(),
    };
    audit::call_refused(caller.audited(), call);
}

impl Refused<'_> {
    const fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Scopes(_) => "insufficient_scope",
            Self::Rate => "rate",
        }
    }
}
