//! Streams of changes (2026-07-28): a handler that knows them, and one that knows only subscriptions.

use std::{sync::Mutex, time::Duration};

use ::rmcp::{
    model::{SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams},
    service::SubscriptionContext,
};
use tokio::sync::mpsc;

use super::*;
use crate::handler::{Change, Changes};

/// Longest wait for what is meant to happen.
const BOUND: Duration = Duration::from_secs(5);

/// What a handler does, in order.
type Diary = mpsc::Sender<String>;

/// Tells of its tools, as long as anybody listens.
struct Listens(Diary);

#[tool_router]
impl Listens {
    #[tool(description = "Nothing")]
    fn nothing(&self) -> String {
        String::new()
    }
}

#[tool_handler]
impl ServerHandler for Listens {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder();
        ServerConfig::new(offered.enable_tools().enable_tool_list_changed().build())
    }

    fn accepted_subscription_filter(
        &self,
        wish: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(wish.clone())
    }

    async fn listen(&self, stream: SubscriptionContext) -> Result<(), ErrorData> {
        let caller = stream.request_context().extensions.get::<Principal>();
        let caller = caller.unwrap().subject().to_owned();
        stream.sink().notify_tool_list_changed().await.unwrap();
        let prompts = stream.sink().notify_prompt_list_changed().await;
        assert!(prompts.is_err(), "what was not offered is not accepted");
        self.0
            .send(format!("{caller} listens to {}", stream.sink().id()))
            .await
            .unwrap();
        stream.cancelled().await;
        self.0.send("put away".to_owned()).await.unwrap();
        Ok(())
    }
}

/// Knows subscriptions only, and keeps the peer to tell by it.
struct Subscribes(Diary, Mutex<Option<Peer<RoleServer>>>);

impl ServerHandler for Subscribes {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder();
        ServerConfig::new(
            offered
                .enable_resources()
                .enable_resources_subscribe()
                .build(),
        )
    }

    async fn subscribe(
        &self,
        asked: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if asked.uri == "test://secret" {
            return Err(ErrorData::resource_not_found("no such resource", None));
        }
        let told = ResourceUpdatedNotificationParam::new(&asked.uri);
        context.peer.notify_resource_updated(told).await.unwrap();
        *self.1.lock().unwrap() = Some(context.peer);
        self.0
            .send(format!("subscribed {}", asked.uri))
            .await
            .unwrap();
        Ok(())
    }

    async fn unsubscribe(
        &self,
        asked: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0
            .send(format!("unsubscribed {}", asked.uri))
            .await
            .unwrap();
        Ok(())
    }
}

/// A stream for this wish, and what its delegate says to it.
fn listen(
    handler: &Handler,
    context: CallContext,
    wish: &Value,
) -> (tokio::task::JoinHandle<()>, crate::handler::ChangeListener) {
    let own = Changes::default();
    let heard = handler.changes().listen().and(&own);
    let params = json!({ "notifications": wish, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    } });
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params
    });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let listened = handler.clone().listen(context, request.params, own);
    (tokio::spawn(listened), heard)
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, what).await.unwrap()
}

#[tokio::test]
async fn a_handler_tells_its_own_stream_and_puts_away_at_the_end() {
    let (diary, mut entries) = mpsc::channel(8);
    let handler = handler(Listens(diary));
    let mut everybody = handler.changes().listen();
    let Surroundings {
        context,
        frames: _frames,
        cancelled: over,
        ..
    } = surroundings("alice", MODERN);
    let wish = json!({ "toolsListChanged": true, "promptsListChanged": true });
    let (listened, mut heard) = listen(&handler, context, &wish);

    assert_eq!(soon(heard.next()).await.unwrap(), [Change::Tools]);
    assert_eq!(soon(entries.recv()).await.unwrap(), "alice listens to 1");
    over.cancel();

    soon(listened).await.unwrap();
    assert_eq!(entries.recv().await.unwrap(), "put away");
    handler.changes().announce(Change::Prompts);
    assert_eq!(everybody.next().await.unwrap(), [Change::Prompts]);
}

#[tokio::test]
async fn a_handler_of_older_versions_is_subscribed_as_long_as_the_stream_lasts() {
    let (diary, mut entries) = mpsc::channel(8);
    let handler = handler(Subscribes(diary, Mutex::default()));
    let Surroundings {
        context,
        frames: _frames,
        cancelled: over,
        ..
    } = surroundings("alice", MODERN);
    let wish = json!({ "resourceSubscriptions": ["test://a", "test://secret"] });
    let (listened, mut heard) = listen(&handler, context, &wish);

    let changed = Change::Resource("test://a".to_owned());
    assert_eq!(soon(heard.next()).await.unwrap(), [changed]);
    assert_eq!(soon(entries.recv()).await.unwrap(), "subscribed test://a");
    over.cancel();

    assert_eq!(soon(entries.recv()).await.unwrap(), "unsubscribed test://a");
    soon(listened).await.unwrap();
}

#[tokio::test]
async fn a_handler_that_knows_neither_leaves_it_to_us() {
    let handler = handler(Notes);
    let Surroundings {
        context,
        frames: _frames,
        ..
    } = surroundings("alice", MODERN);
    let wish = json!({ "toolsListChanged": true });
    let (listened, mut heard) = listen(&handler, context, &wish);

    soon(listened).await.unwrap();
    handler.changes().announce(Change::Tools);
    assert_eq!(soon(heard.next()).await.unwrap(), [Change::Tools]);
}
