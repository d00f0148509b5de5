//! All that a handler may know of the call it answers.

use tokio_util::sync::CancellationToken;

use crate::{auth::Principal, protocol::ProtocolVersion};

/// One call's surroundings, the same for every protocol version and transport.
#[derive(Debug, Clone)]
pub struct CallContext {
    principal: Principal,
    version: ProtocolVersion,
    cancelled: CancellationToken,
}

impl CallContext {
    pub(crate) fn new(
        principal: Principal,
        version: ProtocolVersion,
        cancelled: CancellationToken,
    ) -> Self {
        Self {
            principal,
            version,
            cancelled,
        }
    }

    /// Who calls, verified.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the client speaks. Results are fitted to it without a handler's help.
    #[must_use]
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.version
    }

    /// Ends when the client cancels the call or its session ends. The call's future is dropped soon
    /// after, so only work that outlives the future has to watch this.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }
}
