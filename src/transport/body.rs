//! A request's body, bounded in size and in time.

use actix_web::{http::header, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::RefusalKind;
use crate::units::{ByteSize, HumanDuration};

/// Limits on a body.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Largest body that is read. Default 4 MiB.
    pub max: ByteSize,
    /// From the request's head to the body's last byte. Above zero; default 30 s.
    pub deadline: HumanDuration,
    /// Messages that one body may hold, where the protocol version has batches (2025-03-26). Above
    /// zero; default 32.
    pub batch_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max: ByteSize::from_mib(4),
            deadline: HumanDuration::from_secs(30),
            batch_max: 32,
        }
    }
}

/// Reads a body whole. Of one that says it is too large, not a byte is read.
pub(super) async fn read(
    request: &actix_web::HttpRequest,
    payload: web::Payload,
    config: Config,
) -> Result<Bytes, RefusalKind> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > config.max.bytes()) {
        return Err(RefusalKind::TooLarge(config.max));
    }
    let read = collect(payload, config.max);
    match tokio::time::timeout(config.deadline.get(), read).await {
        Ok(body) => body,
        Err(_elapsed) => Err(RefusalKind::TooSlow(config.deadline)),
    }
}

async fn collect(mut payload: web::Payload, max: ByteSize) -> Result<Bytes, RefusalKind> {
    let Some(first) = next(&mut payload).await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = next(&mut payload).await? else {
        // The usual case: the whole body came with the head, and is taken without a copy.
        return if first.len() > max.bytes() {
            Err(RefusalKind::TooLarge(max))
        } else {
            Ok(first)
        };
    };
    let mut body = BytesMut::from(&first[..]);
    let mut chunk = Some(second);
    while let Some(more) = chunk {
        if body.len() + more.len() > max.bytes() {
            return Err(RefusalKind::TooLarge(max));
        }
        body.extend_from_slice(&more);
        chunk = next(&mut payload).await?;
    }
    Ok(body.freeze())
}

async fn next(payload: &mut web::Payload) -> Result<Option<Bytes>, RefusalKind> {
    payload
        .next()
        .await
        .transpose()
        .map_err(|_broken| RefusalKind::Broken)
}
