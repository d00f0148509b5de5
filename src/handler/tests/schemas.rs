//! Arguments and results against their schemas, through the door.

use super::*;

#[derive(serde::Serialize, JsonSchema)]
struct Length {
    metres: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Of {
    what: String,
}

fn measuring() -> Handler {
    let measure = Tool::new("measure", "Measures", |_, Of { what }| async move {
        Ok(match what.as_str() {
            "table" => CallToolResult::structured(json!({ "metres": 2.5 })),
            "nothing" => CallToolResult::error("there is nothing"),
            _ => CallToolResult::structured(json!({ "metres": "long" })),
        })
    })
    .output::<Length>();
    let list = Tool::new("list", "Lists", |_, _: NoArguments| async move {
        Ok(Structured([1, 2, 3]))
    })
    .output::<Vec<u8>>();
    offering([measure, list]).unwrap()
}

fn offering(tools: impl IntoIterator<Item = Tool>) -> Result<Handler, HandlerError> {
    let info = handler().0.info.clone();
    let mut entries = Entries::default();
    for tool in tools {
        entries.add_tool(tool);
    }
    serving(info, entries)
}

async fn measured(version: ProtocolVersion, name: &str, arguments: Value) -> Value {
    let params = json!({ "name": name, "arguments": arguments });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let Ok(ClientMessage::Request(request)) = ClientMessage::parse(&Bytes::from(body.to_string()))
    else {
        panic!("no request");
    };
    let handler = measuring();
    let answer = handler.handle(context(version), &request.method, request.params.as_ref());
    answer.await.unwrap()
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_a_tool_error_in_every_version() {
    for version in ProtocolVersion::ALL {
        let result = measured(version, "measure", json!({ "what": 7 })).await;

        assert_eq!(result["isError"], true, "{version}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("/what: value is not of type"), "{text}");
    }
}

#[tokio::test]
async fn a_result_that_is_not_what_its_tool_declares_does_not_leave() {
    let version = ProtocolVersion::V2025_11_25;
    let wrong = measured(version, "measure", json!({ "what": "road" })).await;
    assert_eq!(wrong["isError"], true);
    assert!(!wrong.to_string().contains("long"), "{wrong}");

    let right = measured(version, "measure", json!({ "what": "table" })).await;
    assert_eq!(right["structuredContent"], json!({ "metres": 2.5 }));
    let failed = measured(version, "measure", json!({ "what": "nothing" })).await;
    assert_eq!(failed["content"][0]["text"], "there is nothing");
}

#[tokio::test]
async fn a_declared_list_is_an_object_with_a_result() {
    let list = measured(ProtocolVersion::V2025_11_25, "list", json!({})).await;

    assert_eq!(list["structuredContent"], json!({ "result": [1, 2, 3] }));
    assert_eq!(list["isError"], false);
}

struct Elsewhere;

impl JsonSchema for Elsewhere {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Elsewhere".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "$ref": "https://example.com/schema.json" })
    }
}

#[test]
fn a_server_is_not_built_with_a_schema_that_lies_elsewhere() {
    let tool = Tool::new(
        "far",
        "Refers to elsewhere",
        |_, _: NoArguments| async move { Ok("never") },
    );
    let error = offering([tool.output::<Elsewhere>()]).unwrap_err();

    assert!(
        error.to_string().contains("outputSchema of the tool far"),
        "{error}"
    );
}
