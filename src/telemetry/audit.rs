//! The audit log: who came in, what was called and how it ended, who was sent away or cut off (X10).
//!
//! One event for each, of the target [`TARGET`], within the span of the HTTP request that caused it, so
//! that `x-request-id` is beside it. The binary writes them where `audit.to` says; a program of yours
//! gets them by a subscriber of its own. Rooms call the function that is named after what happened.
//!
//! Never in it: tokens, whole session ids, names of people. Somebody is a [`Pseudonym`]; an agent is
//! named by its client id, which is no person. What a client can make long is cut.

use std::{net::IpAddr, time::Duration};

use tracing::{field::display, info};

use super::Pseudonym;

/// The target of every event of the audit log.
pub const TARGET: &str = "usher::audit";

/// Who did something.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The user, and the agent acting.
    pub name: Pseudonym,
    /// Who vouches for it.
    pub issuer: &'a str,
    /// The agent, where the verification method tells.
    pub client_id: Option<&'a str>,
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub struct EndedCall<'a> {
    /// The method of the protocol.
    pub method: &'static str,
    /// The tool or prompt, where it has a name that can be shown.
    pub name: Option<&'a str>,
    /// How it ended, in a word: `ok`, `tool_error`, `input_required`, `task`, `cancelled` or the
    /// JSON-RPC error's code.
    pub outcome: &'a str,
    /// From its arrival to its end.
    pub duration: Duration,
    /// What it was called with, as JSON, where that is to be kept.
    pub arguments: Option<&'a str>,
}

/// A call that its caller may not make, and that has not run.
#[derive(Debug, Clone, Copy)]
pub struct RefusedCall<'a> {
    /// The method of the protocol.
    pub method: &'static str,
    /// The tool or prompt, where it has a name that can be shown.
    pub name: Option<&'a str>,
    /// Why, in a word: `policy`, `insufficient_scope` or `rate`.
    pub reason: &'static str,
    /// The scopes that it needs, where they are what is missing.
    pub scopes: Option<&'a str>,
}

/// Whether anybody listens: for those who would have to prepare something.
#[must_use]
pub fn is_on() -> bool {
    tracing::enabled!(target: TARGET, tracing::Level::INFO)
}

/// A token was verified that was not known before: its bearer has just signed in, or renewed it.
pub fn sign_in_seen(caller: Caller<'_>, verified_by: &'static str) {
    info!(
        target: TARGET,
        event = "sign_in_seen",
        caller = %caller.name,
        issuer = caller.issuer,
        client_id = caller.client_id,
        verified_by,
    );
}

/// A session was opened; `session` is how logs call it.
pub fn session_opened(caller: Caller<'_>, session: &str, transport: &'static str) {
    info!(
        target: TARGET,
        event = "session_opened",
        caller = %caller.name,
        issuer = caller.issuer,
        client_id = caller.client_id,
        session,
        transport,
    );
}

/// A token is good no more, and what was open in its session has ended; the session waits for another.
pub fn session_suspended(caller: Pseudonym, session: &str, reason: &'static str) {
    info!(target: TARGET, event = "session_suspended", caller = %caller, session, reason);
}

/// A session is over.
pub fn session_closed(caller: Pseudonym, session: &str, reason: &'static str) {
    info!(target: TARGET, event = "session_closed", caller = %caller, session, reason);
}

/// Somebody named a session that belongs to another.
pub fn session_of_another(caller: Pseudonym, owner: Pseudonym, session: &str) {
    info!(
        target: TARGET,
        event = "session_of_another",
        caller = %caller,
        owner = %owner,
        session,
    );
}

/// A tool, prompt or resource was called.
pub fn call_ended(caller: Caller<'_>, call: EndedCall<'_>) {
    info!(
        target: TARGET,
        event = "call",
        caller = %caller.name,
        issuer = caller.issuer,
        client_id = caller.client_id,
        method = call.method,
        name = call.name,
        outcome = call.outcome,
        duration_ms = call.duration.as_secs_f64() * 1_000.0,
        arguments = call.arguments,
    );
}

/// A call was refused, in its answer or over HTTP.
pub fn call_refused(caller: Caller<'_>, call: RefusedCall<'_>) {
    info!(
        target: TARGET,
        event = "call_refused",
        caller = %caller.name,
        issuer = caller.issuer,
        client_id = caller.client_id,
        method = call.method,
        name = call.name,
        reason = call.reason,
        scopes = call.scopes,
    );
}

/// An agent that registers: what it says of itself, which nobody has checked.
#[derive(Debug, Clone, Copy)]
pub struct Registration<'a> {
    /// What it became; none where nothing was made.
    pub client_id: Option<&'a str>,
    /// What it calls itself.
    pub client_name: Option<&'a str>,
    /// Which program it says it is.
    pub software_id: Option<&'a str>,
    /// Where it wants its users sent, separated by spaces.
    pub redirect_uris: &'a str,
    /// Whether it can keep a secret.
    pub confidential: bool,
    /// The `sub` of the developer who made it, where one did; written as a pseudonym.
    pub developer: Option<&'a str>,
    /// From where.
    pub address: Option<IpAddr>,
}

/// An agent registered itself, or a developer made it; or would have, where `event` says so.
pub fn agent_registered(event: &'static str, agent: Registration<'_>) {
    let developer = agent.developer.map(|one| Pseudonym::of(one.as_bytes()));
    info!(
        target: TARGET,
        event,
        client_id = agent.client_id,
        client_name = agent.client_name,
        software_id = agent.software_id,
        redirect_uris = agent.redirect_uris,
        confidential = agent.confidential,
        developer = developer.map(display),
        address = agent.address.map(display),
    );
}

/// A registration was refused.
pub fn registration_refused(reason: &'static str, address: Option<IpAddr>) {
    let address = address.map(display);
    info!(target: TARGET, event = "registration_refused", reason, address);
}

/// An agent replaced or deleted its registration, or its developer did, or got or ended a secret.
pub fn registration_changed(event: &'static str, client_id: &str) {
    info!(target: TARGET, event, client_id);
}

/// A developer, by the `sub` of the authorization server, signed in to the portal.
pub fn developer_signed_in(subject: &str) {
    let developer = Pseudonym::of(subject.as_bytes());
    info!(target: TARGET, event = "developer_signed_in", developer = %developer);
}

/// A developer signed out of the portal.
pub fn developer_signed_out(subject: &str) {
    let developer = Pseudonym::of(subject.as_bytes());
    info!(target: TARGET, event = "developer_signed_out", developer = %developer);
}

/// A request was refused. `left_out` says for how many more there was no room in the log since the
/// last line of this kind.
pub fn refused(status: u16, reason: &'static str, left_out: u64) {
    info!(target: TARGET, event = "refused", status, reason, left_out);
}

/// A user signed in at the embedded provider, for an agent; or tried to.
pub fn signed_in(caller: Caller<'_>, succeeded: bool) {
    info!(
        target: TARGET,
        event = "signed_in",
        caller = %caller.name,
        issuer = caller.issuer,
        client_id = caller.client_id,
        succeeded,
    );
}

/// A user was asked what an agent may do, and granted this much: no scope at all where it was denied.
pub fn consented(caller: Caller<'_>, scopes: &str) {
    info!(
        target: TARGET,
        event = "consented",
        caller = %caller.name,
        issuer = caller.issuer,
        client_id = caller.client_id,
        scopes,
    );
}

/// An agent registered itself at the embedded provider.
pub fn registered(issuer: &str, client_id: &str) {
    info!(target: TARGET, event = "registered", issuer, client_id);
}

/// An operator ended so many sessions; `by_id` where one was named by its id.
pub fn sessions_ended(ended: usize, by_id: bool, all: bool) {
    info!(target: TARGET, event = "sessions_ended", ended, by_id, all);
}

/// On whose word callers were cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutOffBy {
    /// An operator's, at the admin listener.
    Operator,
    /// That of the program which this server is part of.
    Program,
    /// A webhook of Logto's.
    Webhook,
    /// A logout token of the issuer's.
    LogoutToken,
    /// An answer of Logto's Management API.
    RollCall,
    /// The agent's own, which has deleted its registration.
    Deletion,
}

impl CutOffBy {
    /// The word used in the audit log and in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Program => "program",
            Self::Webhook => "webhook",
            Self::LogoutToken => "logout_token",
            Self::RollCall => "roll_call",
            Self::Deletion => "deletion",
        }
    }
}

/// Whom a cut-off is about; every agent or user where none is named.
#[derive(Debug, Clone, Copy)]
pub struct Shut<'a> {
    /// Who vouches for them.
    pub issuer: Option<&'a str>,
    /// The agent.
    pub client_id: Option<&'a str>,
    /// The user, whatever agent acts.
    pub subject: Option<&'a str>,
}

impl Shut<'_> {
    fn subject_name(&self) -> Option<Pseudonym> {
        self.subject
            .map(|subject| Pseudonym::of(subject.as_bytes()))
    }
}

/// Callers were cut off, which ended so many sessions at once. Not `in_force` where there was no place for
/// another cut-off.
pub fn cut_off(by: CutOffBy, whom: Shut<'_>, ended: usize, banned: bool, in_force: bool) {
    info!(
        target: TARGET,
        event = "cut_off",
        by = by.label(),
        issuer = whom.issuer,
        client_id = whom.client_id,
        subject = whom.subject_name().map(display),
        ended,
        banned,
        in_force,
    );
}

/// An operator let callers in again; not `lifted` where they were not cut off.
pub fn cut_off_lifted(whom: Shut<'_>, lifted: bool) {
    info!(
        target: TARGET,
        event = "cut_off_lifted",
        issuer = whom.issuer,
        client_id = whom.client_id,
        subject = whom.subject_name().map(display),
        lifted,
    );
}

/// Callers that were banned may come back with new tokens.
pub fn ban_ended(by: CutOffBy, whom: Shut<'_>) {
    info!(
        target: TARGET,
        event = "ban_ended",
        by = by.label(),
        issuer = whom.issuer,
        client_id = whom.client_id,
        subject = whom.subject_name().map(display),
    );
}

/// An operator had all verdicts forgotten: so many callers, so many refusals.
pub fn purged(callers: usize, refusals: usize) {
    info!(target: TARGET, event = "purged", callers, refusals);
}
