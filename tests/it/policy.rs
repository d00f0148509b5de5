//! Who may use what, over every transport and version, of our own entries and an rmcp handler's (K22,
//! K25).

use mcp_usher::{
    Server,
    config::Config,
    handler::{
        CallContext, NoArguments, Prompt, PromptArguments, PromptMessage, Resource,
        ResourceTemplate, Tool, Variables,
    },
    policy::{Clients, Effect, MissingScope, Patterns, Rule},
    protocol::{Content, ResourceContents},
};
use rmcp::{tool, tool_router};
use serde_json::{Value, json};

use crate::kit::{Ask, Mcp, Scene, Sse, mcp::call, request};

/// What an rmcp handler brings, which knows nothing of scopes.
struct Theirs;

#[tool_router(server_handler)]
impl Theirs {
    #[tool(description = "Reads")]
    fn their_read() -> String {
        "theirs".to_owned()
    }

    #[tool(description = "Writes")]
    fn their_write() -> String {
        "theirs".to_owned()
    }

    #[tool(description = "Ends everything")]
    fn admin_end() -> String {
        "ended".to_owned()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it is what rules have")]
fn patterns(list: &[&str]) -> Option<Patterns> {
    Some(Patterns::new(texts(list)))
}

/// Administration is for the role, private things are for our own clients, and what the handler brings
/// needs scopes.
fn rules(config: &mut Config) {
    config.issuer.first_party_clients = texts(&["web"]);
    config.policy.rules = vec![
        Rule {
            tools: patterns(&["admin_*"]),
            roles: patterns(&["admin"]),
            effect: Some(Effect::Allow),
            ..Rule::default()
        },
        Rule {
            tools: patterns(&["private"]),
            prompts: patterns(&["private"]),
            resources: patterns(&["notes://private/*"]),
            clients: Some(Clients::new(texts(&["third-party"]))),
            effect: Some(Effect::Deny),
            ..Rule::default()
        },
        Rule {
            tools: patterns(&["their_*"]),
            needs: "theirs:read".parse().unwrap(),
            ..Rule::default()
        },
        Rule {
            tools: patterns(&["*_write"]),
            needs: "theirs:write".parse().unwrap(),
            ..Rule::default()
        },
    ];
}

fn house(server: Server) -> Server {
    let says = |name: &str| {
        Tool::new(name, "Says it", |_: CallContext, _: NoArguments| async {
            Ok("said")
        })
    };
    let prompt = |name: &str| {
        Prompt::new(name, "Says it", |_, _: PromptArguments| async {
            Ok(vec![PromptMessage::user(Content::text("said"))])
        })
        .argument("of", "What")
        .complete(|_, typed| vec![format!("{typed}!")])
    };
    let resource = |uri: &'static str| {
        Resource::new(uri, uri, move |_: CallContext| async move {
            Ok(ResourceContents::text(uri, "said"))
        })
    };
    let family = |uri: &str| {
        ResourceTemplate::new(uri, uri, |_, at: Variables| async move {
            Ok(ResourceContents::text(at.uri(), "said"))
        })
        .unwrap()
    };
    server
        .tool(says("open"))
        .tool(says("private"))
        .tool(says("admin_show"))
        .prompt(prompt("open"))
        .prompt(prompt("private"))
        .resource(resource("notes://open/a"))
        .resource(resource("notes://private/a"))
        .resource_template(family("notes://open/of/{id}"))
        .resource_template(family("notes://private/of/{id}"))
}

fn with_theirs(server: Server) -> Server {
    house(server).rmcp(Theirs)
}

async fn scene(change: impl FnOnce(&mut Config)) -> Scene {
    let change = |config: &mut Config| {
        rules(config);
        change(config);
    };
    Scene::serving(change, with_theirs).await
}

/// A caller at every door there is.
struct Caller<'a> {
    scene: &'a Scene,
    token: String,
    mcp: Mcp,
    oldest: Mcp,
    sse: Sse,
}

impl<'a> Caller<'a> {
    async fn new(scene: &'a Scene, changes: &Value) -> Self {
        let token = scene.token_with("alice", changes);
        Self {
            scene,
            mcp: Mcp::ready(scene, &token).await,
            oldest: Mcp::ready_in(scene, &token, "2025-03-26").await,
            sse: Sse::ready(scene, &token).await,
            token,
        }
    }

    fn modern(&self, method: &str, params: &Value) -> Ask {
        let ask = Ask::modern(self.scene, &self.token, 7, method, params.clone());
        let uri = params["uri"]
            .as_str()
            .filter(|_| method == "resources/read");
        match uri {
            Some(uri) => ask.header("Mcp-Name", uri),
            None => ask,
        }
    }

    /// The answers to one request, by the door it came in.
    async fn ask(&mut self, method: &str, params: &Value) -> Vec<(&'static str, Value)> {
        let message = request(7, method, params);
        let batch = json!([message]);
        let batched = self.oldest.post(&batch).await.is(200).json();
        let modern = self.scene.ask(&self.modern(method, params)).await;
        vec![
            ("2025-11-25", self.mcp.ask(&message).await),
            ("sse", self.sse.ask(&message).await),
            ("batch", batched[0].clone()),
            ("2026-07-28", modern.json()),
        ]
    }

    /// What one request is refused with over HTTP, by the door.
    async fn refused(&mut self, method: &str, params: &Value) -> Vec<(&'static str, u16, String)> {
        let message = request(7, method, params);
        let mut refused = Vec::new();
        for (door, reply) in [
            ("2025-11-25", self.mcp.post(&message).await),
            ("sse", self.sse.post(&message).await),
            ("batch", self.oldest.post(&json!([message])).await),
            (
                "2026-07-28",
                self.scene.ask(&self.modern(method, params)).await,
            ),
        ] {
            let challenge = reply.header("www-authenticate").unwrap_or_default();
            refused.push((door, reply.status, challenge.to_owned()));
        }
        refused
    }

    /// The names that a listing shows at every door, where they are the same.
    async fn listed(&mut self, method: &str, member: &str, key: &str) -> Vec<String> {
        let mut seen: Option<Vec<String>> = None;
        for (door, answer) in self.ask(method, &json!({})).await {
            let entries = answer["result"][member].as_array();
            let entries = entries.unwrap_or_else(|| panic!("{door}: {answer}"));
            let names = entries
                .iter()
                .map(|one| one[key].as_str().unwrap().to_owned());
            let names: Vec<_> = names.collect();
            assert_eq!(*seen.get_or_insert_with(|| names.clone()), names, "{door}");
        }
        seen.unwrap()
    }

    async fn tools(&mut self) -> Vec<String> {
        self.listed("tools/list", "tools", "name").await
    }
}

#[tokio::test]
async fn lists_show_what_their_caller_may_use() {
    let scene = scene(|_| ()).await;
    let mut agent = Caller::new(&scene, &json!({})).await;

    assert_eq!(agent.tools().await, ["open", "whoami"]);
    let prompts = agent.listed("prompts/list", "prompts", "name").await;
    assert_eq!(prompts, ["open"]);
    let resources = agent.listed("resources/list", "resources", "uri").await;
    assert_eq!(resources, ["notes://open/a"]);
    let families = agent.listed(
        "resources/templates/list",
        "resourceTemplates",
        "uriTemplate",
    );
    assert_eq!(families.await, ["notes://open/of/{id}"]);

    let granted = json!({ "client_id": "web", "roles": ["admin"], "scope": "theirs:read" });
    let mut web = Caller::new(&scene, &granted).await;
    let expected = [
        "admin_show",
        "open",
        "private",
        "whoami",
        "admin_end",
        "their_read",
    ];
    assert_eq!(web.tools().await, expected);
    let prompts = web.listed("prompts/list", "prompts", "name").await;
    assert_eq!(prompts, ["open", "private"]);
}

#[tokio::test]
async fn lists_may_show_what_only_lacks_a_scope() {
    let scene = scene(|config| config.policy.list_unscoped = true).await;
    let mut agent = Caller::new(&scene, &json!({})).await;

    let tools = agent.tools().await;
    assert_eq!(tools, ["open", "whoami", "their_read", "their_write"]);
}

#[tokio::test]
async fn what_is_not_for_a_caller_is_answered_as_what_is_not_there() {
    let scene = Scene::serving(rules, house).await;
    let mut agent = Caller::new(&scene, &json!({})).await;

    let of_ref =
        |reference: Value| json!({ "ref": reference, "argument": { "name": "of", "value": "a" } });
    let prompt = |name: &str| of_ref(json!({ "type": "ref/prompt", "name": name }));
    let family = |uri: &str| of_ref(json!({ "type": "ref/resource", "uri": uri }));
    for (method, hidden, missing) in [
        (
            "tools/call",
            json!({ "name": "private" }),
            json!({ "name": "nowhere" }),
        ),
        (
            "tools/call",
            json!({ "name": "admin_show" }),
            json!({ "name": "admin_none" }),
        ),
        (
            "prompts/get",
            json!({ "name": "private" }),
            json!({ "name": "nowhere" }),
        ),
        (
            "resources/read",
            json!({ "uri": "notes://private/a" }),
            json!({ "uri": "notes://private/b" }),
        ),
        (
            "resources/read",
            json!({ "uri": "notes://private/of/7" }),
            json!({ "uri": "notes://private/if/7" }),
        ),
        ("completion/complete", prompt("private"), prompt("nowhere")),
        (
            "completion/complete",
            family("notes://private/of/{id}"),
            family("notes://private/if/{id}"),
        ),
    ] {
        let name = |params: &Value| {
            let texts = [
                &params["name"],
                &params["uri"],
                &params["ref"]["name"],
                &params["ref"]["uri"],
            ];
            texts
                .into_iter()
                .find_map(Value::as_str)
                .unwrap()
                .to_owned()
        };
        let theirs = agent.ask(method, &hidden).await;
        let nobodys = agent.ask(method, &missing).await;
        for ((door, theirs), (_, nobodys)) in theirs.into_iter().zip(nobodys) {
            assert!(theirs["error"].is_object(), "{method} at {door}: {theirs}");
            let same = nobodys.to_string().replace(&name(&missing), &name(&hidden));
            assert_eq!(theirs.to_string(), same, "{method} at {door}");
        }
    }
    assert!(scene.metric("usher_refusals_total{reason=\"policy\"}") > 0);
    let granted = json!({ "client_id": "web", "roles": "admin" });
    let mut web = Caller::new(&scene, &granted).await;
    for name in ["private", "admin_show"] {
        for (door, answer) in web.ask("tools/call", &json!({ "name": name })).await {
            assert_eq!(
                answer["result"]["isError"],
                json!(false),
                "{name} at {door}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn what_rules_keep_from_a_caller_is_not_told_from_what_a_handler_does_not_have() {
    let scene = scene(|_| ()).await;
    let mut agent = Caller::new(&scene, &json!({})).await;

    let theirs = agent
        .ask("tools/call", &json!({ "name": "admin_end" }))
        .await;
    let nobodys = agent
        .ask("tools/call", &json!({ "name": "admin_no" }))
        .await;
    for ((door, theirs), (_, nobodys)) in theirs.into_iter().zip(nobodys) {
        let same = nobodys.to_string().replace("admin_no", "admin_end");
        assert_eq!(theirs.to_string(), same, "{door}");
    }
    let granted = json!({ "roles": "admin" });
    let mut admin = Caller::new(&scene, &granted).await;
    for (door, answer) in admin
        .ask("tools/call", &json!({ "name": "admin_end" }))
        .await
    {
        assert_eq!(
            answer["result"]["isError"],
            json!(false),
            "{door}: {answer}"
        );
    }
}

// K22: a scope that the configuration asks for, of a handler that knows nothing of it.
#[tokio::test]
async fn all_scopes_that_rules_ask_for_are_in_one_challenge() {
    let scene = scene(|_| ()).await;
    let mut agent = Caller::new(&scene, &json!({ "scope": "theirs:read" })).await;

    for (door, status, challenge) in agent
        .refused("tools/call", &json!({ "name": "their_write" }))
        .await
    {
        assert_eq!(status, 403, "{door}");
        assert!(
            challenge.contains("error=\"insufficient_scope\""),
            "{door}: {challenge}"
        );
        let all = "scope=\"theirs:read theirs:write\"";
        assert!(challenge.contains(all), "{door}: {challenge}");
    }
    for (door, answer) in agent
        .ask("tools/call", &json!({ "name": "their_read" }))
        .await
    {
        assert_eq!(
            answer["result"]["content"][0]["text"], "theirs",
            "{door}: {answer}"
        );
    }
}

// K25: who was let in for one thing is judged anew for the next.
#[tokio::test]
async fn a_token_that_is_known_by_one_call_is_judged_for_every_other() {
    let scene = scene(|_| ()).await;
    let token = scene.token_with("alice", &json!({ "scope": "theirs:read" }));
    let mut mcp = Mcp::ready(&scene, &token).await;

    for _ in 0..2 {
        let read = mcp.call(1, "their_read").await;
        assert_eq!(read["result"]["content"][0]["text"], "theirs");
        mcp.post(&call(2, "their_write")).await.is(403);
        let other = mcp.call(3, "admin_end").await;
        assert!(other["error"].is_object(), "{other}");
    }
}

// K22: for clients that take a 403 for a broken sign-in.
#[tokio::test]
async fn a_missing_scope_may_be_an_error_that_the_model_reads() {
    let scene = scene(|config| config.policy.missing_scope = MissingScope::ToolError).await;
    let mut agent = Caller::new(&scene, &json!({})).await;

    for (door, answer) in agent
        .ask("tools/call", &json!({ "name": "their_write" }))
        .await
    {
        let result = &answer["result"];
        assert_eq!(result["isError"], true, "{door}: {answer}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("theirs:read theirs:write"), "{door}: {text}");
    }
    assert_eq!(
        scene.metric("usher_calls_total{tool=\"tools/call\",outcome=\"ok\"}"),
        0
    );
}

#[tokio::test]
async fn nobody_is_told_of_changes_of_what_is_not_for_them() {
    let scene = scene(|_| ()).await;
    let mut agent = Caller::new(&scene, &json!({})).await;

    let hidden = json!({ "uri": "notes://private/a" });
    for answer in [
        agent
            .mcp
            .ask(&request(1, "resources/subscribe", &hidden))
            .await,
        agent
            .sse
            .ask(&request(1, "resources/subscribe", &hidden))
            .await,
    ] {
        assert!(answer["error"].is_object(), "{answer}");
    }
    let both = ["notes://private/a", "notes://open/a"];
    let wish = json!({ "notifications": { "resourceSubscriptions": both } });
    let ask = Ask::modern(&scene, &agent.token, 1, "subscriptions/listen", wish);
    let mut stream = scene.events(&ask).await;
    let agreed = stream.message().await;
    let honoured = &agreed["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(*honoured, json!(["notes://open/a"]));
}

#[tokio::test]
async fn a_session_is_told_when_a_fresh_token_shows_it_more_or_less() {
    let scene = scene(|_| ()).await;
    let more = scene.token_with("alice", &json!({ "roles": ["admin"], "jti": "more" }));
    let same = scene.token_with("alice", &json!({ "roles": ["admin"], "jti": "same" }));
    let less = scene.token_with("alice", &json!({}));
    let mut mcp = Mcp::ready(&scene, &more).await;
    let mut stream = scene.events(&mcp.stream(&scene)).await;
    let names = |listed: &Value| listed["result"]["tools"].to_string();
    let list = request(1, "tools/list", &json!({}));
    assert!(names(&mcp.ask(&list).await).contains("admin_show"));

    for (token, shows) in [(&same, true), (&less, false), (&more, true)] {
        let ask = mcp
            .message(&list)
            .with("Authorization", &format!("Bearer {token}"));
        let listed = mcp.posts.ask(&ask).await.is(200).json();
        assert_eq!(names(&listed).contains("admin_show"), shows);
    }

    // Told twice, and not of the token that changes nothing.
    for _ in 0..2 {
        for what in ["tools", "prompts", "resources"] {
            let told = stream.message().await;
            assert_eq!(told["method"], format!("notifications/{what}/list_changed"));
        }
    }
}

// A call that is refused is no failure of the transport: HTTP 200, and when to come again.
#[tokio::test]
async fn a_caller_may_call_so_often_whichever_door_it_comes_by() {
    let scene = scene(|config| {
        config.policy.rate = Some("6/h".parse().unwrap());
        config.policy.rules.push(Rule {
            tools: patterns(&["open"]),
            rate: Some("2/h".parse().unwrap()),
            ..Rule::default()
        });
    })
    .await;
    let mut agent = Caller::new(&scene, &json!({})).await;
    let open = json!({ "name": "open" });

    let answers = agent.ask("tools/call", &open).await;
    let refused: Vec<_> = answers
        .iter()
        .map(|(_, answer)| answer["error"].is_object())
        .collect();
    // Asked in another order than they are listed: the batch first, and then without a session.
    assert_eq!(refused, [true, true, false, false]);
    for (door, answer) in &answers[..2] {
        let wait = answer["error"]["data"]["retryAfter"].as_f64().unwrap();
        assert!((1_700.0..=1_800.0).contains(&wait), "{door}: {answer}");
    }
    // Two have counted for all calls too, and those that were refused have not.
    let answers = agent
        .ask(
            "prompts/get",
            &json!({ "name": "open", "arguments": { "of": "it" } }),
        )
        .await;
    assert!(
        answers
            .iter()
            .all(|(_, answer)| answer["result"].is_object()),
        "{answers:?}"
    );
    let answers = agent.ask("tools/call", &json!({ "name": "whoami" })).await;
    assert!(
        answers
            .iter()
            .all(|(_, answer)| answer["error"].is_object()),
        "{answers:?}"
    );
    // Lists and what ends things are nobody's calls, and another caller has its own.
    assert!(!agent.tools().await.is_empty());
    let bob = scene.token("bob");
    let call = scene
        .ask(&Ask::modern(&scene, &bob, 1, "tools/call", open))
        .await
        .is(200);
    assert!(call.json()["result"].is_object());
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"policy.rules.rate\"}"),
        2
    );
    assert_eq!(
        scene.metric("usher_limit_hit_total{limit=\"policy.rate\"}"),
        4
    );
}

#[tokio::test]
async fn whoami_tells_how_its_caller_was_verified_where_that_is_set() {
    for tells in [false, true] {
        let scene = scene(|config| config.handler.whoami_meta = tells).await;
        let mut web = Caller::new(&scene, &json!({ "client_id": "web" })).await;

        for (door, answer) in web.ask("tools/call", &json!({ "name": "whoami" })).await {
            let meta = &answer["result"]["_meta"]["usher/verification"];
            assert_eq!(meta.is_object(), tells, "{door}: {answer}");
            if tells {
                assert!(meta["verifiedSecondsAgo"].is_u64(), "{door}: {meta}");
                assert_eq!(meta["verifiedBy"], "jwt");
                assert_eq!(meta["tokenKind"], "jwt");
                assert_eq!(meta["clientClass"], "first-party");
                assert_eq!(meta["scopes"], "mcp:tools openid");
            }
            let text = answer["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.contains("alice"), "{door}: {answer}");
        }
    }
}
