//! Our own metadata: the protected resource as OAuth sees it (RFC 9728 §2).
//!
//! One document for each URL that clients connect to, made once at start from configuration and never
//! from a request's `Host` (RFC 9728 §7, M03). The transport serves [`ProtectedResources::document`]
//! and names [`ProtectedResources::metadata_url`] in its challenges; `auth` is given
//! [`ProtectedResources::audiences`] to compare tokens with.

use serde::{Deserialize, Serialize};

use crate::{
    scope::{Scope, Scopes},
    units::PublicUrl,
};

/// Where the documents live, before the resource's path (RFC 9728 §3.1).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What this server says about itself.
#[derive(Debug, Clone)]
pub struct ResourceConfig {
    /// Where clients connect to.
    pub public_url: PublicUrl,
    /// Paths of the endpoints below it, each a resource of its own. Default `/mcp` and `/sse`.
    pub paths: Vec<String>,
    /// One resource identifier for all endpoints instead, as registered at the authorization server:
    /// clients then ask for tokens of this audience wherever they connect. Default none.
    pub resource: Option<String>,
    /// A name for people, shown by clients (`resource_name`). Default none.
    pub name: Option<String>,
    /// Scopes a client should ask for to begin with; `offline_access` is left out. Default none.
    pub scopes: Scopes,
    /// Issuers clients can get tokens from. At least one.
    pub authorization_servers: Vec<String>,
}

impl ResourceConfig {
    /// The defaults for a server at `public_url` whose tokens come from `issuer`.
    #[must_use]
    pub fn new(public_url: PublicUrl, issuer: impl Into<String>) -> Self {
        Self {
            public_url,
            paths: vec!["/mcp".to_owned(), "/sse".to_owned()],
            resource: None,
            name: None,
            scopes: Scopes::none(),
            authorization_servers: vec![issuer.into()],
        }
    }
}

/// One document, in the shape of RFC 9728 §2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedResource {
    /// The resource identifier: what a client sends as `resource` (RFC 8707) and gets as `aud`.
    pub resource: String,
    /// Issuers that grant tokens for it.
    pub authorization_servers: Vec<String>,
    /// How a token may be sent: in the header only.
    pub bearer_methods_supported: Vec<String>,
    /// What to ask for to begin with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
}

/// All documents of this server.
#[derive(Debug, Clone)]
pub struct ProtectedResources {
    config: ResourceConfig,
    /// Path below the public URL and document; the empty path is the public URL itself.
    documents: Vec<(String, ProtectedResource)>,
}

impl ProtectedResources {
    /// Makes the documents.
    #[must_use]
    pub fn new(config: ResourceConfig) -> Self {
        let paths = [String::new()].into_iter().chain(config.paths.clone());
        let documents = paths
            .map(|path| {
                let document = document(&config, &path);
                (path, document)
            })
            .collect();
        Self { config, documents }
    }

    /// The document that describes the resource at `path` below the public URL: `""` for that itself,
    /// `"/mcp"`, `"/sse"`. `None` for any other path, which is a 404 (M12).
    #[must_use]
    pub fn document(&self, path: &str) -> Option<&ProtectedResource> {
        self.documents
            .iter()
            .find(|(described, _)| described == path)
            .map(|(_, document)| document)
    }

    /// Path and document of each resource.
    pub fn documents(&self) -> impl Iterator<Item = (&str, &ProtectedResource)> {
        self.documents
            .iter()
            .map(|(path, document)| (path.as_str(), document))
    }

    /// Where the document for the resource at `path` is served: `resource_metadata` of a challenge
    /// (RFC 9728 §5.1). A path that has no document of its own gets the root form.
    #[must_use]
    pub fn metadata_url(&self, path: &str) -> String {
        let described = self.document(path).map_or("", |_| path);
        let origin = self.config.public_url.origin();
        format!("{origin}{}", self.metadata_path(described))
    }

    /// The path of that document, which stands between the origin and the resource's own path and so
    /// is never below a prefix of ours (RFC 9728 §3.1).
    #[must_use]
    pub fn metadata_path(&self, path: &str) -> String {
        format!("{WELL_KNOWN}{}{path}", self.config.public_url.path())
    }

    /// Every audience a token for this server may name.
    ///
    /// Each published resource to the character, since that is what clients send and what providers
    /// copy (`…/mcp/` is not `…/mcp`). One exception: an origin is the same URL with and without its
    /// slash (RFC 3986 §6.2.3), and clients that parse URLs add it.
    #[must_use]
    pub fn audiences(&self) -> Vec<String> {
        let mut audiences = Vec::new();
        for (_, document) in &self.documents {
            for audience in spellings(&document.resource) {
                if !audiences.contains(&audience) {
                    audiences.push(audience);
                }
            }
        }
        audiences
    }
}

fn document(config: &ResourceConfig, path: &str) -> ProtectedResource {
    let resource = config
        .resource
        .clone()
        .unwrap_or_else(|| config.public_url.join(path));
    ProtectedResource {
        resource,
        authorization_servers: config.authorization_servers.clone(),
        bearer_methods_supported: vec!["header".to_owned()],
        scopes_supported: config
            .scopes
            .iter()
            .map(Scope::as_str)
            // Whether a client wants a refresh token is between it and the authorization server.
            .filter(|scope| *scope != "offline_access")
            .map(str::to_owned)
            .collect(),
        resource_name: config.name.clone(),
    }
}

/// The resource as given, and for a bare origin the other spelling too.
fn spellings(resource: &str) -> Vec<String> {
    let bare = resource.strip_suffix('/').unwrap_or(resource);
    let origin = bare.parse::<PublicUrl>();
    if origin.is_ok_and(|url| url.path().is_empty()) {
        vec![bare.to_owned(), format!("{bare}/")]
    } else {
        vec![resource.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(change: impl FnOnce(&mut ResourceConfig)) -> ProtectedResources {
        let url = "https://mcp.example.com".parse().unwrap();
        let mut config = ResourceConfig::new(url, "https://tenant.logto.app/oidc");
        change(&mut config);
        ProtectedResources::new(config)
    }

    // M01
    #[test]
    fn the_document_names_the_issuer_and_the_header_and_no_offline_access() {
        let resources = resources(|config| {
            config.scopes = "mcp:tools offline_access".parse().unwrap();
            config.name = Some("Notes".to_owned());
        });

        assert_eq!(
            serde_json::to_value(resources.document("/mcp")).unwrap(),
            serde_json::json!({
                "resource": "https://mcp.example.com/mcp",
                "authorization_servers": ["https://tenant.logto.app/oidc"],
                "bearer_methods_supported": ["header"],
                "scopes_supported": ["mcp:tools"],
                "resource_name": "Notes",
            })
        );
    }

    // M02
    #[test]
    fn each_document_describes_exactly_the_url_it_is_for() {
        let resources = resources(|_| ());

        for path in ["", "/mcp", "/sse"] {
            assert_eq!(
                resources.document(path).unwrap().resource,
                format!("https://mcp.example.com{path}")
            );
            assert_eq!(
                resources.metadata_url(path),
                format!("https://mcp.example.com/.well-known/oauth-protected-resource{path}")
            );
        }
    }

    #[test]
    fn below_a_prefix_the_prefix_follows_the_well_known_path() {
        let resources =
            resources(|config| config.public_url = "https://example.com/ai".parse().unwrap());

        for path in ["", "/mcp", "/sse"] {
            assert_eq!(
                resources.document(path).unwrap().resource,
                format!("https://example.com/ai{path}")
            );
            assert_eq!(
                resources.metadata_url(path),
                format!("https://example.com/.well-known/oauth-protected-resource/ai{path}")
            );
        }
        // Tokens for the origin are the origin's, and not for everything below it.
        let audiences = resources.audiences();
        assert!(audiences.iter().all(|audience| audience.contains("/ai")));
    }

    // M12
    #[test]
    fn a_path_that_is_no_resource_has_no_document() {
        let resources = resources(|_| ());

        for path in ["/", "/mcp/", "/../../register", "/%2e%2e", "mcp", "/other"] {
            assert!(resources.document(path).is_none(), "{path}");
        }
        assert_eq!(
            resources.metadata_url("/messages"),
            "https://mcp.example.com/.well-known/oauth-protected-resource"
        );
    }

    #[test]
    fn every_published_resource_is_an_audience_and_only_the_origin_has_two_spellings() {
        assert_eq!(
            resources(|_| ()).audiences(),
            [
                "https://mcp.example.com",
                "https://mcp.example.com/",
                "https://mcp.example.com/mcp",
                "https://mcp.example.com/sse",
            ]
        );
    }

    #[test]
    fn a_single_configured_resource_stands_in_every_document_and_is_the_only_audience() {
        let resources =
            resources(|config| config.resource = Some("https://api.example".to_owned()));

        assert!(
            resources
                .documents()
                .all(|(_, document)| document.resource == "https://api.example")
        );
        assert_eq!(
            resources.audiences(),
            ["https://api.example", "https://api.example/"]
        );
    }
}
