//! Protocol versions, and what each allows. The one place where a version is decided.
//!
//! Versions up to 2025-11-25 are *legacy*: a session opened by `initialize`. From 2026-07-28 on they
//! are *modern*: every request names its version in `_meta`, and there is no session.

use std::{fmt, str::FromStr};

/// A dated revision of MCP, in order of age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// 2024-11-05: HTTP+SSE.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP; the only one with batches.
    V2025_03_26,
    /// 2025-06-18: the `MCP-Protocol-Version` header; no batches any more.
    V2025_06_18,
    /// 2025-11-25: resumable POST streams with priming events.
    V2025_11_25,
    /// 2026-07-28: no sessions; version, capabilities and client in every request's `_meta`.
    V2026_07_28,
}

/// A version we do not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unsupported protocol version")]
pub struct UnsupportedVersion(());

impl ProtocolVersion {
    /// Every version served, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// What a Streamable HTTP request without the header speaks (2025-06-18, transports).
    pub const WITHOUT_HEADER: Self = Self::V2025_03_26;

    /// The newest version with a session.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;

    /// As it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether requests stand alone: no `initialize`, no session.
    #[must_use]
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// Whether a body may hold several messages.
    #[must_use]
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }

    /// What `initialize` answers to a client that asked for `requested`: the same where it has
    /// sessions, else the newest that has them (2025-11-25, lifecycle).
    #[must_use]
    pub fn negotiate(requested: &str) -> Self {
        requested
            .parse()
            .ok()
            .filter(|version: &Self| !version.is_modern())
            .unwrap_or(Self::NEWEST_LEGACY)
    }
}

impl FromStr for ProtocolVersion {
    type Err = UnsupportedVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|version| version.as_str() == text)
            .ok_or(UnsupportedVersion(()))
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legacy_version_is_answered_with_itself() {
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            assert_eq!(ProtocolVersion::negotiate(version).as_str(), version);
        }
    }

    #[test]
    fn initialize_never_negotiates_a_version_without_sessions() {
        for requested in ["2026-07-28", "1999-01-01", ""] {
            assert_eq!(
                ProtocolVersion::negotiate(requested),
                ProtocolVersion::V2025_11_25
            );
        }
    }
}
