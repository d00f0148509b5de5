//! Which scopes are Logto's own, and which an API resource has to have.

/// Of the user's data: a third-party application that was not granted one and asks for it is refused
/// (`invalid_scope`), where a scope of an API resource is left out without a word.
pub const USER_SCOPES: [&str; 11] = [
    "profile",
    "email",
    "phone",
    "address",
    "custom_data",
    "identities",
    "roles",
    "urn:logto:scope:organizations",
    "urn:logto:scope:organization_roles",
    "urn:logto:scope:sessions",
    "urn:logto:scope:trusted_devices",
];

/// Whether a scope is of the user's data.
#[must_use]
pub fn is_user_scope(scope: &str) -> bool {
    USER_SCOPES.contains(&scope)
}

/// Whether an API resource has to have it: not OpenID Connect's, and not of the user's data.
#[must_use]
pub fn is_of_resource(scope: &str) -> bool {
    !matches!(scope, "openid" | "offline_access") && !is_user_scope(scope)
}
