//! What a client is told of itself once it is registered (RFC 7591 §3.2.1), and when it asks again (RFC
//! 7592 §3). Whoever registers clients fills it in; nothing here is kept.

use serde::Serialize;

use crate::{scope::Scopes, time::Timestamp};

/// Its id and its metadata as it was kept.
#[derive(Debug, Serialize)]
pub(crate) struct ClientInformation<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_id_issued_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<&'a str>,
    /// 0: the secret does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret_expires_at: Option<u64>,
    /// Where it may read and change its registration; none where it may not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) registration_access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_name: Option<&'a str>,
    pub(crate) redirect_uris: Vec<&'a str>,
    pub(crate) application_type: &'static str,
    pub(crate) grant_types: &'static [&'static str],
    pub(crate) response_types: &'static [&'static str],
    pub(crate) token_endpoint_auth_method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<&'a Scopes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) software_id: Option<&'a str>,
}

/// The one response type there is.
pub(crate) const RESPONSE_TYPES: &[&str] = &["code"];

/// What a client may ask tokens by.
pub(crate) const fn grant_types(refreshes: bool) -> &'static [&'static str] {
    if refreshes {
        &["authorization_code", "refresh_token"]
    } else {
        &["authorization_code"]
    }
}
