//! MCP as data: messages, versions, error codes. No await, no actor, no HTTP.
//!
//! The bottom of the house: `transport` reads messages with it, `session` and `handler` answer with
//! it. Everything here can be tested and measured alone.

mod batch;
pub mod codes;
mod content;
mod encode;
mod entry;
mod jsonrpc;
mod lifecycle;
mod logging;
mod method;
mod modern;
mod tasks;
mod tools;
mod trace;
mod version;

pub use batch::{BadMember, Batch, Incoming};
pub use content::{Content, ContentKind, ResourceBody, ResourceContents, fit_result};
pub use encode::{
    encode_bad_member, encode_batch, encode_error, encode_notification, encode_request,
    encode_result,
};
pub use entry::{Annotations, Described, Icon, Presentation, Role, Theme};
pub use jsonrpc::{
    ClientMessage, DEPTH_MAX, Notification, ParseError, REQUEST_ID_BYTES_MAX, Raw, Request,
    RequestId, Response, RpcError, read_params,
};
pub use lifecycle::{
    CacheHint, ClientCapabilities, Implementation, InitializeParams, MODERN_VERSIONS,
    SERVER_INFO_KEY, ServerInfo, modern_result,
};
pub use logging::{LogLevel, LogLevelError};
pub use method::{METHOD_BYTES_SHOWN, Method};
pub use modern::{ModernMeta, Peek, unsupported_version};
pub use tasks::{
    RELATED_TASK_KEY, TASKS_EXTENSION, TaskStatus, TaskSupport, TaskView, relate_to_task,
    tasks_extension_missing,
};
pub use tools::{CallToolParams, CallToolResult, ToolAnnotations, ToolDescription, ToolExecution};
pub use trace::{
    BAGGAGE_BYTES_MAX, BAGGAGE_MEMBERS_MAX, Carried, NoTraceParent, TRACESTATE_BYTES_MAX,
    TRACESTATE_MEMBERS_MAX, TraceContext, TraceParent,
};
pub use version::{ProtocolVersion, UnsupportedVersion};
