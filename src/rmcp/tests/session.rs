//! What a client wants of its session, and what a handler says of changes.

use ::rmcp::model::{SubscribeRequestParams, UnsubscribeRequestParams};

use super::*;
use crate::handler::Change;

/// Has one resource to subscribe to, and says what it knows of its caller.
#[derive(Clone)]
struct Watched;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Place {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: String,
}

#[tool_router]
impl Watched {
    #[tool(description = "Says who calls, and how")]
    async fn caller(&self, context: RequestContext<RoleServer>) -> String {
        let client = context.client_info().map(|info| info.name);
        let can_ask = context.client_capabilities().unwrap().elicitation.is_some();
        format!("{client:?} {} {can_ask}", context.id)
    }

    #[tool(description = "Changes")]
    async fn change(&self, peer: Peer<RoleServer>) -> String {
        peer.notify_tool_list_changed().await.unwrap();
        let uri = ResourceUpdatedNotificationParam::new("test://a");
        peer.notify_resource_updated(uri).await.unwrap();
        "changed".to_owned()
    }

    #[tool(description = "Looks there")]
    fn look(&self, Parameters(Place { region }): Parameters<Place>) -> String {
        region
    }
}

#[tool_handler]
impl ServerHandler for Watched {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe();
        ServerConfig::new(offered.build())
    }

    async fn subscribe(
        &self,
        asked: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if asked.uri == "test://a" {
            return Ok(());
        }
        Err(ErrorData::resource_not_found("no such resource", None))
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_decides_what_can_be_subscribed_to() {
    let handler = handler(Watched);
    let resources = &handler.initialize_result(LEGACY)["capabilities"]["resources"];
    assert_eq!(*resources, json!({ "subscribe": true }));
    let session = surroundings("alice", LEGACY);
    let mut own = session.open_stream();

    for (uri, code) in [
        ("test://a", None),
        ("test://b", Some(codes::RESOURCE_NOT_FOUND)),
    ] {
        let context = session.another_call();
        let params = json!({ "uri": uri });
        let answer = ask_in(&handler, context, "resources/subscribe", params).await;
        assert_eq!(answer.err().map(|error| error.code), code, "{uri}");
    }
    for uri in ["test://b", "test://a"] {
        session.conversation.tell(&Change::Resource(uri.to_owned()));
    }

    let told = next(&mut own).await;
    assert_eq!(told["method"], "notifications/resources/updated");
    assert_eq!(told["params"], json!({ "uri": "test://a" }));
}

#[tokio::test]
async fn in_2026_07_28_there_is_nothing_to_subscribe_by() {
    let asked = json!({ "uri": "test://a" });
    let refused = ask(&handler(Watched), MODERN, "resources/subscribe", asked).await;
    assert_eq!(refused.unwrap_err().code, codes::METHOD_NOT_FOUND);
}

#[tokio::test]
async fn a_level_is_set_whatever_the_handler_thinks_of_it() {
    let handler = handler(Watched);
    let asked = json!({ "level": "error" });
    let set = ask(&handler, LEGACY, "logging/setLevel", asked).await;
    assert_eq!(set.unwrap(), json!({}));
}

#[tokio::test]
async fn changes_said_during_a_call_are_for_everybody_who_wants_to_know() {
    let handler = handler(Watched);
    for version in [LEGACY, MODERN] {
        let mut everybody = handler.changes().listen();
        let changed = ask(&handler, version, "tools/call", json!({ "name": "change" })).await;
        assert_eq!(text(&changed.unwrap()), "changed");

        let resource = Change::Resource("test://a".to_owned());
        assert_eq!(everybody.next().await.unwrap(), [Change::Tools, resource]);
    }
}

#[tokio::test]
async fn a_tool_knows_its_client_and_its_request_in_every_version() {
    let handler = handler(Watched);
    for version in ProtocolVersion::ALL {
        let said = ask(&handler, version, "tools/call", json!({ "name": "caller" })).await;
        assert_eq!(text(&said.unwrap()), "Some(\"tests\") 1 true", "{version}");
    }
}

#[test]
fn arguments_that_headers_repeat_are_found_in_the_handlers_schemas() {
    let handler = handler(Watched);
    let caller = surroundings("alice", ProtocolVersion::V2026_07_28).context;
    let caller = caller.principal();
    let found = handler.param_headers(caller, "look");
    assert_eq!(found[0].header(), "mcp-param-region");
    assert!(handler.param_headers(caller, "change").is_empty());
    assert!(handler.param_headers(caller, "nope").is_empty());
}
