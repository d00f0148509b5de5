//! Error codes, in the specification's words.

/// Invalid JSON was received (JSON-RPC 2.0 §5.1).
pub const PARSE_ERROR: i32 = -32700;
/// The JSON sent is not a valid request, or not one for this moment.
pub const INVALID_REQUEST: i32 = -32600;
/// The method does not exist in this protocol version.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The params don't fit the method; also an unknown tool, and a missing `_meta` member.
pub const INVALID_PARAMS: i32 = -32602;
/// Something broke on our side.
pub const INTERNAL_ERROR: i32 = -32603;

/// Everything that no other code names; the HTTP status says more.
pub const SERVER_ERROR: i32 = -32000;
/// The session is unknown or over. The code that clients of all SDKs know.
pub const SESSION_NOT_FOUND: i32 = -32001;
/// A call took too long; the SDKs use the same number for it. Up to 2025-11-25 only.
pub const REQUEST_TIMEOUT: i32 = -32001;

/// No such resource, up to 2025-11-25; later versions say [`INVALID_PARAMS`].
pub const RESOURCE_NOT_FOUND: i32 = -32002;

/// A header and the body don't say the same (2026-07-28, transports).
pub const HEADER_MISMATCH: i32 = -32020;
/// The client did not declare a capability that the call needs (2026-07-28).
pub const MISSING_REQUIRED_CLIENT_CAPABILITY: i32 = -32021;
/// A version that is not served; `data` has `supported` and `requested` (2026-07-28).
pub const UNSUPPORTED_PROTOCOL_VERSION: i32 = -32022;
