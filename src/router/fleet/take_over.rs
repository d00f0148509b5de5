//! A session whose node is gone is built again here, from what its client has asked for that lasts.
//!
//! The client's own requests are said again to a fresh session, and their answers thrown away: so there
//! is one way in which a session comes to be. What ran when the node died is not run again.

use serde_json::{json, value::RawValue};
use tokio::time::timeout;

use super::{Asked, Place, RouteError, RouterHandle};
use crate::{
    auth::Principal,
    cluster::{Claimed, Holder, Record},
    outlet::{self, CloseReason, Frame, outlet},
    protocol::{ClientMessage, Incoming},
    router::ASK_DEADLINE,
    session::{SessionRef, Verdict},
};
use futures_util::StreamExt;

impl RouterHandle {
    /// Claims a session, and builds it; nothing where somebody else was faster, or its node lives.
    pub(super) async fn take_over(
        &self,
        asked: &Asked<'_>,
        (from, record): (&Holder, &Record),
        refuses: bool,
    ) -> Result<Option<Place>, RouteError> {
        let cluster = &asked.fleet.cluster;
        let name = asked.id.to_string();
        let _turn = asked.fleet.turn(asked.id).await;
        if self.table.has(asked.id) {
            return Ok(None);
        }
        let epoch = match cluster.claim(&name, from, refuses).await? {
            Claimed::Won(epoch) => epoch,
            Claimed::Lost(_) | Claimed::Alive => return Ok(None),
            Claimed::Gone => return Err(RouteError::Unknown),
        };
        let built = self.build(asked, epoch, record).await;
        if built.is_err() {
            cluster.release(name, epoch);
        }
        built.map(|session| Some(Place::Here(session)))
    }

    async fn build(
        &self,
        asked: &Asked<'_>,
        epoch: u64,
        record: &Record,
    ) -> Result<SessionRef, RouteError> {
        let caller = asked.caller;
        let taken_over = Some((asked.id, epoch));
        let session = self.open_as(caller.clone(), None, taken_over).await?;
        let said = timeout(ASK_DEADLINE, say_again(&session, caller, record)).await;
        match said {
            Ok(Ok(())) => {
                session.has_come();
                tracing::info!(session.id = %asked.id.short(), "session taken over from another node");
                Ok(session)
            }
            Ok(Err(error)) => {
                session.carry_out(Verdict::End(CloseReason::Moved));
                Err(error)
            }
            Err(_elapsed) => {
                session.carry_out(Verdict::End(CloseReason::Moved));
                Err(RouteError::Broken)
            }
        }
    }

    /// The session is another node's: it ends here, and nothing of it is told to others.
    pub(super) fn lose(&self, session: &SessionRef) {
        self.cluster()
            .into_iter()
            .for_each(crate::cluster::Cluster::fenced);
        session.carry_out(Verdict::End(CloseReason::Moved));
    }
}

async fn say_again(
    session: &SessionRef,
    caller: &Principal,
    record: &Record,
) -> Result<(), RouteError> {
    // One that was never initialized is not entered.
    let initialize = record.initialize.as_deref().ok_or(RouteError::Unknown)?;
    if !ask(session, caller, "initialize", initialize).await? {
        return Err(RouteError::Unknown);
    }
    let confirmed = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    if let Some(confirmed) = message(&confirmed.to_string()) {
        session.deliver(caller.clone(), confirmed, None).await?;
    }
    if let Some(level) = record.log_level.as_deref() {
        ask(session, caller, "logging/setLevel", level).await?;
    }
    for uri in &record.watched {
        let Ok(params) = RawValue::from_string(json!({ "uri": uri }).to_string()) else {
            continue;
        };
        ask(session, caller, "resources/subscribe", &params).await?;
    }
    Ok(())
}

/// Says a request of the client's again; whether it was answered with a result.
async fn ask(
    session: &SessionRef,
    caller: &Principal,
    method: &str,
    params: &RawValue,
) -> Result<bool, RouteError> {
    // Params are JSON, and the method is ours.
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":"again","method":"{method}","params":{}}}"#,
        params.get()
    );
    let Some(asked) = message(&text) else {
        return Ok(false);
    };
    if let ClientMessage::Request(request) = &asked {
        let _is_new = session.note(request);
    }
    let (outlet, mut frames) = outlet(outlet::Config::default());
    session.deliver(caller.clone(), asked, Some(outlet)).await?;
    while let Some(frame) = frames.next().await {
        if let Frame::Answer(answer) = frame {
            frames.forget();
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
            return Ok(answer.get("result").is_some());
        }
    }
    Ok(false)
}

fn message(text: &str) -> Option<ClientMessage> {
    let text = bytes::Bytes::copy_from_slice(text.as_bytes());
    match Incoming::parse(&text, 1) {
        Ok(Incoming::One(message)) => Some(message),
        Ok(Incoming::Batch(_)) | Err(_) => None,
    }
}
