//! How a client that nobody has heard of becomes known: by registration (RFC 7591), by a client ID
//! metadata document, or by hand; and which of them suits which client.

use serde_json::Value;

use super::finding::Findings;
use crate::metadata::AuthorizationServer;

/// Whether it takes client ID metadata documents.
pub(super) fn takes_documents(server: &AuthorizationServer) -> bool {
    server.member("client_id_metadata_document_supported") == Some(&Value::Bool(true))
}

/// What the published metadata says of it.
pub(super) fn walk(server: &AuthorizationServer, findings: &mut Findings<'_>) {
    match (server.registration_endpoint(), takes_documents(server)) {
        (Some(_), true) => findings.right(
            "registration",
            "clients register themselves, or bring a metadata document",
        ),
        (Some(_), false) => findings.right(
            "registration",
            "clients register themselves; those that have a metadata document do so too",
        ),
        (None, true) => findings.right(
            "registration",
            "clients bring a metadata document; one that can only register, as most of 2025-06-18 \
             and before, needs an id made by hand, or a bridge",
        ),
        (None, false) => findings.warn(
            "registration",
            "clients can't register themselves: each needs an id that somebody made by hand",
            "tell developers where to get one; or, for clients that register, put a bridge in front \
             (registration.mode), and for those that bring a metadata document switch on dynamic \
             apps in Logto 1.43 and later",
        ),
    }
}

/// What stands behind a bridge, which clients don't see.
pub(super) fn behind_a_bridge(server: &AuthorizationServer, findings: &mut Findings<'_>) {
    findings.right(
        "documents",
        if takes_documents(server) {
            "the provider takes metadata documents too, which clients are not told: through the \
             bridge each registers, and is an application of its own. With registration.mode = off \
             they would bring documents, and clients that can only register would be out"
        } else {
            "the provider takes no metadata documents: the bridge is the way in for every client"
        },
    );
}
