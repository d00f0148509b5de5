//! Scopes: the one word of OAuth that four rooms share (RFC 6749 §3.3).
//!
//! `auth` reads them from tokens, `metadata` advertises them, `handler` asks for them, `idp` grants
//! them. A [`Scope`] can only hold what the grammar allows; a [`Scopes`] is a set.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One scope token: printable ASCII without space, `"` and `\` (RFC 6749 §3.3, at most 256 bytes here).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Box<str>);

/// Longest scope token that is read, in bytes. The RFC names no limit.
pub const SCOPE_BYTES_MAX: usize = 256;

/// Why a text is no scope token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope is 1 to {SCOPE_BYTES_MAX} printable ASCII characters without space, quote or backslash"
)]
pub struct ScopeError(());

impl Scope {
    /// The scope as it is written on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
        let allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        if text.is_empty() || text.len() > SCOPE_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(ScopeError(()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Scope tokens joined by single spaces, order without meaning (RFC 6749 §3.3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// No scope at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(BTreeSet::new())
    }

    /// Reads what a token or a request says, leaving out what is no scope token: a stranger's odd
    /// scope grants nothing, and is no reason to refuse the rest.
    #[must_use]
    pub fn lenient(text: &str) -> Self {
        Self(
            text.split(' ')
                .filter_map(|token| token.parse().ok())
                .collect(),
        )
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Whether every one of `needed` is among them.
    #[must_use]
    pub fn covers(&self, needed: &Self) -> bool {
        needed.0.is_subset(&self.0)
    }

    /// Those of `self` that are also in `other`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }

    /// All of `self` and of `other`.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Adds one.
    pub fn insert(&mut self, scope: Scope) {
        self.0.insert(scope);
    }

    /// In alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

/// Strict: what an operator wrote must be a scope list in full.
impl FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split_ascii_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            formatter.write_str(&scope.0)?;
        }
        Ok(())
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::lenient(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set_written_in_order() {
        let scopes: Scopes = "profile openid  profile".parse().unwrap();

        assert_eq!(scopes.to_string(), "openid profile");
    }

    #[test]
    fn a_scope_with_a_quote_or_a_control_character_is_none() {
        for text in ["", "a\"b", "a\\b", "a\nb", "ä", "a b"] {
            assert!(text.parse::<Scope>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn what_is_no_scope_grants_nothing_and_spoils_nothing() {
        assert_eq!(
            Scopes::lenient("openid b\"d profile").to_string(),
            "openid profile"
        );
    }

    #[test]
    fn covering_means_every_one() {
        let held: Scopes = "openid profile".parse().unwrap();

        assert!(held.covers(&"openid".parse().unwrap()));
        assert!(held.covers(&Scopes::none()));
        assert!(!held.covers(&"openid email".parse().unwrap()));
    }
}
