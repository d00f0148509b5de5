//! `subscriptions/listen` (2026-07-28): a stream of changes without a session.
//!
//! Acknowledged first, with what of the wish is honoured; then one notification for each change,
//! tagged with the request's id; at the end, when the server stops, the request's result.

use std::{pin::pin, time::Duration};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::lease::{Lease, over_error};
use crate::{
    auth::Principal,
    handler::{
        CallContext, Change, ChangeListener, Changes, Client, Handler, TaskListener, WATCHED_MAX,
    },
    outlet::{Frame, Outlet, OutletError},
    protocol::{
        Method, ModernMeta, Request, RequestId, RpcError, codes, encode_error, encode_notification,
        encode_result, read_params,
    },
};

/// What a client wants to be told of.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    tools_list_changed: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    prompts_list_changed: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    resources_list_changed: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resource_subscriptions: Vec<String>,
    /// Of the extension for tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    task_ids: Vec<String>,
}

#[derive(Deserialize)]
struct ListenParams {
    #[serde(default)]
    notifications: Wish,
}

/// How long a delegate may take to put away what it had for a stream that is over.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// A wish that was read, ready to be served.
#[derive(Debug)]
pub struct Listening {
    id: RequestId,
    wish: Wish,
    tasks: TaskListener,
}

impl Listening {
    /// Reads what a request wants.
    ///
    /// # Errors
    /// [`codes::INVALID_PARAMS`] for params that don't fit, or too many resources or tasks.
    pub fn read(request: &Request) -> Result<Self, RpcError> {
        let params: ListenParams = read_params(request.params.as_ref())?;
        let wish = params.notifications;
        if wish.resource_subscriptions.len().max(wish.task_ids.len()) > WATCHED_MAX {
            let text = format!("at most {WATCHED_MAX} resources or tasks in one subscription");
            return Err(RpcError::new(codes::INVALID_PARAMS, text));
        }
        Ok(Self {
            id: request.id.clone(),
            wish,
            tasks: TaskListener::to_none(),
        })
    }

    /// The same, with those resources and tasks of the wish that the caller may be told of.
    ///
    /// # Errors
    /// As for [`Handler::listen_to_tasks`].
    pub fn agree(
        mut self,
        handler: &Handler,
        caller: &Principal,
        meta: &ModernMeta,
    ) -> Result<Self, RpcError> {
        let (client, version) = (&meta.client_capabilities, meta.version);
        self.tasks = handler.listen_to_tasks(caller, client, version, &self.wish.task_ids)?;
        self.wish.task_ids = self.tasks.ids().to_vec();
        let watched = &mut self.wish.resource_subscriptions;
        watched.retain(|uri| handler.may_watch(caller, uri));
        Ok(self)
    }

    /// Tells the client of changes until it leaves, its lease is over or the server stops, those among them that a
    /// delegate has for this stream alone.
    pub async fn serve(
        self,
        handler: Handler,
        asked: (Principal, ModernMeta, Request),
        outlet: Outlet,
        stopping: CancellationToken,
        lease: Lease,
    ) {
        let changes = handler.changes().listen();
        if !handler.has_delegate() {
            return self.tell_until(changes, outlet, stopping, lease).await;
        }
        let (principal, meta, request) = asked;
        let (own, over) = (Changes::default(), CancellationToken::new());
        let client = Client::of_request(meta.into(), outlet.clone(), None);
        let context = CallContext::new(principal, request.id, over.clone(), client);
        let listened = handler.listen(context.traced(request.trace), request.params, own.clone());
        let mut listened = pin!(listened.fuse());
        let mut told = pin!(self.tell_until(changes.and(&own), outlet, stopping, lease));
        drop(own);
        let mut listens = true;
        loop {
            tokio::select! {
                // First what acknowledges the wish.
                biased;
                () = &mut told => break,
                () = &mut listened, if listens => listens = false,
            }
        }
        over.cancel();
        // It may have something to put away.
        if listens && timeout(FAREWELL_MAX, listened).await.is_err() {
            tracing::debug!("a handler went on listening to nobody");
        }
    }

    async fn tell_until(
        mut self,
        mut changes: ChangeListener,
        outlet: Outlet,
        stopping: CancellationToken,
        lease: Lease,
    ) {
        let wish = json!({ "notifications": self.wish });
        if self
            .tell(&outlet, &Method::SubscriptionsAcknowledged, wish)
            .is_err()
        {
            return;
        }
        let over = loop {
            let told = tokio::select! {
                // First of all: tasks that end with the server are told of before the stream ends.
                biased;
                task = self.tasks.next() => self.tell(&outlet, &Method::TasksChanged, task),
                reason = lease.over() => break Some(reason),
                Some(changes) = changes.next() => self.tell_all(&outlet, &changes),
                _left = outlet.closed() => return,
                () = stopping.cancelled() => break None,
            };
            if told.is_err() {
                return;
            }
        };
        let answer = if let Some(reason) = over {
            encode_error(Some(&self.id), &over_error(reason))
        } else {
            let meta = json!({ SUBSCRIPTION_ID: self.id });
            encode_result(&self.id, json!({ "resultType": "complete", "_meta": meta }))
        };
        // A client that left in this moment misses nothing.
        let _left = outlet.send(Frame::Answer(answer));
    }

    fn tell_all(&self, outlet: &Outlet, changes: &[Change]) -> Result<(), OutletError> {
        let mut changes = changes.iter();
        changes.try_for_each(|change| self.tell_change(outlet, change))
    }

    fn tell_change(&self, outlet: &Outlet, change: &Change) -> Result<(), OutletError> {
        let (wanted, method) = match change {
            Change::Tools => (self.wish.tools_list_changed, Method::ToolsListChanged),
            Change::Prompts => (self.wish.prompts_list_changed, Method::PromptsListChanged),
            Change::Resources => (
                self.wish.resources_list_changed,
                Method::ResourcesListChanged,
            ),
            Change::Resource(uri) => {
                let wanted = self.wish.resource_subscriptions.contains(uri);
                (wanted, Method::ResourcesUpdated)
            }
        };
        if !wanted {
            return Ok(());
        }
        let params = match change {
            Change::Resource(uri) => json!({ "uri": uri }),
            _ => Value::Object(Map::new()),
        };
        self.tell(outlet, &method, params)
    }

    fn tell(&self, outlet: &Outlet, method: &Method, mut params: Value) -> Result<(), OutletError> {
        params["_meta"] = json!({ SUBSCRIPTION_ID: self.id });
        match encode_notification(method, &params) {
            Ok(notification) => outlet.send(Frame::Message(notification)),
            Err(_no_json) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt;

    use super::*;
    use crate::{
        auth::{Identity, Method as VerifiedBy},
        handler::Changes,
        outlet::{self as queue, CloseReason, Frames, outlet},
        protocol::ClientMessage,
        scope::Scopes,
        session::Leases,
    };

    fn listening(notifications: &Value) -> Result<Listening, RpcError> {
        let body = json!({
            "jsonrpc": "2.0", "id": "l1", "method": "subscriptions/listen",
            "params": { "notifications": notifications }
        });
        match ClientMessage::parse(&Bytes::from(body.to_string())).unwrap() {
            ClientMessage::Request(request) => Listening::read(&request),
            other => panic!("no request: {other:?}"),
        }
    }

    fn alice() -> Principal {
        Principal::new(Identity {
            issuer: "https://i".to_owned(),
            subject: "alice".to_owned(),
            client_id: None,
            audiences: Vec::new(),
            scopes: Scopes::none(),
            expires_at: None,
            verified_by: VerifiedBy::Jwt,
            claims: Map::new(),
        })
    }

    async fn next(frames: &mut Frames) -> Value {
        serde_json::from_slice(frames.next().await.unwrap().bytes()).unwrap()
    }

    #[tokio::test]
    async fn only_what_was_wished_for_is_told_and_tagged_with_the_request() {
        let changes = Changes::default();
        let stopping = CancellationToken::new();
        let (outlet, mut frames) = outlet(queue::Config::default());
        let wish = json!({ "toolsListChanged": true, "resourceSubscriptions": ["a"] });
        let listening = listening(&wish).unwrap();
        let lease = Leases::new(1).grant(alice()).unwrap();
        let served =
            tokio::spawn(listening.tell_until(changes.listen(), outlet, stopping.clone(), lease));

        let acknowledged = next(&mut frames).await;
        assert_eq!(
            acknowledged["method"],
            "notifications/subscriptions/acknowledged"
        );
        assert_eq!(acknowledged["params"]["notifications"], wish);
        for change in [Change::Prompts, Change::Resource("b".into()), Change::Tools] {
            changes.announce(change);
        }
        changes.announce(Change::Resource("a".into()));

        let tools = next(&mut frames).await;
        assert_eq!(tools["method"], "notifications/tools/list_changed");
        assert_eq!(tools["params"]["_meta"][SUBSCRIPTION_ID], "l1");
        assert_eq!(next(&mut frames).await["params"]["uri"], "a");

        stopping.cancel();
        let result = next(&mut frames).await;
        assert_eq!(result["id"], "l1");
        assert_eq!(result["result"]["_meta"][SUBSCRIPTION_ID], "l1");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn a_lease_that_is_over_ends_the_stream_with_its_reason() {
        let (changes, leases) = (Changes::default(), Leases::new(1));
        let (outlet, mut frames) = outlet(queue::Config::default());
        let (stopping, lease) = (CancellationToken::new(), leases.grant(alice()).unwrap());
        let listening = listening(&json!({ "toolsListChanged": true })).unwrap();
        let served = tokio::spawn(listening.tell_until(changes.listen(), outlet, stopping, lease));
        next(&mut frames).await;

        for lease in leases.snapshot() {
            lease.end(CloseReason::TokenExpired);
        }

        let answer = next(&mut frames).await;
        assert_eq!(answer["id"], "l1");
        assert_eq!(answer["error"]["data"]["reason"], "token_expired");
        served.await.unwrap();
        assert!(leases.is_empty());
    }

    #[test]
    fn the_number_of_watched_resources_is_bounded() {
        let many: Vec<_> = (0..=WATCHED_MAX).map(|n| n.to_string()).collect();

        let refused = listening(&json!({ "resourceSubscriptions": many })).unwrap_err();

        assert_eq!(refused.code, codes::INVALID_PARAMS);
    }
}
