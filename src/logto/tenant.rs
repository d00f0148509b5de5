//! What a tenant has besides: API resources and their scopes, roles, webhooks.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{LogtoError, Management, management::json as read_json};
use crate::secret::Secret;

/// An API resource: for what tokens are.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiResource {
    /// Its id.
    pub id: String,
    /// What clients send as `resource`, to the character.
    pub indicator: String,
    /// How long its access tokens live, in seconds.
    #[serde(default)]
    pub access_token_ttl: u64,
}

/// A scope of an API resource.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiScope {
    /// Its id.
    pub id: String,
    /// What tokens say.
    pub name: String,
}

/// A role, which gives its users scopes.
#[derive(Debug, Clone, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: String,
    /// Its name, one in the tenant.
    pub name: String,
}

/// A webhook.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// Its id.
    pub id: String,
    /// What it tells of, as `User.Deleted`.
    #[serde(default)]
    pub events: Vec<String>,
    /// Whether it is sent at all.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where it is sent to.
    pub config: HookConfig,
    /// What it is signed with. Never shown.
    #[serde(deserialize_with = "secret")]
    pub signing_key: Secret,
}

/// Where a webhook is sent to.
#[derive(Debug, Clone, Deserialize)]
pub struct HookConfig {
    /// The URL.
    pub url: String,
}

fn yes() -> bool {
    true
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

impl Management {
    /// All API resources.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn api_resources(&self) -> Result<Vec<ApiResource>, LogtoError> {
        self.all(&["resources"], &[]).await
    }

    /// Makes an API resource whose access tokens live for so many seconds.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn create_api_resource(
        &self,
        name: &str,
        indicator: &str,
        access_token_ttl: u64,
    ) -> Result<ApiResource, LogtoError> {
        let body =
            json!({ "name": name, "indicator": indicator, "accessTokenTtl": access_token_ttl });
        read_json(
            &self
                .write("resource", Method::POST, &["resources"], &body)
                .await?,
        )
    }

    /// The scopes of an API resource.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn api_scopes(&self, resource: &str) -> Result<Vec<ApiScope>, LogtoError> {
        self.all(&["resources", resource, "scopes"], &[]).await
    }

    /// Makes a scope. Its description is what users read when they are asked.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn create_api_scope(
        &self,
        resource: &str,
        name: &str,
        description: &str,
    ) -> Result<ApiScope, LogtoError> {
        let body = json!({ "name": name, "description": description });
        let path = ["resources", resource, "scopes"];
        read_json(&self.write("resource", Method::POST, &path, &body).await?)
    }

    /// All roles.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn roles(&self) -> Result<Vec<Role>, LogtoError> {
        self.all(&["roles"], &[]).await
    }

    /// Makes a role of users with these scopes.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn create_role(
        &self,
        name: &str,
        description: &str,
        scope_ids: &[String],
    ) -> Result<Role, LogtoError> {
        let body = json!({
            "name": name, "description": description, "type": "User", "scopeIds": scope_ids,
        });
        read_json(&self.write("role", Method::POST, &["roles"], &body).await?)
    }

    /// All webhooks.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn hooks(&self) -> Result<Vec<Hook>, LogtoError> {
        self.all(&["hooks"], &[]).await
    }

    /// Makes a webhook.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn create_hook(
        &self,
        name: &str,
        url: &str,
        events: &[&str],
    ) -> Result<Hook, LogtoError> {
        let body = json!({ "name": name, "events": events, "config": { "url": url } });
        read_json(&self.write("hook", Method::POST, &["hooks"], &body).await?)
    }
}
