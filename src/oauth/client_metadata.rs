//! What a client says about itself when it registers, checked (RFC 7591 §2).
//!
//! Pure rules, shared by whoever registers clients. Members that are not used here (`logo_uri`,
//! `jwks_uri`, `sector_identifier_uri`, …) are dropped unread: nothing a stranger names is fetched.

use serde_json::{Map, Value};

use super::redirect_uri::{ApplicationType, RedirectUri, RedirectUriError, looks_native};

/// Most redirect URIs a client may have.
pub(crate) const REDIRECT_URIS_MAX: usize = 50;
/// Longest name that is taken, in characters.
pub(crate) const CLIENT_NAME_CHARACTERS_MAX: usize = 120;

/// A client's metadata as it will be kept, which may be less than it asked for (RFC 7591 §3.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VerifiedClientMetadata {
    /// As the client calls itself: nobody checked that.
    pub(crate) client_name: Option<String>,
    pub(crate) redirect_uris: Vec<RedirectUri>,
    pub(crate) application_type: ApplicationType,
    /// Whether `refresh_token` is among the grant types; `authorization_code` always is.
    pub(crate) refreshes: bool,
    pub(crate) authentication: AuthenticationMethod,
}

/// How a client proves itself at the token endpoint (`token_endpoint_auth_method`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthenticationMethod {
    /// A public client: it can't keep a secret.
    None,
    Basic,
    Post,
}

impl AuthenticationMethod {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }
}

/// Why metadata is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error("client metadata is a JSON object")]
    NotAnObject,
    #[error("redirect_uris is an array of 1 to {REDIRECT_URIS_MAX} strings")]
    RedirectUris,
    #[error("client_name is a string of at most {CLIENT_NAME_CHARACTERS_MAX} characters")]
    ClientName,
    #[error("application_type is native or web")]
    ApplicationType,
    #[error("grant_types is an array of strings with authorization_code among them")]
    GrantTypes,
    #[error("response_types is an array of strings with code among them")]
    ResponseTypes,
    #[error("token_endpoint_auth_method is none, client_secret_basic or client_secret_post")]
    AuthenticationMethod,
}

/// Why a registration is refused: the metadata, or one of the redirect URIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Metadata(MetadataError),
    RedirectUri(RedirectUriError),
}

impl From<MetadataError> for Refusal {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(error)
    }
}

impl VerifiedClientMetadata {
    /// Checks what a client sent.
    pub(crate) fn check(metadata: &Value) -> Result<Self, Refusal> {
        let metadata = metadata.as_object().ok_or(MetadataError::NotAnObject)?;
        let uris = texts(metadata, "redirect_uris", MetadataError::RedirectUris)?
            .filter(|uris| (1..=REDIRECT_URIS_MAX).contains(&uris.len()))
            .ok_or(MetadataError::RedirectUris)?;
        let application_type = application_type(metadata, &uris)?;
        let redirect_uris = uris
            .iter()
            .map(|uri| RedirectUri::check(uri, application_type))
            .collect::<Result<_, _>>()
            .map_err(Refusal::RedirectUri)?;
        check_response_types(metadata)?;
        Ok(Self {
            client_name: client_name(metadata)?,
            redirect_uris,
            application_type,
            refreshes: refreshes(metadata)?,
            authentication: authentication(metadata)?,
        })
    }
}

fn client_name(metadata: &Map<String, Value>) -> Result<Option<String>, MetadataError> {
    let name = match text(metadata, "client_name", MetadataError::ClientName)? {
        Some(name) if name.chars().count() > CLIENT_NAME_CHARACTERS_MAX => {
            return Err(MetadataError::ClientName);
        }
        Some(name) => line(name),
        None => return Ok(None),
    };
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// One line of text as people read it: without what could make one name look like another, or turn
/// the line around.
pub(crate) fn line(name: &str) -> String {
    let deceives = |character: char| {
        character.is_control()
            || matches!(
                character,
                '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                    | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            )
    };
    let kept: String = name.chars().filter(|&c| !deceives(c)).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Older MCP clients don't say; then the redirect URIs do.
fn application_type(
    metadata: &Map<String, Value>,
    uris: &[&str],
) -> Result<ApplicationType, MetadataError> {
    match text(metadata, "application_type", MetadataError::ApplicationType)? {
        Some("native") => Ok(ApplicationType::Native),
        Some("web") => Ok(ApplicationType::Web),
        Some(_) => Err(MetadataError::ApplicationType),
        None if uris.iter().any(|uri| looks_native(uri)) => Ok(ApplicationType::Native),
        None => Ok(ApplicationType::Web),
    }
}

/// Other grant types are left out rather than refused: real clients list all they know.
fn refreshes(metadata: &Map<String, Value>) -> Result<bool, MetadataError> {
    let Some(grants) = texts(metadata, "grant_types", MetadataError::GrantTypes)? else {
        return Ok(false);
    };
    if !grants.contains(&"authorization_code") {
        return Err(MetadataError::GrantTypes);
    }
    Ok(grants.contains(&"refresh_token"))
}

fn check_response_types(metadata: &Map<String, Value>) -> Result<(), MetadataError> {
    match texts(metadata, "response_types", MetadataError::ResponseTypes)? {
        Some(types) if !types.contains(&"code") => Err(MetadataError::ResponseTypes),
        _ => Ok(()),
    }
}

fn authentication(metadata: &Map<String, Value>) -> Result<AuthenticationMethod, MetadataError> {
    let wrong = MetadataError::AuthenticationMethod;
    match text(metadata, "token_endpoint_auth_method", wrong)? {
        Some("none") => Ok(AuthenticationMethod::None),
        // RFC 7591 §2: the default.
        Some("client_secret_basic") | None => Ok(AuthenticationMethod::Basic),
        Some("client_secret_post") => Ok(AuthenticationMethod::Post),
        Some(_) => Err(wrong),
    }
}

/// A member that is a string; `null` counts as absent.
fn text<'a>(
    metadata: &'a Map<String, Value>,
    name: &str,
    wrong: MetadataError,
) -> Result<Option<&'a str>, MetadataError> {
    match metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong),
    }
}

/// A member that is an array of strings; `null` counts as absent.
fn texts<'a>(
    metadata: &'a Map<String, Value>,
    name: &str,
    wrong: MetadataError,
) -> Result<Option<Vec<&'a str>>, MetadataError> {
    match metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().ok_or(wrong))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(metadata: &Value) -> Result<VerifiedClientMetadata, Refusal> {
        VerifiedClientMetadata::check(metadata)
    }

    /// R23
    #[test]
    fn redirect_uris_of_another_type_are_refused() {
        for uris in [
            json!("https://a/cb"),
            json!(1),
            json!([["https://a/cb"]]),
            json!({}),
            json!(null),
        ] {
            assert_eq!(
                check(&json!({ "redirect_uris": uris })),
                Err(Refusal::Metadata(MetadataError::RedirectUris)),
                "{uris}"
            );
        }
        assert_eq!(
            check(&json!([])),
            Err(Refusal::Metadata(MetadataError::NotAnObject))
        );
    }

    /// R07
    #[test]
    fn none_and_fifty_one_redirect_uris_are_refused() {
        let refused = Err(Refusal::Metadata(MetadataError::RedirectUris));

        assert_eq!(check(&json!({ "redirect_uris": [] })), refused);
        assert_eq!(
            check(&json!({ "redirect_uris": vec!["https://a/cb"; 51] })),
            refused
        );
    }

    /// R12
    #[test]
    fn other_grants_than_code_and_refresh_are_left_out_or_refused() {
        let with = |grants: Value| {
            check(&json!({ "redirect_uris": ["https://a/cb"], "grant_types": grants }))
        };

        assert!(with(json!(["client_credentials"])).is_err());
        assert!(with(json!(["password", "implicit"])).is_err());
        let reduced = with(json!(["authorization_code", "implicit", "refresh_token"])).unwrap();
        assert!(reduced.refreshes);
        assert!(
            check(&json!({ "redirect_uris": ["https://a/cb"], "response_types": ["token"] }))
                .is_err()
        );
    }

    #[test]
    fn a_client_that_does_not_say_is_what_its_redirect_uris_say() {
        let of = |uri: &str| {
            check(&json!({ "redirect_uris": [uri] }))
                .unwrap()
                .application_type
        };

        assert_eq!(of("http://127.0.0.1/cb"), ApplicationType::Native);
        assert_eq!(of("https://a/cb"), ApplicationType::Web);
    }

    /// C17
    #[test]
    fn a_name_loses_what_could_deceive() {
        let metadata = json!({
            "redirect_uris": ["https://a/cb"], "client_name": " Cla\u{200b}ude\u{202e}\n\t  Code "
        });

        assert_eq!(
            check(&metadata).unwrap().client_name.as_deref(),
            Some("Claude Code")
        );
    }

    #[test]
    fn a_name_of_another_type_or_too_long_is_refused() {
        for name in [json!(1), json!("x".repeat(121))] {
            assert!(
                check(&json!({ "redirect_uris": ["https://a/cb"], "client_name": name })).is_err()
            );
        }
    }
}
