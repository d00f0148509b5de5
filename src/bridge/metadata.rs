//! What clients read of the bridge (RFC 8414): an authorization server with registration.

use bytes::Bytes;
use serde_json::json;

use crate::{scope::Scopes, units::PublicUrl};

/// The document, made of configuration alone (M03, M06).
pub(super) fn document(url: &PublicUrl, scopes: &Scopes, registration: bool) -> Bytes {
    let methods = ["none", "client_secret_basic", "client_secret_post"];
    let mut scopes: Vec<&str> = scopes.iter().map(crate::scope::Scope::as_str).collect();
    if !scopes.contains(&"offline_access") {
        scopes.push("offline_access");
    }
    let mut document = json!({
        "issuer": url.as_str(),
        "authorization_endpoint": url.join("/authorize"),
        "token_endpoint": url.join("/token"),
        "revocation_endpoint": url.join("/revoke"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        // Said, so that clients that have a document register.
        "client_id_metadata_document_supported": false,
    });
    if registration {
        document["registration_endpoint"] = url.join("/register").into();
    }
    document.to_string().into()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    // M06
    #[test]
    fn registration_is_named_only_where_there_is_one() {
        let url = "https://mcp.example.com".parse().unwrap();
        let read = |registration| -> Value {
            let document = document(&url, &"mcp:tools".parse().unwrap(), registration);
            serde_json::from_slice(&document).unwrap()
        };

        assert_eq!(read(true)["issuer"], "https://mcp.example.com");
        assert_eq!(
            read(true)["registration_endpoint"],
            "https://mcp.example.com/register"
        );
        assert!(read(false).get("registration_endpoint").is_none());
        assert_eq!(
            read(true)["code_challenge_methods_supported"],
            json!(["S256"])
        );
    }
}
