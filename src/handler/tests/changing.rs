//! A catalog that changes while it is asked.

use std::sync::Arc;

use tokio::sync::Notify;

use super::*;

const VERSION: ProtocolVersion = ProtocolVersion::V2025_11_25;

fn says(name: &str, answer: &'static str) -> Tool {
    Tool::new(
        name,
        "Says",
        move |_, _: NoArguments| async move { Ok(answer) },
    )
}

fn broken(name: &str) -> Tool {
    let schema = json!({ "type": "objekt" });
    Tool::with_schema(name, "Broken", schema, |_, _| async { Ok("never") })
}

fn house(entries: Entries) -> (Handler, Catalog) {
    let catalog = Catalog::from(entries);
    let info = handler().0.info.clone();
    let clone = catalog.clone();
    let handler = Handler::new(
        Config::default(),
        Policy::default(),
        info,
        clone,
        Metrics::new(),
        clock(),
    );
    (handler.unwrap(), catalog)
}

async fn names(handler: &Handler) -> Vec<String> {
    let list = ask(handler, VERSION, "tools/list", json!({}))
        .await
        .unwrap();
    let tools = list["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn call_of(handler: &Handler, name: &str) -> Value {
    let called = ask(handler, VERSION, "tools/call", json!({ "name": name }));
    called.await.unwrap()["content"][0]["text"].clone()
}

#[tokio::test]
async fn a_change_is_seen_at_once_and_as_a_whole() {
    let mut entries = Entries::default();
    entries.add_tool(says("a", "old"));
    entries.add_tool(says("b", "b"));
    let (handler, catalog) = house(entries);

    let removed = catalog.change(|entries| {
        entries.add_tool(says("a", "new"));
        entries.add_tool(says("c", "c"));
        (entries.remove_tool("b"), entries.remove_tool("nope"))
    });

    assert_eq!(removed.unwrap(), (true, false));
    assert_eq!(names(&handler).await, ["a", "c"]);
    assert_eq!(call_of(&handler, "a").await, "new");
    let gone = ask(&handler, VERSION, "tools/call", json!({ "name": "b" })).await;
    assert_eq!(gone.unwrap_err().code, codes::INVALID_PARAMS);
}

#[tokio::test]
async fn each_list_that_is_different_is_announced_once() {
    let (_handler, catalog) = house(Entries::default());
    let mut told = catalog.changes().listen();

    let add = |entries: &mut Entries| {
        for number in 0..10 {
            entries.add_tool(says(&format!("t{number}"), "t"));
        }
        entries.add_prompt(Prompt::new("p", "P", |_, _| async { Ok(Vec::new()) }));
    };
    catalog.change(add).unwrap();

    assert_eq!(told.next().await.unwrap(), [Change::Tools, Change::Prompts]);
    let nothing = catalog.change(|entries| entries.remove_resource("test://nope"));
    assert!(!nothing.unwrap());
    let family = ResourceTemplate::new("a://{b}", "a", |_, at: Variables| async move {
        Ok(ResourceContents::text(at.uri(), "a"))
    });
    let family = family.unwrap();
    catalog
        .change(|entries| entries.add_template(family))
        .unwrap();
    assert_eq!(told.next().await.unwrap(), [Change::Resources]);
}

#[tokio::test]
async fn a_broken_schema_is_refused_by_name_and_changes_nothing() {
    let mut entries = Entries::default();
    entries.add_tool(says("a", "a"));
    let (handler, catalog) = house(entries);
    let mut told = catalog.changes().listen();

    let refused = catalog.change(|entries| {
        entries.remove_tool("a");
        entries.add_tool(broken("bad"));
    });

    assert!(refused.unwrap_err().to_string().contains("bad"));
    assert_eq!(names(&handler).await, ["a"]);
    catalog
        .change(|entries| entries.add_tool(says("c", "c")))
        .unwrap();
    assert_eq!(told.next().await.unwrap(), [Change::Tools]);
    assert_eq!(names(&handler).await, ["a", "c"]);
}

#[tokio::test]
async fn an_edit_that_panics_changes_nothing_and_the_next_one_is_done() {
    let (handler, catalog) = house(Entries::default());

    let panicking = catalog.clone();
    let panicked = std::thread::spawn(move || {
        panicking.change(|entries| {
            entries.add_tool(says("a", "a"));
            let nothing: [u8; 0] = [];
            nothing.first().copied().unwrap()
        })
    });

    assert!(panicked.join().is_err());
    assert!(names(&handler).await.is_empty());
    catalog
        .change(|entries| entries.add_tool(says("b", "b")))
        .unwrap();
    assert_eq!(names(&handler).await, ["b"]);
}

#[tokio::test]
async fn a_call_in_flight_goes_on_with_the_tool_it_found() {
    let (begun, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, goes_on) = (Arc::clone(&begun), Arc::clone(&go_on));
    let slow = Tool::new("slow", "Waits", move |_, _: NoArguments| {
        let (begun, go_on) = (Arc::clone(&begins), Arc::clone(&goes_on));
        async move {
            begun.notify_one();
            go_on.notified().await;
            Ok("old")
        }
    });
    let mut entries = Entries::default();
    entries.add_tool(slow);
    let (handler, catalog) = house(entries);

    let calling = handler.clone();
    let called = tokio::spawn(async move { call_of(&calling, "slow").await });
    begun.notified().await;
    catalog
        .change(|entries| entries.add_tool(says("slow", "new")))
        .unwrap();
    assert_eq!(call_of(&handler, "slow").await, "new");
    catalog
        .change(|entries| entries.remove_tool("slow"))
        .unwrap();
    go_on.notify_one();

    assert_eq!(called.await.unwrap(), "old");
}

// K22: what is added later is guarded as what was there.
#[tokio::test]
async fn a_tool_that_takes_anothers_place_brings_its_own_scopes() {
    let mut entries = Entries::default();
    entries.add_tool(says("a", "open"));
    let (handler, catalog) = house(entries);

    let guarded = says("a", "guarded").needs("notes:read".parse().unwrap());
    catalog.change(|entries| entries.add_tool(guarded)).unwrap();

    let needed = needed(&handler, &Method::ToolsCall, json!({ "name": "a" }));
    assert_eq!(needed.to_string(), "notes:read");
    let refused = ask(&handler, VERSION, "tools/call", json!({ "name": "a" })).await;
    assert!(refused.unwrap_err().message.contains("notes:read"));
}

#[tokio::test]
async fn a_list_that_has_become_empty_is_still_there() {
    let mut entries = Entries::default();
    let text = || async { Ok(ResourceContents::text("test://a", "a")) };
    entries.add_resource(Resource::new("test://a", "a", move |_| text()));
    let (handler, catalog) = house(entries);
    let declared = |name: &str| {
        let capabilities = handler.initialize_result(VERSION)["capabilities"].clone();
        capabilities.get(name).is_some()
    };

    catalog
        .change(|entries| entries.remove_resource("test://a"))
        .unwrap();

    let list = ask(&handler, VERSION, "resources/list", json!({})).await;
    assert_eq!(list.unwrap()["resources"], json!([]));
    assert!(declared("resources") && !declared("prompts"));
    catalog.change(Entries::declare_prompts).unwrap();
    let list = ask(&handler, VERSION, "prompts/list", json!({})).await;
    assert_eq!(list.unwrap()["prompts"], json!([]));
    assert!(declared("prompts"));
}

// Many at once, on as many threads: no change undoes another.
#[tokio::test]
async fn changes_made_at_once_are_all_made() {
    let (handler, catalog) = house(Entries::default());

    std::thread::scope(|threads| {
        for thread in 0..4 {
            let catalog = &catalog;
            threads.spawn(move || {
                for number in 0..50 {
                    let tool = says(&format!("t{thread}-{number}"), "t");
                    catalog.change(|entries| entries.add_tool(tool)).unwrap();
                }
            });
        }
    });

    assert_eq!(names(&handler).await.len(), 200);
}
