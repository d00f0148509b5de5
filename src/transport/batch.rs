//! Whether a batch may come, before any of it runs; for `/mcp` and `/messages`.
//!
//! Only in a session that has agreed on the one version with batches. Scopes are judged for all its
//! calls together, so that a caller who lacks one for any of them gets one challenge that names all,
//! and none of the others runs meanwhile: a client that signs in again sends the whole once more.

use actix_web::HttpRequest;

use super::{Door, Endpoint, Refusal, RefusalKind, arrival::trace_of, covered};
use crate::{
    auth::Principal,
    protocol::{Batch, ParseError, Peek, ProtocolVersion},
    scope::Scopes,
    session::SessionRef,
};

/// The batch as it may go to its session, with members refused that can't be read.
pub(super) fn admit(
    http: &HttpRequest,
    door: &Door,
    principal: &Principal,
    session: &SessionRef,
    mut batch: Batch,
    endpoint: Endpoint,
) -> Result<Batch, Refusal> {
    let refused = || RefusalKind::from(ParseError::Batch);
    if !session.version().is_some_and(ProtocolVersion::has_batches) {
        return Err(refused().into());
    }
    let mut needed = Scopes::none();
    batch.judge(|request| match Peek::at(request.params.as_ref()) {
        // A request that stands alone can't stand among others.
        Ok(peek) if peek.is_modern() => Err(refused()),
        Ok(peek) => {
            needed = needed.union(&door.needed_scopes(principal, request, &peek));
            request.trace = trace_of(http, &peek);
            Ok(Ok(()))
        }
        Err(error) => Ok(Err(error)),
    })?;
    covered(principal, needed, endpoint)?;
    Ok(batch)
}
