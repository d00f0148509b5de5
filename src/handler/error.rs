//! Why a call failed, as its tool says it; and why a handler could not be made.

use super::{NoKey, SchemaError};
use crate::protocol::RpcError;

/// A handler could not be made.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// There is no randomness for a sealing key.
    #[error("could not make a sealing key")]
    Sealing(#[from] NoKey),
    /// A tool's schema can't be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// A tool's failure.
///
/// The first kind goes to the model, which may try otherwise; the second to the client's developer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The call failed, and the model is told why: `isError` with this text.
    #[error("{0}")]
    Failed(String),
    /// The call was not one: a JSON-RPC error.
    #[error("{}", .0.message)]
    Rpc(RpcError),
    /// The client has to be asked first, and the call run again with its answer (2026-07-28). Comes
    /// from asking; hand it on with `?`.
    #[error("input is required first")]
    InputRequired(InputRequired),
}

/// Made by asking only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputRequired(pub(super) ());

impl ToolError {
    /// The call failed; `text` tells the model why, and must not hold a secret.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::Failed(text.into())
    }
}

impl From<RpcError> for ToolError {
    fn from(error: RpcError) -> Self {
        Self::Rpc(error)
    }
}
