//! A session's life as a pure state machine: what a client may ask when.
//!
//! `initialize`, then `notifications/initialized`, then everything else (2025-11-25, lifecycle).
//! The actor asks [`Phase::admit`] before it runs anything, and decides nothing itself.

use crate::protocol::{Method, ProtocolVersion, RpcError, codes};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Open, and nothing agreed.
    Opened,
    /// `initialize` is being answered with this version; perhaps the client has confirmed it before.
    Negotiating {
        version: ProtocolVersion,
        confirmed: bool,
    },
    /// `initialize` was answered with this version.
    Negotiated(ProtocolVersion),
    /// The client has confirmed it.
    Running(ProtocolVersion),
}

/// What is to be done with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admitted {
    /// Negotiate.
    Initialize,
    /// Answer at once with an empty result.
    Ping,
    /// Hand it to the handler.
    Call(ProtocolVersion),
}

impl Phase {
    /// Whether a request may come now.
    pub(super) fn admit(self, method: &Method) -> Result<Admitted, RpcError> {
        let refuse = |why| Err(RpcError::new(codes::INVALID_REQUEST, why));
        match (method, self) {
            (Method::Ping, _) => Ok(Admitted::Ping),
            // A client may probe for the modern era on a legacy session, even before `initialize`:
            // it is told that there is no such method, and the session goes on.
            (Method::ServerDiscover | Method::Other(_), _) => {
                Err(RpcError::method_not_found(method))
            }
            (Method::Initialize, Self::Opened) => Ok(Admitted::Initialize),
            (Method::Initialize, _) => refuse("the session is initialized already"),
            (_, Self::Opened) => refuse("the session is not initialized: send initialize first"),
            (_, Self::Negotiating { .. } | Self::Negotiated(_)) => {
                refuse("the session is not initialized: send notifications/initialized first")
            }
            (_, Self::Running(version)) => Ok(Admitted::Call(version)),
        }
    }

    /// `initialize` is going to be answered with this version.
    pub(super) fn negotiating(version: ProtocolVersion) -> Self {
        Self::Negotiating {
            version,
            confirmed: false,
        }
    }

    /// `initialize` was answered.
    pub(super) fn negotiated(self) -> Self {
        match self {
            Self::Negotiating {
                version,
                confirmed: true,
            } => Self::Running(version),
            Self::Negotiating { version, .. } => Self::Negotiated(version),
            other => other,
        }
    }

    /// `notifications/initialized` has come. Before `initialize` or twice, it changes nothing.
    pub(super) fn initialized(self) -> Self {
        match self {
            Self::Negotiating { version, .. } => Self::Negotiating {
                version,
                confirmed: true,
            },
            Self::Negotiated(version) => Self::Running(version),
            other => other,
        }
    }

    pub(super) fn is_running(self) -> bool {
        matches!(self, Self::Running(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: ProtocolVersion = ProtocolVersion::V2025_11_25;

    fn refusal(phase: Phase, method: &Method) -> i32 {
        phase.admit(method).unwrap_err().code
    }

    // S19
    #[test]
    fn before_initialize_nothing_runs_but_ping() {
        let negotiating = Phase::negotiating(VERSION);
        for phase in [
            Phase::Opened,
            negotiating,
            negotiating.initialized(),
            Phase::Negotiated(VERSION),
        ] {
            assert_eq!(refusal(phase, &Method::ToolsCall), codes::INVALID_REQUEST);
            assert_eq!(refusal(phase, &Method::ToolsList), codes::INVALID_REQUEST);
            assert_eq!(phase.admit(&Method::Ping), Ok(Admitted::Ping));
        }
    }

    // S20
    #[test]
    fn a_session_is_initialized_once() {
        assert_eq!(
            Phase::Opened.admit(&Method::Initialize),
            Ok(Admitted::Initialize)
        );
        for phase in [
            Phase::negotiating(VERSION),
            Phase::Negotiated(VERSION),
            Phase::Running(VERSION),
        ] {
            assert_eq!(refusal(phase, &Method::Initialize), codes::INVALID_REQUEST);
        }
    }

    #[test]
    fn a_modern_probe_is_an_unknown_method_in_every_phase() {
        for phase in [
            Phase::Opened,
            Phase::Negotiated(VERSION),
            Phase::Running(VERSION),
        ] {
            assert_eq!(
                refusal(phase, &Method::ServerDiscover),
                codes::METHOD_NOT_FOUND
            );
        }
    }

    #[test]
    fn the_confirmation_opens_the_session_and_only_in_its_place() {
        assert_eq!(Phase::Opened.initialized(), Phase::Opened);
        let negotiating = Phase::negotiating(VERSION);
        assert_eq!(negotiating.negotiated(), Phase::Negotiated(VERSION));
        let hasty = negotiating.initialized();
        assert!(!hasty.is_running());
        assert_eq!(hasty.negotiated(), Phase::Running(VERSION));
        assert_eq!(
            Phase::Negotiated(VERSION).initialized(),
            Phase::Running(VERSION)
        );
        assert_eq!(
            Phase::Running(VERSION).admit(&Method::ToolsCall),
            Ok(Admitted::Call(VERSION))
        );
    }
}
