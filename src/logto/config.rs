//! Where a tenant is, and who we are there.

use std::path::PathBuf;

use url::Url;

use super::LogtoError;
use crate::{secret::Secret, units::is_loopback};

/// The Management API of a Logto without a name of its own.
const SELF_HOSTED_RESOURCE: &str = "https://default.logto.app/api";

/// Settings of the Management API client.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where Logto is, as `https://acme.logto.app`. Default: where the issuer is.
    pub endpoint: Option<String>,
    /// The resource indicator of its Management API. Default: `https://TENANT.logto.app/api` in Logto
    /// Cloud, else that of every self-hosted one, `https://default.logto.app/api`.
    pub resource: Option<String>,
    /// The id of a machine-to-machine application with the role *Logto Management API access*.
    pub client_id: Option<String>,
    /// File with its secret.
    pub client_secret_file: Option<PathBuf>,
    /// Its secret, for the environment.
    pub client_secret: Option<Secret>,
}

/// What [`super::Management`] is built of.
#[derive(Debug, Clone)]
pub(super) struct Tenant {
    /// Ends without a slash.
    pub(super) origin: String,
    pub(super) resource: String,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
}

impl Config {
    /// Whether a tenant can be managed by it.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.client_id.is_some()
    }

    pub(super) fn tenant(&self, issuer: &str) -> Result<Tenant, LogtoError> {
        let missing = |what| LogtoError::Setting(what);
        let client_id = self.client_id.clone();
        let client_id = client_id.ok_or(missing("logto.client_id is needed"))?;
        let secret = match (&self.client_secret_file, &self.client_secret) {
            (Some(file), _) => Secret::from_file(file).map_err(LogtoError::Secret)?,
            (None, Some(secret)) => secret.clone(),
            (None, None) => return Err(missing("logto.client_secret_file is needed")),
        };
        let origin = match &self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => issuer
                .trim_end_matches('/')
                .trim_end_matches("/oidc")
                .to_owned(),
        };
        if !is_safe(&origin) {
            return Err(missing("logto.endpoint is a URL with https"));
        }
        Ok(Tenant {
            resource: self
                .resource
                .clone()
                .unwrap_or_else(|| usual_resource(&origin)),
            origin,
            client_id,
            client_secret: secret,
        })
    }
}

/// The same rule as for an issuer: https, or this machine.
fn is_safe(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    })
}

fn usual_resource(origin: &str) -> String {
    let url = Url::parse(origin).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    if host.ends_with(".logto.app") {
        format!("https://{host}/api")
    } else {
        SELF_HOSTED_RESOURCE.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(issuer: &str, change: impl FnOnce(&mut Config)) -> Result<Tenant, LogtoError> {
        let mut config = Config {
            client_id: Some("m2m".to_owned()),
            client_secret: Some(Secret::new("s3cret")),
            ..Config::default()
        };
        change(&mut config);
        config.tenant(issuer)
    }

    #[test]
    fn a_tenant_is_where_its_issuer_is() {
        let cloud = tenant("https://acme.logto.app/oidc", |_| ()).unwrap();
        assert_eq!(cloud.origin, "https://acme.logto.app");
        assert_eq!(cloud.resource, "https://acme.logto.app/api");

        let own = tenant("http://127.0.0.1:3301/oidc", |_| ()).unwrap();
        assert_eq!(own.origin, "http://127.0.0.1:3301");
        assert_eq!(own.resource, SELF_HOSTED_RESOURCE);
    }

    #[test]
    fn half_a_credential_and_plain_http_are_refused() {
        let issuer = "https://acme.logto.app/oidc";

        assert!(tenant(issuer, |config| config.client_id = None).is_err());
        assert!(tenant(issuer, |config| config.client_secret = None).is_err());
        let in_clear = Some("http://logto.example".to_owned());
        assert!(tenant(issuer, |config| config.endpoint = in_clear).is_err());
    }
}
