//! The audit log and traces, as the binary writes them (X10): one line each, who it was as a name that
//! says nothing, and the request's id beside it.

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::{KeyValue, any_value::Value as Any},
    trace::v1::Span,
};
use prost::Message;
use serde_json::{Value, json};

use crate::kit::{
    Ask, BOUND, Mcp, Scene, Sse, eventually,
    mcp::{call, request},
    process::Usher,
};
use crate::notices;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A file of the audit log, removed when dropped.
struct AuditFile(PathBuf);

impl AuditFile {
    fn new(name: &str) -> Self {
        let name = format!("usher-it-audit-{}-{name}.jsonl", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn flag(&self) -> String {
        format!("audit.to={}", self.0.display())
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_default()
    }

    fn lines(&self) -> Vec<Value> {
        let text = self.text();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    async fn line(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        eventually("the line was written", || self.lines().iter().any(&wanted)).await;
        self.lines().into_iter().find(|line| wanted(line)).unwrap()
    }
}

impl Drop for AuditFile {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

fn is(event: &str) -> impl Fn(&Value) -> bool {
    let event = event.to_owned();
    move |line| line["event"] == event
}

#[tokio::test]
async fn what_happens_is_one_line_each_and_names_nobody() {
    let file = AuditFile::new("all");
    let (scene, mut usher) = Scene::of_binary(&["--set", &file.flag()]).await;
    let token = scene.token("c4nary-alice");
    let refused = Ask::get(&scene, "/sse").bearer("c4nary-token");
    scene
        .ask(&refused.header("X-Request-ID", "audit-refused"))
        .await
        .is(401);
    let mcp = Mcp::ready(&scene, &token).await;
    let secret = request(
        7,
        "tools/call",
        &json!({ "name": "whoami", "arguments": {} }),
    );
    let called = mcp.message(&secret).header("X-Request-ID", "audit-call");
    scene.ask(&called).await.is(200);
    let wrong = request(
        8,
        "tools/call",
        &json!({ "name": "whoami", "arguments": "c4nary" }),
    );
    let wrong = mcp.message(&wrong).header("X-Request-ID", "audit-wrong");
    scene.ask(&wrong).await.is(200);
    let modern = Ask::modern(&scene, &token, 9, "tools/call", json!({ "name": "whoami" }));
    scene
        .ask(&modern.header("X-Request-ID", "audit-modern"))
        .await
        .is(200);
    let stranger = scene.token("bob");
    let theirs = Ask::post(&scene, "/mcp", &stranger, &call(1, "whoami"));
    let theirs = theirs.header("Mcp-Session-Id", &mcp.id);
    scene
        .ask(&theirs.header("X-Request-ID", "audit-theirs"))
        .await
        .is(404);
    let sse = Sse::ready(&scene, &token).await;
    drop(sse);
    scene.ask(&mcp.end(&scene)).await.is(204);
    file.line(|line| line["event"] == "session_closed" && line["reason"] != "deleted")
        .await;
    usher.signal("TERM");
    let (code, log) = usher.end(BOUND);
    assert_eq!(code, Some(0), "{log}");

    let lines = file.lines();
    let of = |event: &str| {
        lines
            .iter()
            .filter(|line| line["event"] == event)
            .collect::<Vec<_>>()
    };
    let signed_in = of("sign_in_seen");
    assert_eq!(signed_in.len(), 2, "{lines:#?}");
    assert_eq!(signed_in[0]["verified_by"], "jwt");
    assert_eq!(signed_in[0]["issuer"], scene.issuer.issuer());
    let alice = &signed_in[0]["caller"];
    assert_eq!(alice.as_str().unwrap().len(), 16);
    let bob = &signed_in[1]["caller"];
    assert_ne!(alice, bob);

    let refused = of("refused");
    assert_eq!(refused[0]["status"], 401);
    assert_eq!(refused[0]["spans"][0]["request.id"], "audit-refused");
    let calls = of("call");
    let call_of = |id: &str| {
        let mut found = calls
            .iter()
            .filter(|line| line["spans"][0]["request.id"] == id);
        let line = found.next().unwrap_or_else(|| panic!("{id}: {lines:#?}"));
        assert!(found.next().is_none(), "{id} twice");
        assert_eq!(&line["caller"], alice, "{line}");
        assert_eq!(line["method"], "tools/call");
        assert_eq!(line["name"], "whoami");
        assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
        assert!(line.get("arguments").is_none(), "{line}");
        line["outcome"].clone()
    };
    assert_eq!(call_of("audit-call"), "ok");
    assert_eq!(call_of("audit-modern"), "ok");
    assert_ne!(call_of("audit-wrong"), "ok");
    let theirs = of("session_of_another");
    assert_eq!((&theirs[0]["caller"], &theirs[0]["owner"]), (bob, alice));
    let (opened, closed) = (of("session_opened"), of("session_closed"));
    assert_eq!((opened.len(), closed.len()), (2, 2), "{lines:#?}");
    for (one, transport) in opened.iter().zip(["streamable_http", "sse"]) {
        assert_eq!(one["transport"], transport);
        assert!(
            closed
                .iter()
                .any(|other| other["session"] == one["session"])
        );
    }

    let text = file.text() + &log;
    assert!(!text.contains("c4nary") && !text.contains("bob"), "{text}");
    assert!(!log.contains("sign_in_seen"), "{log}");
}

#[tokio::test]
async fn a_webhook_that_cuts_somebody_off_is_one_line_and_names_nobody() {
    let (file, key) = (AuditFile::new("webhook"), notices::key_file("audit"));
    let secret = format!("notice.webhook_secret_file={}", key.display());
    let flags = ["--set", &file.flag(), "--set", &secret];
    let (scene, mut usher) = Scene::of_binary(&flags).await;
    let _alice = Mcp::ready(&scene, &scene.token("c4nary-alice")).await;
    let event = json!({
        "event": "User.Deleted", "createdAt": scene.clock.now().to_rfc3339(), "data": null,
        "params": { "userId": "c4nary-alice" },
    });
    notices::hook(&scene, &event, notices::KEY).await.is(204);
    notices::hook(&scene, &event, notices::KEY).await.is(204);
    notices::hook(&scene, &event, "c4nary-key").await.is(403);
    usher.signal("TERM");
    let (code, log) = usher.end(BOUND);
    assert_eq!(code, Some(0), "{log}");
    fs::remove_file(key).unwrap();

    let lines = file.lines();
    let mut cut_offs = lines.iter().filter(|line| line["event"] == "cut_off");
    let (Some(line), None) = (cut_offs.next(), cut_offs.next()) else {
        panic!("{lines:#?}");
    };
    assert_eq!(
        (&line["by"], &line["ended"], &line["banned"]),
        (&json!("webhook"), &json!(1), &json!(true))
    );
    assert_eq!(line["subject"].as_str().unwrap().len(), 16);
    let refused = lines
        .iter()
        .find(|line| line["event"] == "refused")
        .unwrap();
    assert_eq!(refused["reason"], "notice_signature");
    let text = file.text() + &log;
    assert!(
        !text.contains("c4nary") && !text.contains(notices::KEY),
        "{text}"
    );
}

#[tokio::test]
async fn arguments_are_kept_where_that_is_wanted_and_names_by_a_key_stay() {
    let key = std::env::temp_dir().join(format!("usher-it-pseudonyms-{}", std::process::id()));
    fs::write(&key, "0123456789abcdef0123456789abcdef").unwrap();
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key_flag = format!("log.pseudonym_key_file={}", key.display());
    let mut scene = Scene::new().await;
    let mut names = Vec::new();
    for round in ["first", "second", "keyless"] {
        let file = AuditFile::new(round);
        let to = file.flag();
        let mut flags = vec!["--set", &to, "--set", "audit.arguments_max=16B"];
        if round != "keyless" {
            flags.extend(["--set", &key_flag]);
        }
        let usher = Usher::serve(scene.issuer.issuer(), &flags);
        scene.move_to(&usher);
        usher.is_ready().await;
        let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
        let params = json!({ "name": "whoami", "arguments": { "question": "how much is it?" } });
        let ask = mcp.message(&request(1, "tools/call", &params));
        scene.ask(&ask).await.is(200);
        let line = file.line(is("call")).await;
        assert_eq!(line["arguments"], "{\"question\":\"how");
        names.push(line["caller"].clone());
    }
    fs::remove_file(key).unwrap();
    assert_eq!(names[0], names[1]);
    assert_ne!(names[0], names[2]);
}

// X10: refused in the answer or by a challenge, a call is found in the same place.
#[tokio::test]
async fn a_call_that_its_caller_may_not_make_is_a_line_of_its_own() {
    let (file, rules) = (AuditFile::new("refused"), AuditFile::new("rules"));
    let text = "[[policy.rules]]\ntools = [\"whoami\"]\nneeds = \"notes:read\"\n\n\
                [[policy.rules]]\ntools = [\"whoami\"]\nsubjects = [\"bob\"]\neffect = \"deny\"\n";
    fs::write(&rules.0, text).unwrap();
    let path = rules.0.to_str().unwrap();
    let flags = ["--config", path, "--set", &file.flag()];
    let (scene, _usher) = Scene::of_binary(&flags).await;
    let (alice, bob) = (scene.token("alice"), scene.token("bob"));
    let whoami = |token| Ask::modern(&scene, token, 1, "tools/call", json!({ "name": "whoami" }));

    let challenged = whoami(&alice).header("X-Request-ID", "challenged");
    scene.ask(&challenged).await.is(403);
    let denied = whoami(&bob).header("X-Request-ID", "denied");
    scene.ask(&denied).await;

    let of = |id: &str| {
        let id = id.to_owned();
        move |line: &Value| is("call_refused")(line) && line["spans"][0]["request.id"] == *id
    };
    let challenged = file.line(of("challenged")).await;
    assert_eq!(challenged["reason"], "insufficient_scope");
    assert_eq!(challenged["scopes"], "notes:read");
    let denied = file.line(of("denied")).await;
    assert_eq!(denied["reason"], "policy");
    assert_eq!(denied.get("scopes"), None);
    for line in [&challenged, &denied] {
        assert_eq!(
            (&line["method"], &line["name"]),
            (&json!("tools/call"), &json!("whoami"))
        );
        assert_eq!(line["client_id"], "agent");
        assert_eq!(line["caller"].as_str().unwrap().len(), 16);
    }
    assert_ne!(challenged["caller"], denied["caller"]);
    let lines = file.lines().into_iter().filter(is("call_refused"));
    assert_eq!(lines.count(), 2);
}

#[test]
fn a_log_that_can_not_be_written_is_no_start() {
    for (set, named) in [
        ("audit.to=/nowhere/at/all.jsonl", "audit log"),
        ("audit.to=otlp", "otlp.endpoint"),
        ("audit.to=stdot", "audit.to"),
        ("otlp.sample=2", "otlp.sample"),
        ("log.pseudonym_key_file=/nowhere", "log.pseudonym_key_file"),
    ] {
        let arguments = ["serve", "--issuer", "http://127.0.0.1:9", "--set", set];
        let (code, _, err) = crate::kit::process::run(&arguments);
        assert_eq!(code, Some(1), "{set}: {err}");
        assert!(err.contains(named), "{set}: {err}");
    }
}

// === Traces ===

/// What a collector was sent: paths and bodies.
type Posts = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector on a free port that says yes to everything. Its thread ends with the process.
fn collector() -> (SocketAddr, Posts) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let posts = Posts::default();
    let kept = Arc::clone(&posts);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, kept) = (stream.unwrap(), Arc::clone(&kept));
            thread::spawn(move || {
                while let Some(post) = take(&stream) {
                    kept.lock().unwrap().push(post);
                }
            });
        }
    });
    (address, posts)
}

/// One POST, answered; nothing when the connection is over.
fn take(mut stream: &std::net::TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let path = head.split(' ').nth(1)?.to_owned();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length?.trim().parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .ok()?;
    Some((path, body))
}

fn spans(posts: &Posts) -> Vec<Span> {
    let posts = posts.lock().unwrap();
    let traces = posts.iter().filter(|(path, _)| path == "/v1/traces");
    let sent = traces.map(|(_, body)| ExportTraceServiceRequest::decode(&**body).unwrap());
    let resources = sent.flat_map(|sent| sent.resource_spans);
    resources
        .flat_map(|resource| {
            let about = attributes(&resource.resource.unwrap().attributes);
            assert_eq!(about["service.name"], "usher");
            resource.scope_spans
        })
        .flat_map(|scope| scope.spans)
        .collect()
}

fn attributes(pairs: &[KeyValue]) -> HashMap<String, String> {
    let shown = |pair: &KeyValue| {
        let value = match pair.value.clone().and_then(|value| value.value) {
            Some(Any::StringValue(text)) => text,
            Some(Any::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        (pair.key.clone(), value)
    };
    pairs.iter().map(shown).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, byte| {
        let _in_memory = write!(text, "{byte:02x}");
        text
    })
}

#[tokio::test]
async fn a_call_is_a_span_of_its_clients_trace() {
    let (collector, posts) = collector();
    let endpoint = format!("otlp.endpoint=http://{collector}");
    let flags = [
        "--set",
        &endpoint,
        "--set",
        "audit.to=otlp",
        "--set",
        "log.filter=warn",
    ];
    let (scene, mut usher) = Scene::of_binary(&flags).await;
    let token = scene.token("c4nary-alice");
    let mcp = Mcp::ready(&scene, &token).await;
    let params = json!({ "name": "whoami", "_meta": { "traceparent": PARENT } });
    let by_message = mcp.message(&request(1, "tools/call", &params));
    scene
        .ask(&by_message.header("X-Request-ID", "by-message"))
        .await
        .is(200);
    let by_header = Ask::modern(&scene, &token, 2, "tools/call", json!({ "name": "whoami" }))
        .header("traceparent", PARENT)
        .header("X-Request-ID", "by-header");
    scene.ask(&by_header).await.is(200);
    usher.signal("TERM");
    let (code, log) = usher.end(BOUND);
    assert_eq!(code, Some(0), "{log}");

    let spans = spans(&posts);
    let http_of = |id: &str| {
        let is_it = |span: &&Span| {
            attributes(&span.attributes)
                .get("request.id")
                .is_some_and(|is| is == id)
        };
        spans
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{id}: {spans:#?}"))
    };
    let calls = || spans.iter().filter(|span| span.name == "tools/call whoami");
    for span in calls() {
        assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
        let about = attributes(&span.attributes);
        assert_eq!(about["mcp.method.name"], "tools/call");
        assert_eq!(about["gen_ai.tool.name"], "whoami");
    }
    // What the message says: its own trace, and the HTTP request as a link.
    let http = http_of("by-message");
    let call = calls().find(|span| hex(&span.parent_span_id) == "00f067aa0ba902b7");
    let call = call.unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!(call.links[0].span_id, http.span_id);
    assert_ne!(http.trace_id, call.trace_id);
    assert_eq!(http.name, "POST /mcp");
    // What the header says: the HTTP request stands between.
    let http = http_of("by-header");
    assert_eq!(hex(&http.parent_span_id), "00f067aa0ba902b7");
    assert!(
        calls().any(|span| span.parent_span_id == http.span_id),
        "{spans:#?}"
    );

    let posts = posts.lock().unwrap();
    let logs = posts.iter().filter(|(path, _)| path == "/v1/logs");
    let logs: Vec<_> = logs
        .flat_map(|(_, body)| {
            ExportLogsServiceRequest::decode(&**body)
                .unwrap()
                .resource_logs
        })
        .flat_map(|resource| resource.scope_logs)
        .flat_map(|scope| scope.log_records)
        .map(|record| attributes(&record.attributes))
        .collect();
    let called = logs
        .iter()
        .filter(|line| line.get("event").is_some_and(|event| event == "call"));
    let ids: Vec<_> = called.map(|line| line.get("request.id").cloned()).collect();
    assert_eq!(
        ids,
        [Some("by-message".to_owned()), Some("by-header".to_owned())]
    );
    let bytes: Vec<u8> = posts.iter().flat_map(|(_, body)| body.clone()).collect();
    let text = String::from_utf8_lossy(&bytes);
    assert!(
        !text.contains("c4nary") && !text.contains(&token),
        "a collector was told a name"
    );
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nobody() {
    let flags = [
        "--set",
        "otlp.endpoint=http://127.0.0.1:1",
        "--set",
        "otlp.queue_max=8",
    ];
    let (scene, mut usher) = Scene::of_binary(&flags).await;
    let mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    for nth in 0..50 {
        scene
            .ask(&mcp.message(&call(nth + 10, "whoami")))
            .await
            .is(200);
    }
    usher.signal("TERM");
    let (code, log) = usher.end(BOUND);
    assert_eq!(code, Some(0), "{log}");
}
