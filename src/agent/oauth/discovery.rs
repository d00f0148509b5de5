//! From a 401 to an authorization server: RFC 9728, then RFC 8414 or OpenID Connect Discovery.
//!
//! `authorizer` calls [`discover`] before every sign-in, so that a server that moved to another
//! authorization server is followed. The order is that of the MCP authorization specification
//! (2026-07-28): the challenge's `resource_metadata`, else the well-known path of the endpoint, else
//! of the root; then every form of well-known path of the issuer. A server without RFC 9728 is taken
//! for one of 2025-03-26, whose origin is its own authorization server.

use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{challenge::BearerChallenge, safe_url};
use crate::{
    agent::{error::AgentError, said::Said},
    fetch::{FetchError, Fetcher},
    scope::Scopes,
};

const RESOURCE_WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const OAUTH_WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";
const OPENID_WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// What a sign-in has to know.
#[derive(Debug, Clone)]
pub(super) struct Discovered {
    /// The resource indicator, as the metadata writes it (RFC 8707); none for a server of 2025-03-26.
    pub(super) resource: Option<String>,
    /// `scopes_supported` of the protected resource.
    pub(super) resource_scopes: Option<Scopes>,
    /// Who issues tokens.
    pub(super) server: AuthorizationServer,
}

/// An authorization server whose metadata is in order.
#[derive(Debug, Clone)]
pub(super) struct AuthorizationServer {
    pub(super) issuer: String,
    pub(super) authorization_endpoint: Url,
    pub(super) token_endpoint: Url,
    pub(super) registration_endpoint: Option<Url>,
    pub(super) scopes_supported: Option<Scopes>,
    /// None means what RFC 8414 §2 says it means: `client_secret_basic`.
    pub(super) token_endpoint_auth_methods: Option<Vec<String>>,
    /// Whether every answer carries `iss` (RFC 9207 §3).
    pub(super) promises_iss: bool,
    /// Whether there was no metadata and the paths are those of 2025-03-26.
    pub(super) guessed: bool,
}

/// RFC 9728 §2.
#[derive(Debug, Deserialize)]
struct ResourceDocument {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    scopes_supported: Option<Vec<String>>,
}

/// RFC 8414 §2.
#[derive(Debug, Deserialize)]
struct ServerDocument {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    scopes_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Finds out who issues tokens for `server`.
pub(super) async fn discover(
    fetcher: &Fetcher,
    server: &Url,
    challenge: &BearerChallenge,
) -> Result<Discovered, AgentError> {
    let Some(document) = resource_document(fetcher, server, challenge).await? else {
        return Ok(Discovered {
            resource: None,
            resource_scopes: None,
            server: server_at_origin(fetcher, server).await?,
        });
    };
    if !names(&document.resource, server) {
        return Err(AgentError::ResourceMismatch {
            named: Said::new(&document.resource),
            url: server.clone(),
        });
    }
    let issuer = document
        .authorization_servers
        .first()
        .ok_or(AgentError::NoAuthorizationServer)?;
    Ok(Discovered {
        server: server_of_issuer(fetcher, server, issuer).await?,
        resource_scopes: document.scopes_supported.map(|all| scopes(&all)),
        resource: Some(document.resource),
    })
}

async fn resource_document(
    fetcher: &Fetcher,
    server: &Url,
    challenge: &BearerChallenge,
) -> Result<Option<ResourceDocument>, AgentError> {
    const WHAT: &str = "the protected resource metadata";
    if let Some(named) = &challenge.resource_metadata {
        let url = safe_url::checked(WHAT, named, server)?;
        return document(fetcher, WHAT, url.as_str()).await.map(Some);
    }
    let origin = server.origin().ascii_serialization();
    let path = server.path().trim_end_matches('/');
    let mut urls = vec![format!("{origin}{RESOURCE_WELL_KNOWN}{path}")];
    if !path.is_empty() {
        urls.push(format!("{origin}{RESOURCE_WELL_KNOWN}"));
    }
    first_document(fetcher, WHAT, &urls).await
}

/// Whether a resource indicator covers `url`: same origin, and its path is the URL's or above it.
fn names(resource: &str, url: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let above = resource.path().trim_end_matches('/');
    let below = url.path().strip_prefix(above);
    resource.origin() == url.origin()
        && resource.fragment().is_none()
        && (resource.query().is_none() || resource.query() == url.query())
        && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

async fn server_of_issuer(
    fetcher: &Fetcher,
    server: &Url,
    issuer: &str,
) -> Result<AuthorizationServer, AgentError> {
    let url = safe_url::checked("the authorization server", issuer, server)?;
    let found: Option<ServerDocument> = first_document(
        fetcher,
        "the authorization server's metadata",
        &server_metadata_urls(&url),
    )
    .await?;
    let document = found.ok_or_else(|| AgentError::NoServerMetadata {
        issuer: Said::new(issuer),
    })?;
    if document.issuer != issuer {
        return Err(AgentError::IssuerMismatch {
            expected: Said::new(issuer),
            found: Said::new(&document.issuer),
        });
    }
    let s256 = |methods: &Vec<String>| methods.iter().any(|method| method == "S256");
    if !document
        .code_challenge_methods_supported
        .as_ref()
        .is_some_and(s256)
    {
        return Err(AgentError::NoPkce);
    }
    document.check(server)
}

/// Every form of well-known path, in the order of the MCP specification.
fn server_metadata_urls(issuer: &Url) -> Vec<String> {
    let origin = issuer.origin().ascii_serialization();
    match issuer.path().trim_end_matches('/') {
        "" => vec![
            format!("{origin}{OAUTH_WELL_KNOWN}"),
            format!("{origin}{OPENID_WELL_KNOWN}"),
        ],
        path => vec![
            format!("{origin}{OAUTH_WELL_KNOWN}{path}"),
            format!("{origin}{OPENID_WELL_KNOWN}{path}"),
            format!("{origin}{path}{OPENID_WELL_KNOWN}"),
        ],
    }
}

/// 2025-03-26: the origin is the authorization server, with metadata or at fixed paths.
async fn server_at_origin(
    fetcher: &Fetcher,
    server: &Url,
) -> Result<AuthorizationServer, AgentError> {
    let origin = server.origin().ascii_serialization();
    let urls = [format!("{origin}{OAUTH_WELL_KNOWN}")];
    let found: Option<ServerDocument> =
        first_document(fetcher, "the authorization server's metadata", &urls).await?;
    if let Some(document) = found {
        // We made this issuer up from an origin, so a slash at its end is no difference. PKCE is
        // required of every server of that version, and few said so.
        if document
            .issuer
            .strip_suffix('/')
            .unwrap_or(&document.issuer)
            != origin
        {
            return Err(AgentError::IssuerMismatch {
                expected: Said::new(&origin),
                found: Said::new(&document.issuer),
            });
        }
        return document.check(server);
    }
    let at = |path: &str| safe_url::checked("the MCP server", &format!("{origin}{path}"), server);
    Ok(AuthorizationServer {
        authorization_endpoint: at("/authorize")?,
        token_endpoint: at("/token")?,
        registration_endpoint: Some(at("/register")?),
        scopes_supported: None,
        token_endpoint_auth_methods: Some(vec!["none".to_owned()]),
        promises_iss: false,
        guessed: true,
        issuer: origin,
    })
}

impl ServerDocument {
    fn check(self, server: &Url) -> Result<AuthorizationServer, AgentError> {
        let endpoint = |name, value: Option<String>| match value {
            Some(text) => safe_url::checked(name, &text, server).map(Some),
            None => Ok(None),
        };
        Ok(AuthorizationServer {
            authorization_endpoint: endpoint(
                "authorization_endpoint",
                self.authorization_endpoint,
            )?
            .ok_or(AgentError::MetadataLacks("authorization_endpoint"))?,
            token_endpoint: endpoint("token_endpoint", self.token_endpoint)?
                .ok_or(AgentError::MetadataLacks("token_endpoint"))?,
            registration_endpoint: endpoint("registration_endpoint", self.registration_endpoint)?,
            scopes_supported: self.scopes_supported.map(|all| scopes(&all)),
            token_endpoint_auth_methods: self.token_endpoint_auth_methods_supported,
            promises_iss: self.authorization_response_iss_parameter_supported,
            guessed: false,
            issuer: self.issuer,
        })
    }
}

fn scopes(all: &[String]) -> Scopes {
    all.iter().filter_map(|scope| scope.parse().ok()).collect()
}

/// The first of several well-known places that has the document.
///
/// A place that answers with a status below 500 or without JSON has none: many a server answers every
/// unknown path with its web page. A place that is broken is an error, not an absence.
async fn first_document<T: DeserializeOwned>(
    fetcher: &Fetcher,
    what: &'static str,
    urls: &[String],
) -> Result<Option<T>, AgentError> {
    for url in urls {
        match document(fetcher, what, url).await {
            Ok(document) => return Ok(Some(document)),
            Err(AgentError::Fetch { error, .. }) if is_absence(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn is_absence(error: &FetchError) -> bool {
    match error {
        FetchError::Status { status, .. } => !status.is_server_error() && status.as_u16() != 429,
        FetchError::Unreadable(error) => !error.is_data(),
        _ => false,
    }
}

async fn document<T: DeserializeOwned>(
    fetcher: &Fetcher,
    what: &'static str,
    url: &str,
) -> Result<T, AgentError> {
    let failed = |error| AgentError::Fetch {
        what,
        url: Said::new(url),
        error,
    };
    let answer = fetcher.send(fetcher.get(url)).await.map_err(failed)?;
    answer.json().map_err(failed)
}
