//! A catalog that changes while it is served: each kind of stream hears of it, and lists are right.

use std::collections::BTreeSet;

use mcp_usher::{
    handler::{Catalog, Entries, NoArguments, Prompt, Resource, Tool},
    protocol::ResourceContents,
};
use serde_json::{Value, json};

use crate::kit::{Ask, Events, Mcp, Scene, Sse, request};

const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";

fn tool(name: &str) -> Tool {
    let name = name.to_owned();
    Tool::new(name.clone(), "Says its name.", move |_, _: NoArguments| {
        let name = name.clone();
        async move { Ok(name) }
    })
}

fn prompt(name: &str) -> Prompt {
    Prompt::new(name, "Says nothing.", |_, _| async { Ok(Vec::new()) })
}

fn add(catalog: &Catalog, name: &str) {
    let tool = tool(name);
    catalog.change(|entries| entries.add_tool(tool)).unwrap();
}

fn names(list: &Value) -> Vec<String> {
    let tools = list["result"]["tools"].as_array().expect("a list of tools");
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

/// That what comes next on the stream is this, and nothing more than once.
async fn hears(events: &mut Events, methods: &[&str]) {
    for method in methods {
        assert_eq!(events.message().await["method"], **method);
    }
}

#[tokio::test]
async fn a_client_on_http_sse_is_told_and_calls_what_was_added() {
    let scene = Scene::new().await;
    let mut sse = Sse::ready(&scene, &scene.token("alice")).await;
    let before = names(&sse.ask(&request(1, "tools/list", &json!({}))).await);
    let catalog = scene.running().catalog();

    add(catalog, "added");

    hears(&mut sse.events, &[TOOLS]).await;
    let after = names(&sse.ask(&request(2, "tools/list", &json!({}))).await);
    assert_eq!(after.len(), before.len() + 1);
    let answer = sse.call(3, "added").await;
    assert_eq!(answer["result"]["content"][0]["text"], "added");
    catalog
        .change(|entries| entries.remove_tool("added"))
        .unwrap();
    hears(&mut sse.events, &[TOOLS]).await;
    assert_eq!(sse.call(4, "added").await["error"]["code"], -32602);
}

#[tokio::test]
async fn the_stream_of_a_session_is_told_once_of_each_list() {
    let scene = Scene::new().await;
    let catalog = scene.running().catalog();
    catalog.change(Entries::declare_prompts).unwrap();
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut stream = scene.events(&mcp.stream(&scene)).await;

    let change = |entries: &mut Entries| {
        (0..100).for_each(|number| entries.add_tool(tool(&format!("t{number}"))));
        entries.add_prompt(prompt("p"));
    };
    catalog.change(change).unwrap();
    hears(&mut stream, &[TOOLS, PROMPTS]).await;
    // What comes next is of the next change, so the first was told once.
    catalog
        .change(|entries| entries.remove_prompt("p"))
        .unwrap();
    hears(&mut stream, &[PROMPTS]).await;

    let list = mcp.ask(&request(1, "prompts/list", &json!({}))).await;
    assert_eq!(list["result"]["prompts"], json!([]));
}

// A capability that was not declared was not negotiated.
#[tokio::test]
async fn a_session_is_not_told_of_a_list_it_was_told_is_not_there() {
    let scene = Scene::new().await;
    let catalog = scene.running().catalog();
    let early = Mcp::ready(&scene, &scene.token("alice")).await;
    let mut early = scene.events(&early.stream(&scene)).await;

    catalog
        .change(|entries| entries.add_prompt(prompt("p")))
        .unwrap();
    let late = Mcp::ready(&scene, &scene.token("bob")).await;
    let mut late = scene.events(&late.stream(&scene)).await;
    catalog
        .change(|entries| entries.add_prompt(prompt("q")))
        .unwrap();
    add(catalog, "added");

    hears(&mut early, &[TOOLS]).await;
    hears(&mut late, &[PROMPTS, TOOLS]).await;
}

#[tokio::test]
async fn a_listener_without_a_session_is_told_what_it_asked_for() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let wish = json!({ "notifications": { "resourcesListChanged": true } });
    let listen = Ask::modern(&scene, &token, 1, "subscriptions/listen", wish);
    let mut stream = scene.events(&listen).await;
    hears(&mut stream, &["notifications/subscriptions/acknowledged"]).await;
    let catalog = scene.running().catalog();

    add(catalog, "not wished for");
    let page = Resource::new("test://added", "added", |_| async {
        Ok(ResourceContents::text("test://added", "here"))
    });
    catalog
        .change(|entries| entries.add_resource(page))
        .unwrap();

    hears(&mut stream, &["notifications/resources/list_changed"]).await;
    let list = Ask::modern(&scene, &token, 2, "resources/list", json!({}));
    let list = scene.ask(&list).await.is(200).json();
    assert_eq!(list["result"]["resources"][0]["uri"], "test://added");
}

// The files of a skill are nobody's who has no token, and the same for clients of every version.
#[tokio::test]
async fn skills_of_a_folder_are_served_to_those_who_may_come_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/conformance/skills");
    let scene = Scene::with(|config| config.skills.directory = Some(folder.into())).await;
    let token = scene.token("alice");
    let formal = json!({ "uri": "skill://letters/formal/SKILL.md" });

    let mut mcp = Mcp::ready_in(&scene, &token, "2025-06-18").await;
    let got = mcp.ask(&request(1, "skills/get", &formal)).await;
    let entry = &got["result"]["skill"];
    assert_eq!(entry["frontmatter"]["metadata"]["version"], "1.2");
    assert_eq!(entry["resources"].as_array().unwrap().len(), 4);
    let read = mcp.ask(&request(2, "resources/read", &formal)).await;
    let text = read["result"]["contents"][0]["text"].as_str().unwrap();
    assert_eq!(text.len(), entry["resources"][0]["size"]);

    let folder = json!({ "uri": "skill://letters/formal/templates" });
    let ask = Ask::modern(&scene, &token, 1, "resources/directory/read", folder);
    let listed = scene.ask(&ask).await.is(200).json();
    assert_eq!(listed["result"]["resources"][1]["name"], "notice.md");
    let ask = Ask::modern(&scene, "nobodys-token", 2, "skills/list", json!({}));
    scene.ask(&ask).await.is(401);
}

// Pages follow names, so that a list that changes under a reader skips and repeats nothing that stayed.
#[tokio::test]
async fn a_cursor_stays_right_while_the_list_changes() {
    let scene = Scene::of(|_| (), Vec::new()).await;
    let catalog = scene.running().catalog();
    let numbered = |number: usize| format!("n{number:04}");
    let change = |entries: &mut Entries| {
        entries.remove_tool("whoami");
        (0..1_200).for_each(|number| entries.add_tool(tool(&numbered(number))));
    };
    catalog.change(change).unwrap();
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;

    let mut seen = Vec::new();
    let mut params = json!({});
    for page in 1.. {
        let list = mcp.ask(&request(page, "tools/list", &params)).await;
        seen.extend(names(&list));
        let Some(cursor) = list["result"]["nextCursor"].as_str() else {
            break;
        };
        params = json!({ "cursor": cursor });
        // The first page's own, among them the one the cursor names, and one of the pages to come.
        let change = |entries: &mut Entries| {
            (490..500).for_each(|number| _ = entries.remove_tool(&numbered(number)));
            entries.remove_tool(&numbered(700));
            entries.add_tool(tool("a new one"));
            entries.add_tool(tool("z new one"));
        };
        catalog.change(change).unwrap();
    }

    let once: BTreeSet<_> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "something was shown twice");
    assert!(seen.contains(&"z new one".to_owned()));
    let stayed = (0..1_200).filter(|number| *number != 700).map(numbered);
    assert_eq!(stayed.filter(|name| !seen.contains(name)).count(), 0);
}
