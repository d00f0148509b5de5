//! What entries are shown with, version by version, and MCP Apps, which are made of nothing else.

use super::*;
use crate::{
    handler::PromptArgument,
    protocol::{Annotations, Icon, Role, Theme},
};

const UI: &str = "ui://clock/view.html";

fn handler() -> Handler {
    let tool = Tool::new(
        "clock",
        "Shows a clock",
        |call: CallContext, _: NoArguments| async move {
            let apps = call.client_extension("io.modelcontextprotocol/ui");
            let result = CallToolResult::text(if apps.is_some() { "see" } else { "12:00" });
            Ok(result.meta("com.example/zone", json!("UTC")))
        },
    );
    let page = Resource::new(UI, "clock", |_| async {
        let page = ResourceContents::text(UI, "<!doctype html>");
        Ok(page.meta(
            "ui",
            json!({ "csp": { "connectDomains": ["https://time.example"] } }),
        ))
    });
    let family = ResourceTemplate::new("zone://{name}", "zones", |_, at: Variables| async move {
        Ok(ResourceContents::text(at.uri(), "+0"))
    });
    let prompt = Prompt::new("ask", "Asks for the time", |_, _| async {
        let said = Content::text("What time is it?").meta("com.example/mood", json!("curious"));
        Ok(vec![PromptMessage::user(said)])
    })
    .takes(PromptArgument::optional("zone", "Where").title("Zone"));
    let icon = Icon::new("https://example.com/a.svg")
        .size("any")
        .theme(Theme::Light);
    let mut entries = Entries::default();
    entries.add_tool(
        tool.title("Clock")
            .icon(icon.clone())
            .icon(Icon::embedded(b"png", "image/png"))
            .meta(
                "ui",
                json!({ "resourceUri": UI, "visibility": ["model", "app"] }),
            ),
    );
    entries.add_resource(
        page.title("A clock")
            .icon(icon.clone())
            .mime_type("text/html;profile=mcp-app")
            .size(15)
            .annotations(Annotations {
                audience: vec![Role::User],
                priority: Some(0.5),
                last_modified: Some("2025-01-12T15:00:58Z".into()),
            })
            .meta("ui", json!({ "prefersBorder": true })),
    );
    entries.add_template(family.unwrap().title("Zones").icon(icon.clone()));
    entries.add_prompt(prompt.title("Ask").icon(icon.clone()));
    let info = ServerInfo {
        implementation: Implementation {
            name: "clock".into(),
            version: "1".into(),
            title: Some("Clocks".into()),
            description: Some("Tells the time".into()),
            website_url: Some("https://example.com".into()),
            icons: vec![icon],
        },
        instructions: None,
    };
    serving(info, entries).unwrap()
}

async fn ask(version: ProtocolVersion, method: &str, params: Value) -> Value {
    let answered = super::ask(&handler(), version, method, params).await;
    answered.unwrap()
}

async fn first(version: ProtocolVersion, method: &str, member: &str) -> Value {
    ask(version, method, json!({})).await[member][0].clone()
}

#[tokio::test]
async fn every_kind_of_entry_has_its_title_and_icons_from_the_version_that_knows_them() {
    for (method, member) in [
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ] {
        let new = first(ProtocolVersion::V2025_11_25, method, member).await;
        let older = first(ProtocolVersion::V2025_06_18, method, member).await;
        let old = first(ProtocolVersion::V2025_03_26, method, member).await;

        assert_eq!(new["icons"][0]["theme"], "light", "{method}");
        assert_eq!(new["icons"][0]["sizes"], json!(["any"]), "{method}");
        assert!(older.get("icons").is_none(), "{older}");
        assert_eq!(older["title"], new["title"]);
        assert!(new["title"].is_string(), "{new}");
        assert!(old.get("title").is_none(), "{old}");
    }
}

#[tokio::test]
async fn a_prompts_arguments_and_messages_have_what_a_version_knows() {
    for version in ProtocolVersion::ALL {
        let is_known = version >= ProtocolVersion::V2025_06_18;
        let prompt = first(version, "prompts/list", "prompts").await;
        let argument = &prompt["arguments"][0];
        assert_eq!(argument["name"], "zone");
        assert_eq!(argument["required"], false);
        let title = is_known.then(|| json!("Zone"));
        assert_eq!(argument.get("title"), title.as_ref(), "{version}");

        let filled = ask(version, "prompts/get", json!({ "name": "ask" })).await;
        let meta = is_known.then(|| json!({ "com.example/mood": "curious" }));
        let said = &filled["messages"][0]["content"];
        assert_eq!(said.get("_meta"), meta.as_ref(), "{version}");
        assert_eq!(said["text"], "What time is it?");
    }
}

#[tokio::test]
async fn a_resource_says_its_size_and_whom_it_is_for() {
    let shown = first(ProtocolVersion::V2026_07_28, "resources/list", "resources").await;

    assert_eq!(shown["size"], 15);
    assert_eq!(
        shown["annotations"],
        json!({ "audience": ["user"], "priority": 0.5, "lastModified": "2025-01-12T15:00:58Z" })
    );
    let old = first(ProtocolVersion::V2024_11_05, "resources/list", "resources").await;
    assert_eq!(
        old["annotations"],
        json!({ "audience": ["user"], "priority": 0.5 })
    );
}

#[tokio::test]
async fn a_server_introduces_itself_as_far_as_a_version_goes() {
    let told = |version| handler().initialize_result(version)["serverInfo"].clone();

    let new = told(ProtocolVersion::V2025_11_25);
    assert_eq!(new["description"], "Tells the time");
    assert_eq!(new["websiteUrl"], "https://example.com");
    assert_eq!(new["icons"][0]["src"], "https://example.com/a.svg");
    assert_eq!(
        told(ProtocolVersion::V2025_06_18),
        json!({ "name": "clock", "title": "Clocks", "version": "1" })
    );
    assert_eq!(
        told(ProtocolVersion::V2025_03_26),
        json!({ "name": "clock", "version": "1" })
    );
}

#[tokio::test]
async fn icons_of_the_server_weigh_on_its_discovery_only() {
    let version = ProtocolVersion::V2026_07_28;
    let key = "io.modelcontextprotocol/serverInfo";

    let discovered = ask(version, "server/discover", json!({})).await;
    assert!(discovered["_meta"][key]["icons"][0].is_object());
    let listed = ask(version, "tools/list", json!({})).await;
    assert_eq!(
        listed["_meta"][key],
        json!({ "name": "clock", "title": "Clocks", "version": "1" })
    );
}

// MCP Apps are `_meta`, a scheme and a type: what a server's author writes has to reach the host as it
// is.
#[tokio::test]
async fn an_app_passes_from_tool_to_page_untouched() {
    let version = ProtocolVersion::V2025_11_25;

    let declared = handler().initialize_result(version)["capabilities"]["extensions"].clone();
    assert_eq!(declared, json!({ "io.modelcontextprotocol/ui": {} }));
    let tool = first(version, "tools/list", "tools").await;
    assert_eq!(
        tool["_meta"],
        json!({ "ui": { "resourceUri": UI, "visibility": ["model", "app"] } })
    );
    let resource = first(version, "resources/list", "resources").await;
    assert_eq!(resource["mimeType"], "text/html;profile=mcp-app");
    assert_eq!(resource["_meta"]["ui"]["prefersBorder"], true);
    let read = ask(version, "resources/read", json!({ "uri": UI })).await;
    assert_eq!(
        read["contents"],
        json!([{
            "uri": UI, "mimeType": "text/html;profile=mcp-app", "text": "<!doctype html>",
            "_meta": { "ui": { "csp": { "connectDomains": ["https://time.example"] } } },
        }])
    );
    let called = ask(version, "tools/call", json!({ "name": "clock" })).await;
    assert_eq!(called["_meta"], json!({ "com.example/zone": "UTC" }));
    assert_eq!(called["content"][0]["text"], "12:00");
}

#[tokio::test]
async fn a_result_keeps_its_own_meta_beside_the_servers_name() {
    let version = ProtocolVersion::V2026_07_28;

    let called = ask(version, "tools/call", json!({ "name": "clock" })).await;

    assert_eq!(called["_meta"]["com.example/zone"], "UTC");
    let server = &called["_meta"]["io.modelcontextprotocol/serverInfo"];
    assert_eq!(server["name"], "clock");
}

#[tokio::test]
async fn contents_have_no_meta_where_a_version_knows_none() {
    let read = ask(
        ProtocolVersion::V2025_03_26,
        "resources/read",
        json!({ "uri": UI }),
    );

    assert!(read.await["contents"][0].get("_meta").is_none());
}
