//! The room's settings: whom we trust, and how much is remembered and asked.

use std::time::Duration;

use super::{CutOffConfig, IssuerConfig};
use crate::{
    metadata::Issuer,
    units::{ByteSize, HumanDuration},
};

/// Settings of the whole room.
#[derive(Debug, Clone)]
pub struct Config {
    /// The authorization server whose tokens are taken. Clients are sent here first.
    pub issuer: IssuerConfig,
    /// More of them, each with its own rules; no two of one name. Default none.
    pub others: Vec<IssuerConfig>,
    /// What is remembered, and for how long.
    pub cache: CacheConfig,
    /// How much is asked at once.
    pub limits: LimitsConfig,
    /// How many callers can be cut off, and for how long.
    pub cut_offs: CutOffConfig,
}

impl Config {
    /// The defaults for one issuer.
    #[must_use]
    pub fn new(issuer: Issuer) -> Self {
        Self {
            issuer: IssuerConfig::new(issuer),
            others: Vec::new(),
            cache: CacheConfig::default(),
            limits: LimitsConfig::default(),
            cut_offs: CutOffConfig::default(),
        }
    }

    /// Every issuer, the first of them first.
    pub fn issuers(&self) -> impl Iterator<Item = &IssuerConfig> {
        std::iter::once(&self.issuer).chain(&self.others)
    }

    /// The place of the issuer that is asked about tokens that name none; `None` where nobody is.
    ///
    /// One and no more: whoever is asked is handed the token, and could use it at the others or say
    /// that it is theirs.
    #[must_use]
    pub fn opaque_issuer(&self) -> Option<usize> {
        self.issuers()
            .position(|issuer| issuer.opaque_tokens && issuer.can_be_asked())
    }
}

/// What is remembered of verified and refused tokens, and for how long.
#[derive(Debug, Clone)]
pub struct CacheConfig {
    /// Memory for verified callers, shared out evenly among the issuers, so that none can push out
    /// the callers of another. The least recently used go first. Default 48 MiB, some 20,000 callers.
    pub bytes_max: ByteSize,
    /// How long an answer of the introspection or userinfo endpoint counts, and so how long a revoked
    /// opaque token may still be taken. A JWT counts until its `exp`, or until its key is withdrawn.
    /// Default 60 s.
    pub answer_ttl: HumanDuration,
    /// How long after an answer its caller is let in though the issuer can't be asked again; never
    /// past the token's end. Zero for not at all. Default 5 min.
    pub stale_if_error: HumanDuration,
    /// How long a refusal is remembered. Short, since a replica of the issuer may just be behind.
    /// Default 10 s.
    pub refusal_ttl: HumanDuration,
    /// Most refusals remembered, some 100 bytes each, shared out in the same way; never at the cost of
    /// verified callers. Default 16,384.
    pub refusals_max: usize,
}

impl CacheConfig {
    /// How long after an answer a caller may be relied on at most.
    pub(super) fn relied_on_for(&self) -> Duration {
        self.answer_ttl.max(self.stale_if_error).get()
    }

    /// The part of it that each of so many issuers gets.
    pub(super) fn share(&self, issuers: usize) -> Self {
        let issuers = issuers.max(1);
        Self {
            bytes_max: ByteSize::from_bytes(self.bytes_max.bytes() / issuers),
            refusals_max: (self.refusals_max / issuers).max(1),
            ..self.clone()
        }
    }
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            bytes_max: ByteSize::from_mib(48),
            answer_ttl: HumanDuration::from_secs(60),
            stale_if_error: HumanDuration::from_secs(300),
            refusal_ttl: HumanDuration::from_secs(10),
            refusals_max: 16_384,
        }
    }
}

/// How much may be asked of each issuer at once. Beyond, a caller gets a 503 with `Retry-After`.
#[derive(Debug, Clone)]
pub struct LimitsConfig {
    /// Callers waiting for a verdict, however few tokens they share. At least one; default 8,192.
    pub waiters_max: usize,
    /// Tokens being examined or waiting to be. At least one; default 2,048.
    pub tokens_max: usize,
    /// Questions to the authorization server under way. At least one; default 64. A quarter of these,
    /// of the tokens' and of the waiting callers' places is kept for callers verified before.
    pub upstream_max: usize,
    /// Questions a second about tokens never verified before, which anybody can make up. At least one;
    /// default 50.
    pub upstream_per_second: u32,
    /// Questions under way about tokens that keep a stream or a call open, of all issuers together: they
    /// are asked about again at the pace of [`CacheConfig::answer_ttl`]. At least one; default 16.
    pub rechecks_max: usize,
    /// How long a caller waits for a verdict, queueing and asking. Above zero; default 3 s.
    pub verdict_within: HumanDuration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            waiters_max: 8_192,
            tokens_max: 2_048,
            upstream_max: 64,
            upstream_per_second: 50,
            rechecks_max: 16,
            verdict_within: HumanDuration::from_secs(3),
        }
    }
}
