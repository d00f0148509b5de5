//! Whether a call becomes a task: what its tool allows, what its client knows and wants.
//!
//! Pure. In 2025-11-25 the client asks for a task; from 2026-07-28 on the server decides, and never
//! for a client that did not declare the extension with this very request.

use std::time::Duration;

use serde_json::Value;

use crate::protocol::{
    ClientCapabilities, ProtocolVersion, RpcError, TASKS_EXTENSION, TaskSupport, codes,
    tasks_extension_missing,
};

/// How a call is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::handler) enum Plan {
    /// While its client waits.
    Call,
    /// As a task, kept for as long as the client wants, if it says so.
    Task(Option<Duration>),
}

/// Whether a client of 2026-07-28 has declared the extension.
pub(in crate::handler) fn declares_tasks(client: &ClientCapabilities) -> bool {
    client
        .extension(TASKS_EXTENSION)
        .is_some_and(Value::is_object)
}

/// Decides it. `wanted` is `params.task`.
///
/// # Errors
/// The tool can't be run the way its client wants, or at all for this client.
pub(in crate::handler) fn plan(
    support: TaskSupport,
    version: ProtocolVersion,
    client: &ClientCapabilities,
    wanted: Option<&Value>,
) -> Result<Plan, RpcError> {
    // The specification's code for both (2025-11-25, tool-level negotiation).
    let refused = |text| Err(RpcError::new(codes::METHOD_NOT_FOUND, text));
    if version.is_modern() {
        return match (support, declares_tasks(client)) {
            (TaskSupport::Forbidden, _) | (TaskSupport::Optional, false) => Ok(Plan::Call),
            (TaskSupport::Required, false) => Err(tasks_extension_missing()),
            (_, true) => Ok(Plan::Task(None)),
        };
    }
    let wanted = wanted.filter(|_| version >= ProtocolVersion::V2025_11_25);
    match (support, wanted) {
        (TaskSupport::Forbidden | TaskSupport::Optional, None) => Ok(Plan::Call),
        (TaskSupport::Forbidden, Some(_)) => refused("this tool can't run as a task"),
        (TaskSupport::Required, None) => {
            refused("this tool runs as a task only, which a call asks for from 2025-11-25 on")
        }
        (_, Some(wanted)) => wanted_ttl(wanted).map(Plan::Task),
    }
}

/// `params.task.ttl`, in milliseconds.
fn wanted_ttl(wanted: &Value) -> Result<Option<Duration>, RpcError> {
    let refused = |text| RpcError::new(codes::INVALID_PARAMS, text);
    let wanted = wanted
        .as_object()
        .ok_or_else(|| refused("params.task is no object"))?;
    match wanted.get("ttl") {
        None => Ok(None),
        // For ever: as long as there is.
        Some(Value::Null) => Ok(Some(Duration::MAX)),
        Some(ttl) => {
            let ttl = ttl.as_f64().filter(|ttl| *ttl >= 0.0);
            let ttl = ttl.ok_or_else(|| refused("params.task.ttl is no number of milliseconds"))?;
            let ttl = Duration::try_from_secs_f64(ttl / 1_000.0);
            Ok(Some(ttl.unwrap_or(Duration::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SUPPORT: [TaskSupport; 3] = [
        TaskSupport::Forbidden,
        TaskSupport::Optional,
        TaskSupport::Required,
    ];

    fn decided(version: ProtocolVersion, declared: &Value, wanted: Option<&Value>) -> [String; 3] {
        let client: ClientCapabilities = serde_json::from_value(declared.clone()).unwrap();
        SUPPORT.map(|support| match plan(support, version, &client, wanted) {
            Ok(Plan::Call) => "call".to_owned(),
            Ok(Plan::Task(_)) => "task".to_owned(),
            Err(error) => error.code.to_string(),
        })
    }

    #[test]
    fn in_2025_11_25_the_client_decides_within_what_the_tool_allows() {
        let version = ProtocolVersion::V2025_11_25;

        assert_eq!(
            decided(version, &json!({}), None),
            ["call", "call", "-32601"]
        );
        let wanted = json!({ "ttl": 60_000 });
        let task = decided(version, &json!({}), Some(&wanted));
        assert_eq!(task, ["-32601", "task", "task"]);
    }

    #[test]
    fn before_there_are_no_tasks_whatever_a_client_sends() {
        let wanted = json!({ "ttl": 60_000 });
        let decided = decided(ProtocolVersion::V2025_06_18, &json!({}), Some(&wanted));

        assert_eq!(decided, ["call", "call", "-32601"]);
    }

    #[test]
    fn from_2026_07_28_on_the_declared_extension_decides_and_no_param() {
        let version = ProtocolVersion::V2026_07_28;
        let declared = json!({ "extensions": { TASKS_EXTENSION: {} } });
        let old_way = json!({ "tasks": { "requests": {} } });

        for wanted in [None, Some(&json!({ "ttl": 1 })), Some(&json!(7))] {
            assert_eq!(
                decided(version, &declared, wanted),
                ["call", "task", "task"]
            );
            assert_eq!(
                decided(version, &old_way, wanted),
                ["call", "call", "-32021"]
            );
        }
    }

    #[test]
    fn a_ttl_is_read_and_what_is_none_is_refused() {
        let ttl = |wanted: Value| wanted_ttl(&wanted).map_err(|error| error.code);

        assert_eq!(ttl(json!({})), Ok(None));
        assert_eq!(
            ttl(json!({ "ttl": 1500 })),
            Ok(Some(Duration::from_millis(1500)))
        );
        assert_eq!(ttl(json!({ "ttl": null })), Ok(Some(Duration::MAX)));
        assert_eq!(ttl(json!({ "ttl": 1e300 })), Ok(Some(Duration::MAX)));
        for none in [json!(7), json!({ "ttl": -1 }), json!({ "ttl": "1h" })] {
            assert_eq!(ttl(none), Err(codes::INVALID_PARAMS));
        }
    }
}
