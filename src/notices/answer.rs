//! Why a message is not taken, with its status; the one table of this room's.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use serde_json::json;

use super::Notices;
use crate::telemetry::{Limit, audit};

/// When to come back. Logto comes back by itself after any 5xx, three times.
const RETRY_AFTER_SECONDS: u64 = 5;

/// See the file's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body broke off")]
    Broken,
    #[error("the signature is missing or not of this body")]
    Signature,
    #[error("the body can't be read: {0}")]
    Unreadable(&'static str),
    #[error("the message is too old, or of the future")]
    Stale,
    #[error("the logout token is not taken: {0}")]
    LogoutToken(&'static str),
    #[error("too many messages are remembered; try again later")]
    SeenFull,
    #[error("too many callers are cut off")]
    CutOffsFull,
    #[error("the logout token could not be checked; try again later")]
    Unavailable,
}

impl Refusal {
    /// A wrong signature is a 403: a 401 would have to name a way to authenticate (RFC 9110 §15.5.2),
    /// and there is none.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Signature => StatusCode::FORBIDDEN,
            Self::Broken | Self::Unreadable(_) | Self::Stale | Self::LogoutToken(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::SeenFull | Self::CutOffsFull | Self::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "notice_too_large",
            Self::Broken => "notice_broken",
            Self::Signature => "notice_signature",
            Self::Unreadable(_) => "notice_unreadable",
            Self::Stale => "notice_stale",
            Self::LogoutToken(_) => "logout_token",
            Self::SeenFull => "notices_remembered",
            Self::CutOffsFull => "cut_offs_full",
            Self::Unavailable => "verifier_unavailable",
        }
    }

    /// The answer, counted and logged. Its form is that of OAuth errors, as back-channel logout asks
    /// for (§2.8).
    pub(super) fn respond(self, notices: &Notices) -> HttpResponse {
        let (status, reason) = (self.status(), self.label());
        let metrics = &notices.rooms.metrics;
        metrics.refused(reason);
        if self == Self::SeenFull {
            metrics.limit_hit(Limit::NoticesSeen);
        }
        // Anybody can send what is refused.
        match notices.refusal_lines.admit() {
            Some(left_out) => {
                let (status, why) = (status.as_u16(), self.to_string());
                tracing::info!(status, reason, why, left_out, "request refused");
                audit::refused(status, reason, left_out);
            }
            None => metrics.limit_hit(Limit::RefusalLines),
        }
        let mut response = HttpResponse::build(status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        response.json(json!({ "error": "invalid_request", "error_description": self.to_string() }))
    }
}

/// It was carried out, or there was nothing to do.
pub(super) fn done(status: StatusCode) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}

pub(super) fn post_only() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, "POST"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish()
}
