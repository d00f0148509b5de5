//! Why an operator's request is not carried out, with its status; the one table of this listener's.

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde_json::json;

use crate::auth::CutOffError;

/// See the file's head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("not for pages in a browser")]
    Page,
    #[error("show the token of server.admin_token_file as a bearer token")]
    Token,
    #[error("ask for this server by a name of its own machine, as 127.0.0.1")]
    OtherHost,
    #[error(
        "set server.admin_token_file: without a token, operators are let in on a loopback address only"
    )]
    Closed,
    #[error("{0}")]
    Query(String),
    #[error("say which sessions, or all=true")]
    Everything,
    #[error("say whom to cut off: a subject, a client_id or both, and no session's id")]
    CutOffOfWhom,
    #[error("{ended} ended, but they may come back: {error}")]
    NotCutOff {
        /// Sessions that ended all the same.
        ended: usize,
        error: CutOffError,
    },
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Page | Self::Closed => StatusCode::FORBIDDEN,
            Self::Token => StatusCode::UNAUTHORIZED,
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Query(_) | Self::Everything | Self::CutOffOfWhom => StatusCode::BAD_REQUEST,
            Self::NotCutOff { .. } => StatusCode::INSUFFICIENT_STORAGE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if *self == Self::Token {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        response.json(json!({ "error": self.to_string() }))
    }
}
