//! Logto's webhooks: whether one is Logto's, and what it means for who may be here.
//!
//! A webhook is signed with HMAC-SHA-256 over its raw body, in hexadecimal digits in
//! `logto-signature-sha-256`. It has no nonce: it is taken near its `createdAt`, and once. What comes
//! again is answered as if it had been done again, since Logto repeats what it was not answered.
//!
//! | event | means |
//! |---|---|
//! | `User.Deleted`, `User.SuspensionStatus.Updated` to suspended | the user is cut off and banned, for as long as a token can live |
//! | `User.SuspensionStatus.Updated` to not suspended | the ban ends; older tokens stay refused |
//! | `PostResetPassword` | the user is cut off; new sign-ins are let in |
//! | `Role.Scopes.Updated`, `Role.Deleted`, `Scope.Deleted`, the same of organizations | every token of the issuer from before is refused, since the event names no users: clients refresh theirs |
//! | any other, and one that the Console sends as a test | nothing |

use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Payload},
};
use aws_lc_rs::hmac;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Notices,
    answer::{Refusal, done},
    seen::{name, too_old_at},
    whole,
};
use crate::{
    auth::{CutOff, Whom},
    secret::Secret,
    telemetry::audit::{self, CutOffBy},
    time::Timestamp,
};

/// The events that mean something here: what a webhook has to be sent.
pub const EVENTS: [&str; 9] = [
    "User.Deleted",
    "User.SuspensionStatus.Updated",
    "PostResetPassword",
    "Role.Scopes.Updated",
    "Role.Deleted",
    "Scope.Deleted",
    "OrganizationRole.Scopes.Updated",
    "OrganizationRole.Deleted",
    "OrganizationScope.Deleted",
];

const SIGNATURE: &str = "logto-signature-sha-256";

/// The id of whatever a test of the Console's is about.
const TEST_ID: &str = "fake-id";

/// Knows what Logto has signed.
pub(super) struct Signer(hmac::Key);

/// A message of Logto's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(rename = "event")]
    name: String,
    created_at: String,
    #[serde(default)]
    data: Value,
    /// Of the request at Logto's Management API that it comes from: a deleted user is named here only.
    #[serde(default)]
    params: Value,
    #[serde(default)]
    user_id: Value,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Refuse { whom: Whom, is_ban: bool },
    EndBan(Whom),
    Nothing,
}

impl Signer {
    pub(super) fn new(secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self(key)
    }

    /// The event of a body that Logto has signed, and when it happened: not further from now than
    /// `window`.
    pub(super) fn read(
        &self,
        signature: &[u8],
        body: &[u8],
        now: Timestamp,
        window: Duration,
    ) -> Result<(Event, Timestamp), Refusal> {
        // In constant time.
        hmac::verify(&self.0, body, signature).map_err(|_other| Refusal::Signature)?;
        let event: Event = serde_json::from_slice(body)
            .map_err(|_no_event| Refusal::Unreadable("no event of Logto's"))?;
        let then = Timestamp::from_rfc3339(&event.created_at)
            .ok_or(Refusal::Unreadable("createdAt is no time"))?;
        if now.since(then).max(then.since(now)) > window {
            return Err(Refusal::Stale);
        }
        Ok((event, then))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Signer(…)")
    }
}

impl Event {
    /// What it means for the tokens of `issuer`.
    pub(super) fn meaning(&self, issuer: &str) -> Result<Meaning, Refusal> {
        let of_issuer = |subject| Whom {
            issuer: Some(issuer.to_owned()),
            client_id: None,
            subject,
        };
        if self.is_test() {
            return Ok(Meaning::Nothing);
        }
        let refuse = |is_ban| {
            let whom = of_issuer(Some(self.user()?));
            Ok(Meaning::Refuse { whom, is_ban })
        };
        match self.name.as_str() {
            // Without a word on how it stands, the worse is believed.
            "User.SuspensionStatus.Updated" if self.data["isSuspended"] == false => {
                Ok(Meaning::EndBan(of_issuer(Some(self.user()?))))
            }
            "User.Deleted" | "User.SuspensionStatus.Updated" => refuse(true),
            "PostResetPassword" => refuse(false),
            "Role.Scopes.Updated"
            | "Role.Deleted"
            | "Scope.Deleted"
            | "OrganizationRole.Scopes.Updated"
            | "OrganizationRole.Deleted"
            | "OrganizationScope.Deleted" => Ok(Meaning::Refuse {
                whom: of_issuer(None),
                is_ban: false,
            }),
            _ => Ok(Meaning::Nothing),
        }
    }

    /// Signed as any other, and about nothing that is there.
    fn is_test(&self) -> bool {
        self.params["id"] == TEST_ID || self.user_id == TEST_ID
    }

    fn user(&self) -> Result<String, Refusal> {
        let places = [
            &self.data["id"],
            &self.params["userId"],
            &self.params["id"],
            &self.user_id,
        ];
        let found = places.into_iter().find_map(Value::as_str);
        found
            .filter(|id| !id.is_empty())
            .map(str::to_owned)
            .ok_or(Refusal::Unreadable("an event of a user that names none"))
    }
}

pub(super) async fn post(
    request: HttpRequest,
    body: Payload,
    notices: Data<Notices>,
) -> HttpResponse {
    match take(&request, body, &notices).await {
        Ok(()) => done(StatusCode::NO_CONTENT),
        Err(refusal) => refusal.respond(&notices),
    }
}

async fn take(request: &HttpRequest, body: Payload, notices: &Notices) -> Result<(), Refusal> {
    let signer = notices.signer.as_ref().ok_or(Refusal::Signature)?;
    // Whoever signs nothing is not read.
    let signature = signature(request).ok_or(Refusal::Signature)?;
    let body = whole(body).await?;
    let now = notices.rooms.clock.now();
    let (event, then) = signer.read(&signature, &body, now, notices.window)?;
    let meaning = event.meaning(&notices.rooms.issuer)?;
    if meaning == Meaning::Nothing {
        return Ok(());
    }
    let name = name(&body);
    let until = too_old_at(then, notices.window);
    if !notices.seen.is_new(name, until, now)? {
        return Ok(());
    }
    tracing::info!(event = %event.name, "a webhook is carried out");
    carry_out(meaning, then, now, notices)
        .await
        .inspect_err(|_not_done| notices.seen.forget(&name))
}

async fn carry_out(
    meaning: Meaning,
    then: Timestamp,
    now: Timestamp,
    notices: &Notices,
) -> Result<(), Refusal> {
    let router = &notices.rooms.router;
    match meaning {
        Meaning::Nothing => Ok(()),
        Meaning::EndBan(whom) => {
            let ended = router.end_ban(&whom, then).await;
            ended.map_err(|_full| Refusal::CutOffsFull)?;
            audit::ban_ended(CutOffBy::Webhook, whom.audited());
            Ok(())
        }
        Meaning::Refuse { whom, is_ban } => {
            let mut cut = CutOff::before(then, whom, now);
            if is_ban {
                cut = cut.and_ban_for(router.cut_offs().lasting());
            }
            notices.cut_off(&cut, CutOffBy::Webhook).await
        }
    }
}

/// The bytes of the one signature.
fn signature(request: &HttpRequest) -> Option<Vec<u8>> {
    let mut signatures = request.headers().get_all(SIGNATURE);
    match (signatures.next(), signatures.next()) {
        (Some(one), None) => from_hex(one.to_str().ok()?),
        _ => None,
    }
}

pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}
