//! Grants, and the codes and tokens that stand for them.
//!
//! A grant is one answer of a user to one client. Its code, access tokens and refresh tokens die
//! with it, which is how a replayed code or refresh token, or a revocation, takes all of them
//! (RFC 9700 §4.5 and §4.14, RFC 7009 §2.1). Pure state: no HTTP, no signature, no clock of its own.

use std::collections::BTreeSet;

use super::{
    config::{Lifetimes, Limits},
    error::OAuthError,
    pkce::Challenge,
    random::{self, Digest},
    table::Table,
};
use crate::{scope::Scopes, time::Timestamp};

/// Names a grant inside this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct GrantId(u64);

/// What a user agreed to.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) scopes: Scopes,
    /// Resource indicators, as configured.
    pub(super) resources: Vec<String>,
    /// When the user last gave the password.
    pub(super) auth_time: Timestamp,
    /// For the ID token.
    pub(super) nonce: Option<String>,
}

/// What has to fit when a code is exchanged.
#[derive(Debug)]
pub(super) struct CodeTerms {
    pub(super) redirect_uri: String,
    pub(super) challenge: Challenge,
}

#[derive(Debug)]
struct Code {
    grant: GrantId,
    terms: CodeTerms,
    used: bool,
    expires_at: Timestamp,
}

#[derive(Debug)]
struct RefreshToken {
    grant: GrantId,
    used_at: Option<Timestamp>,
    expires_at: Timestamp,
}

/// What an access token, of either kind, stands for.
#[derive(Debug, Clone)]
pub(super) struct AccessToken {
    pub(super) grant: GrantId,
    pub(super) scopes: Scopes,
    /// The resource it is for; none for an opaque token.
    pub(super) resource: Option<String>,
    pub(super) issued_at: Timestamp,
    pub(super) expires_at: Timestamp,
}

/// All grants with their codes and tokens.
#[derive(Debug)]
pub(super) struct Grants {
    lifetimes: Lifetimes,
    by_id: Table<GrantId, Grant>,
    codes: Table<Digest, Code>,
    access_tokens: Table<Digest, AccessToken>,
    refresh_tokens: Table<Digest, RefreshToken>,
    last_id: u64,
}

impl Grants {
    pub(super) fn new(limits: &Limits, lifetimes: &Lifetimes) -> Self {
        Self {
            lifetimes: lifetimes.clone(),
            by_id: Table::new(limits.grants),
            codes: Table::new(limits.codes),
            access_tokens: Table::new(limits.access_tokens),
            refresh_tokens: Table::new(limits.refresh_tokens),
            last_id: 0,
        }
    }

    /// Keeps a grant and makes its code.
    pub(super) fn issue_code(
        &mut self,
        now: Timestamp,
        grant: Grant,
        terms: CodeTerms,
    ) -> Result<String, OAuthError> {
        self.last_id += 1;
        let id = GrantId(self.last_id);
        let expires_at = now.plus(self.lifetimes.code.get());
        // A code is remembered longer than it is good, so that its second use is recognised.
        let forgotten_at = expires_at.plus(self.lifetimes.transaction.get());
        let code = random::token()?;
        let entry = Code {
            grant: id,
            terms,
            used: false,
            expires_at,
        };
        self.by_id.insert(now, id, grant, forgotten_at)?;
        self.codes
            .insert(now, Digest::of(&code), entry, forgotten_at)?;
        Ok(code)
    }

    /// Exchanges a code, once: whatever is wrong with the request, the code is used up.
    pub(super) fn redeem_code(
        &mut self,
        now: Timestamp,
        code: &str,
        client_id: &str,
        redirect_uri: Option<&str>,
        verifier: &str,
    ) -> Result<(GrantId, Grant), OAuthError> {
        let entry = self
            .codes
            .get_mut(now, &Digest::of(code))
            .ok_or(OAuthError::InvalidGrant)?;
        let id = entry.grant;
        if entry.used {
            self.revoke(now, id);
            return Err(OAuthError::InvalidGrant);
        }
        entry.used = true;
        // RFC 6749 §4.1.3 asks for the redirect URI, OAuth 2.1 no longer: it has to fit if it came.
        let fits = now < entry.expires_at
            && entry.terms.challenge.is_met_by(verifier)
            && redirect_uri.is_none_or(|uri| uri == entry.terms.redirect_uri);
        let grant = self.of_client(now, id, client_id)?;
        if fits {
            Ok((id, grant))
        } else {
            Err(OAuthError::InvalidGrant)
        }
    }

    /// Makes a refresh token for a grant.
    pub(super) fn issue_refresh_token(
        &mut self,
        now: Timestamp,
        grant: GrantId,
    ) -> Result<String, OAuthError> {
        let token = random::token()?;
        let expires_at = now.plus(self.lifetimes.refresh_token.get());
        let entry = RefreshToken {
            grant,
            used_at: None,
            expires_at,
        };
        self.refresh_tokens
            .insert(now, Digest::of(&token), entry, expires_at)?;
        self.by_id.extend(&grant, expires_at);
        Ok(token)
    }

    /// The grant behind a refresh token, used or not, if both are this client's. Another client's
    /// token is left alone: knowing it must not be enough to end it.
    pub(super) fn behind_refresh_token(
        &self,
        now: Timestamp,
        token: &str,
        client_id: &str,
    ) -> Result<(GrantId, Grant), OAuthError> {
        let entry = self
            .refresh_tokens
            .get(now, &Digest::of(token))
            .ok_or(OAuthError::InvalidGrant)?;
        let grant = self.of_client(now, entry.grant, client_id)?;
        Ok((entry.grant, grant))
    }

    /// Uses a refresh token up. A used one is still taken within the reuse grace; after that its
    /// return means that it was stolen, or the thief was first: the grant ends (RFC 9700 §4.14.2).
    pub(super) fn use_refresh_token(
        &mut self,
        now: Timestamp,
        token: &str,
    ) -> Result<(), OAuthError> {
        let grace = self.lifetimes.refresh_reuse.get();
        let entry = self
            .refresh_tokens
            .get_mut(now, &Digest::of(token))
            .ok_or(OAuthError::InvalidGrant)?;
        let used_at = *entry.used_at.get_or_insert(now);
        if now.since(used_at) <= grace {
            return Ok(());
        }
        let id = entry.grant;
        self.revoke(now, id);
        Err(OAuthError::InvalidGrant)
    }

    /// Keeps an access token that was made for a grant.
    pub(super) fn keep_access_token(
        &mut self,
        now: Timestamp,
        token: &str,
        entry: AccessToken,
    ) -> Result<(), OAuthError> {
        self.by_id.extend(&entry.grant, entry.expires_at);
        let expires_at = entry.expires_at;
        Ok(self
            .access_tokens
            .insert(now, Digest::of(token), entry, expires_at)?)
    }

    /// A live access token with its grant.
    pub(super) fn access_token(
        &self,
        now: Timestamp,
        token: &str,
    ) -> Option<(&AccessToken, &Grant)> {
        let entry = self.access_tokens.get(now, &Digest::of(token))?;
        Some((entry, self.by_id.get(now, &entry.grant)?))
    }

    /// A live, unused refresh token's grant and expiry.
    pub(super) fn refresh_token(&self, now: Timestamp, token: &str) -> Option<(&Grant, Timestamp)> {
        let entry = self.refresh_tokens.get(now, &Digest::of(token))?;
        if entry.used_at.is_some() {
            return None;
        }
        Some((self.by_id.get(now, &entry.grant)?, entry.expires_at))
    }

    /// Whose grants this client has.
    pub(super) fn subjects_of(&self, now: Timestamp, client_id: &str) -> BTreeSet<String> {
        let all = self.by_id.values(now);
        let its = all.filter(|grant| grant.client_id == client_id);
        its.map(|grant| grant.subject.clone()).collect()
    }

    /// Ends the grant of a token, if the token is this client's.
    pub(super) fn revoke_token(&mut self, now: Timestamp, token: &str, client_id: &str) {
        let key = Digest::of(token);
        let of_refresh = self.refresh_tokens.get(now, &key).map(|entry| entry.grant);
        let of_access = self.access_tokens.get(now, &key).map(|entry| entry.grant);
        if let Some(id) = of_refresh.or(of_access)
            && self.of_client(now, id, client_id).is_ok()
        {
            self.revoke(now, id);
        }
    }

    fn of_client(&self, now: Timestamp, id: GrantId, client_id: &str) -> Result<Grant, OAuthError> {
        self.by_id
            .get(now, &id)
            .filter(|grant| grant.client_id == client_id)
            .cloned()
            .ok_or(OAuthError::InvalidGrant)
    }

    /// Tokens of a grant that is gone are dead; they leave their tables when they expire.
    fn revoke(&mut self, now: Timestamp, id: GrantId) {
        self.by_id.remove(now, &id);
    }
}
