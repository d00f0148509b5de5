//! Answers requests by a handler of rmcp's: one for all, or one of each session's own.
//!
//! The [`Delegate`](crate::handler::Delegate) that [`Rmcp`](super::Rmcp) makes calls this.

use std::{fmt, io, sync::Arc};

use ::rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        ClientCapabilities, ClientRequest, ErrorCode, Implementation, InitializeRequest,
        InitializeRequestParams, NumberOrString, RequestMetaObject, SubscribeRequestParams,
        UnsubscribeRequestParams,
    },
    service::{RequestContext, Service},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    line::{Held, Line, Lines},
    request,
};
use crate::{
    auth::Principal,
    handler::{CallContext, Conversation, Introduction, ToolError},
    protocol::{self, Method, ProtocolVersion, RpcError},
};

/// Where handlers come from.
pub(super) enum Host<H> {
    /// One serves everybody.
    Shared(Arc<H>),
    /// Each session has one of its own, and from 2026-07-28 on each request.
    Each(Box<dyn Fn() -> io::Result<H> + Send + Sync>),
}

/// What a session has of its handler.
struct Served<H> {
    handler: Arc<H>,
    lines: Arc<Lines>,
}

impl<H: ServerHandler> Host<H> {
    /// One request: read, answered by the handler, written.
    pub(super) async fn answer(
        self: Arc<Self>,
        call: CallContext,
        method: Method,
        params: Value,
    ) -> Result<Value, ToolError> {
        let introduction = call.introduction();
        let (request, meta) = if method == Method::Initialize {
            // As it was agreed: a handler writes down what it finds there.
            let request = InitializeRequest::new(client(introduction, introduction.version));
            (ClientRequest::from(request), RequestMetaObject::default())
        } else {
            request::read(&method, params)?
        };
        let (handler, line) = match call.conversation() {
            Some(session) => self.in_session(session)?,
            None => (self.handler()?, alone(introduction)),
        };
        let watched = if method == Method::SubscriptionsListen {
            watched(&request)
        } else {
            Vec::new()
        };
        let (seat, ended) = line.seat(call.clone());
        let id = match call.request_id() {
            protocol::RequestId::Integer(number) => NumberOrString::Number(*number),
            protocol::RequestId::String(text) => NumberOrString::String(text.as_ref().into()),
        };
        let mut context = RequestContext::<RoleServer>::new(id, line.peer().clone());
        context.ct = seat.over();
        context.extensions.insert(call.principal().clone());
        context.extensions.insert(call.clone());
        let plain = (!watched.is_empty()).then(|| context.clone());
        context.meta = meta;
        let answered = tokio::select! {
            answered = handler.handle_request(request, context) => answered,
            Ok(end) = ended => return Err(end),
        };
        if let (Some(context), Err(error)) = (plain, &answered)
            && error.code == ErrorCode::METHOD_NOT_FOUND
        {
            watch(&*handler, context, watched).await;
            return Ok(Value::Null);
        }
        let result = answered.map_err(error)?;
        serde_json::to_value(result).map_err(|error| {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a handler's result has no JSON form"
            );
            RpcError::internal().into()
        })
    }

    /// One notification of a session's client.
    pub(super) async fn hear(
        self: Arc<Self>,
        session: Conversation,
        principal: Principal,
        method: Method,
    ) -> Result<(), ToolError> {
        let (handler, line) = self.in_session(&session)?;
        if let Some(context) = line.notification(principal).await {
            match method {
                Method::Initialized => handler.on_initialized(context).await,
                Method::RootsListChanged => handler.on_roots_list_changed(context).await,
                _ => {}
            }
        }
        Ok(())
    }

    /// A session's handler, and a line for a while.
    fn in_session(self: &Arc<Self>, session: &Conversation) -> Result<(Arc<H>, Held), ToolError> {
        let served = session.keep(self, || {
            let handler = self.handler()?;
            let lines = Arc::default();
            Ok::<_, ToolError>(Served { handler, lines })
        })?;
        let lines = Arc::clone(&served.lines);
        let line = lines.take(|| {
            let introduction = session.introduction();
            let client = client(&introduction, introduction.version);
            Line::open(
                client,
                Some(session.downgrade()),
                session.over().child_token(),
            )
        });
        Ok((Arc::clone(&served.handler), line))
    }

    fn handler(&self) -> Result<Arc<H>, ToolError> {
        match self {
            Self::Shared(handler) => Ok(Arc::clone(handler)),
            Self::Each(make) => make().map(Arc::new).map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "no handler could be made"
                );
                RpcError::internal().into()
            }),
        }
    }
}

/// The resources that a stream of changes is to watch.
fn watched(request: &ClientRequest) -> Vec<String> {
    let ClientRequest::SubscriptionsListenRequest(request) = request else {
        return Vec::new();
    };
    let filter = &request.params.notifications;
    filter.resource_subscriptions.clone().unwrap_or_default()
}

/// For a handler that knows no streams of changes, as long as there is one: it is subscribed to each
/// resource, as by a client of an older version.
#[expect(deprecated, reason = "it is the older versions' way")]
async fn watch(
    handler: &impl ServerHandler,
    context: RequestContext<RoleServer>,
    watched: Vec<String>,
) {
    let mut subscribed = Vec::new();
    for uri in watched {
        if context.ct.is_cancelled() {
            break;
        }
        let asked = SubscribeRequestParams::new(&uri);
        match handler.subscribe(asked, context.clone()).await {
            Ok(()) => subscribed.push(uri),
            Err(error) if error.code == ErrorCode::METHOD_NOT_FOUND => return,
            // There is no such resource, or not for this caller: nothing will be told of it.
            Err(_refused) => {}
        }
    }
    context.ct.cancelled().await;
    for uri in subscribed {
        let asked = UnsubscribeRequestParams::new(uri);
        // Whatever it says, nobody listens any more.
        let _over = handler.unsubscribe(asked, context.clone()).await;
    }
}

/// A line for one request of 2026-07-28.
///
/// From that version on rmcp lets a handler ask nothing through it. We can ask in every version, so the
/// peer's version is the newest in which it may; the request's own is in its `_meta`.
fn alone(introduction: &Introduction) -> Held {
    let client = client(introduction, ProtocolVersion::NEWEST_LEGACY);
    Held::alone(Line::open(client, None, CancellationToken::new()))
}

/// What a handler learns of its client from its `Peer`.
fn client(introduction: &Introduction, version: ProtocolVersion) -> InitializeRequestParams {
    let declared = introduction.capabilities.read::<ClientCapabilities>();
    let mut named = Implementation::new("unknown", "");
    if let Some(info) = &introduction.info {
        named = Implementation::new(&info.name, &info.version);
        named.title.clone_from(&info.title);
    }
    let mut client = InitializeRequestParams::new(declared.unwrap_or_default(), named);
    if let Ok(version) = serde_json::from_value(Value::from(version.as_str())) {
        client.protocol_version = version;
    }
    client
}

fn error(error: ErrorData) -> ToolError {
    let ours = RpcError::new(error.code.0, error.message);
    ToolError::Rpc(match error.data {
        Some(data) => ours.with_data(data),
        None => ours,
    })
}

impl<H> fmt::Debug for Host<H> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Host(…)")
    }
}
