//! What lasts as long as a session: the handler's acquaintance with its client, and a `Peer` that it
//! keeps. And what does not: a peer of one request, and all of it once the session is over.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use ::rmcp::{
    model::{InitializeRequestParams, InitializeResult},
    service::NotificationContext,
};
use tokio::{runtime, sync::mpsc};

use super::*;

/// Keeps every peer it meets, and says what it has seen.
#[derive(Clone)]
struct Keeper(Arc<Kept>);

struct Kept {
    peers: Mutex<Vec<Peer<RoleServer>>>,
    seen: mpsc::Sender<String>,
}

/// More than any test leaves unread.
const SIGHTS_MAX: usize = 8;

fn keeper() -> (Keeper, mpsc::Receiver<String>) {
    let (seen, sights) = mpsc::channel(SIGHTS_MAX);
    let peers = Mutex::default();
    (Keeper(Arc::new(Kept { peers, seen })), sights)
}

impl Keeper {
    fn keep(&self, peer: &Peer<RoleServer>) {
        self.0.peers.lock().unwrap().push(peer.clone());
    }

    fn newest(&self) -> Peer<RoleServer> {
        self.0.peers.lock().unwrap().last().unwrap().clone()
    }

    fn saw(&self, sight: String) {
        self.0.seen.try_send(sight).unwrap();
    }
}

#[tool_router]
impl Keeper {
    #[tool(description = "Keeps the peer")]
    async fn keep_it(&self, context: RequestContext<RoleServer>) -> String {
        self.keep(&context.peer);
        "kept".to_owned()
    }

    #[tool(description = "Gives up asking")]
    async fn hurry(&self, peer: Peer<RoleServer>) -> String {
        let soon = Some(Duration::from_secs(1));
        let answer = peer.elicit_with_timeout::<Name>("Your name?", soon).await;
        answer
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    }

    #[tool(description = "Waits for longer than it may")]
    async fn forever(&self, context: RequestContext<RoleServer>) -> String {
        let (ct, keeper) = (context.ct.clone(), self.clone());
        tokio::spawn(async move {
            ct.cancelled().await;
            keeper.saw("cancelled".to_owned());
        });
        std::future::pending().await
    }
}

#[tool_handler]
impl ServerHandler for Keeper {
    async fn initialize(
        &self,
        asked: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        if context.extensions.get::<Principal>().unwrap().subject() == "mallory" {
            return Err(ErrorData::invalid_request("not you", None));
        }
        self.saw(format!(
            "{} {}",
            asked.client_info.name, asked.protocol_version
        ));
        self.negotiate_initialize(&asked)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.keep(&context.peer);
        let caller = context.extensions.get::<Principal>().unwrap().subject();
        self.saw(format!("initialized by {caller}"));
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        let roots = context.peer.list_roots().await.unwrap().roots;
        self.saw(format!("{} roots", roots.len()));
    }
}

async fn call(handler: &Handler, context: CallContext, tool: &str) -> Result<Value, RpcError> {
    ask_in(handler, context, "tools/call", json!({ "name": tool })).await
}

/// A question of the handler's is answered with this result.
fn answer(session: &Surroundings, asked: &Value, result: &Value) {
    let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
    match ClientMessage::parse(&Bytes::from(answer.to_string())) {
        Ok(ClientMessage::Response(answer)) => {
            let questions = session.conversation.questions();
            questions.answer(&answer.id, answer.outcome);
        }
        other => panic!("no response: {other:?}"),
    }
}

#[tokio::test]
async fn a_handler_hears_of_a_session_and_its_peer_lasts_as_long() {
    let (keeper, mut sights) = keeper();
    let handler = handler(keeper.clone());
    let session = surroundings("alice", LEGACY);
    let mut own = session.open_stream();

    let opened = ask_in(&handler, session.another_call(), "initialize", json!({})).await;
    assert_eq!(opened.unwrap()["protocolVersion"], "2025-11-25");
    assert_eq!(sights.recv().await.unwrap(), "tests 2025-11-25");
    let hear = |told| {
        let principal = session.context.principal().clone();
        handler
            .clone()
            .hear(session.conversation.clone(), principal, told)
    };
    hear(Method::Initialized).await;
    assert_eq!(sights.recv().await.unwrap(), "initialized by alice");

    let peer = keeper.newest();
    peer.notify_tool_list_changed().await.unwrap();
    assert_eq!(
        next(&mut own).await["method"],
        "notifications/tools/list_changed"
    );
    let uri = ResourceUpdatedNotificationParam::new("test://a");
    peer.notify_resource_updated(uri).await.unwrap();
    assert_eq!(next(&mut own).await["params"]["uri"], "test://a");
    let client = async {
        let asked = next(&mut own).await;
        assert_eq!(asked["method"], "roots/list");
        answer(&session, &asked, &json!({ "roots": [] }));
    };
    let ((), ()) = tokio::join!(hear(Method::RootsListChanged), client);
    assert_eq!(sights.recv().await.unwrap(), "0 roots");

    session.over.cancel();
    let gone = async {
        while peer.notify_tool_list_changed().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_handler_may_refuse_a_session() {
    let (keeper, _sights) = keeper();
    let session = surroundings("mallory", LEGACY);
    let refused = ask_in(&handler(keeper), session.context, "initialize", json!({})).await;
    assert_eq!(refused.unwrap_err().message, "not you");
}

#[tokio::test]
async fn a_peer_kept_from_a_call_speaks_to_its_session_afterwards() {
    let (keeper, _sights) = keeper();
    let handler = handler(keeper.clone());
    let session = surroundings("alice", LEGACY);
    let mut own = session.open_stream();
    call(&handler, session.another_call(), "keep_it")
        .await
        .unwrap();

    let peer = keeper.newest();
    let level = LoggingLevel::Warning;
    let log = LoggingMessageNotificationParam::new(level, json!("later"));
    let token = ::rmcp::model::ProgressToken(::rmcp::model::NumberOrString::Number(1));
    peer.notify_progress(ProgressNotificationParam::new(token, 1.0))
        .await
        .unwrap();
    peer.notify_logging_message(log).await.unwrap();

    assert_eq!(next(&mut own).await["params"]["data"], "later");
}

#[tokio::test]
async fn a_peer_of_a_request_without_a_session_is_closed_with_it() {
    let (keeper, _sights) = keeper();
    let request = surroundings("alice", MODERN);
    call(&handler(keeper.clone()), request.context, "keep_it")
        .await
        .unwrap();

    let peer = keeper.newest();
    let closed = async {
        while peer.notify_tool_list_changed().await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed)
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_question_that_a_handler_gives_up_is_taken_back() {
    let (keeper, _sights) = keeper();
    let handler = handler(keeper);
    let Surroundings {
        context,
        mut frames,
        conversation,
        ..
    } = surroundings("alice", LEGACY);

    let hurried = call(&handler, context, "hurry").await.unwrap();

    assert!(text(&hurried).contains("timeout"), "{hurried}");
    let asked = next(&mut frames).await;
    let taken_back = next(&mut frames).await;
    assert_eq!(taken_back["method"], "notifications/cancelled");
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    assert!(format!("{conversation:?}").contains("open: 0"));
}

#[tokio::test(start_paused = true)]
async fn a_call_past_its_deadline_is_an_error_and_cancelled_in_the_handler() {
    let (keeper, mut sights) = keeper();
    let handler = handler(keeper);

    let late = ask(&handler, LEGACY, "tools/call", json!({ "name": "forever" })).await;

    assert_eq!(late.unwrap_err().code, codes::REQUEST_TIMEOUT);
    assert_eq!(sights.recv().await.unwrap(), "cancelled");
}

/// Counts its own calls.
struct Counter(AtomicUsize);

#[tool_router(server_handler)]
impl Counter {
    #[tool(description = "Counts")]
    fn count(&self) -> String {
        (self.0.fetch_add(1, SeqCst) + 1).to_string()
    }
}

#[tokio::test]
async fn each_session_has_a_handler_of_its_own_where_it_is_made_for_each() {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let each = Rmcp::for_each_session(move || {
        count.fetch_add(1, SeqCst);
        Ok(Counter(AtomicUsize::new(0)))
    });
    let handler = handler(each.unwrap());
    let (one, other) = (surroundings("alice", LEGACY), surroundings("bob", LEGACY));

    for (session, counted) in [(&one, "1"), (&other, "1"), (&one, "2")] {
        let result = call(&handler, session.another_call(), "count").await;
        assert_eq!(text(&result.unwrap()), counted);
    }
    for _ in 0..2 {
        let alone = ask(&handler, MODERN, "tools/call", json!({ "name": "count" })).await;
        assert_eq!(text(&alone.unwrap()), "1");
    }
    assert_eq!(made.load(SeqCst), 5);
}

#[tokio::test]
async fn a_handler_that_can_not_be_made_is_an_internal_error() {
    let first = AtomicUsize::new(0);
    let each = Rmcp::for_each_session(move || match first.fetch_add(1, SeqCst) {
        0 => Ok(Counter(AtomicUsize::new(0))),
        _ => Err(io::Error::other("no more")),
    });
    let handler = handler(each.unwrap());

    let refused = ask(&handler, LEGACY, "tools/call", json!({ "name": "count" })).await;

    let refused = refused.unwrap_err();
    assert_eq!(refused.code, codes::INTERNAL_ERROR);
    assert!(!refused.message.contains("no more"));
}

// A session costs one task however many calls it makes, and nothing once it is over.
#[tokio::test]
async fn a_thousand_sessions_leave_nothing_behind() {
    let tasks = || runtime::Handle::current().metrics().num_alive_tasks();
    let (keeper, mut sights) = keeper();
    let handler = handler(keeper.clone());
    let before = tasks();

    for _ in 0..1_000 {
        let session = surroundings("alice", LEGACY);
        let opened = ask_in(&handler, session.another_call(), "initialize", json!({})).await;
        opened.unwrap();
        for _ in 0..3 {
            call(&handler, session.another_call(), "keep_it")
                .await
                .unwrap();
        }
        assert_eq!(tasks() - before, 1);
        session.over.cancel();
        let gone = async {
            while tasks() > before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .unwrap();
        assert_eq!(
            Arc::strong_count(&keeper.0),
            2,
            "the test's and the server's"
        );
        sights.recv().await.unwrap();
        let peers = std::mem::take(&mut *keeper.0.peers.lock().unwrap());
        assert!(peers.iter().all(Peer::is_transport_closed));
    }
}
