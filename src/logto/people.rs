//! Users and what they have granted: to see who may still come in.

use serde::Deserialize;
use serde_json::Value;

use super::{LogtoError, Management, Page, management::PAGE_SIZE};

/// A user, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The `sub` of its tokens.
    pub id: String,
    /// Shut out by an operator.
    #[serde(default)]
    pub is_suspended: bool,
}

/// That a user lets an application act for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its id.
    pub id: String,
    /// The application.
    pub client_id: String,
    /// Milliseconds since 1970; none is not known.
    pub expires_at: Option<u64>,
}

#[derive(Deserialize)]
struct Grants {
    grants: Vec<GrantEntry>,
}

/// Read strictly: of a grant that is overlooked, its application is cut off.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantEntry {
    id: String,
    payload: GrantPayload,
    #[serde(default)]
    expires_at: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantPayload {
    client_id: String,
}

impl Management {
    /// A user by its id; `None` for one that was deleted.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn user(&self, id: &str) -> Result<Option<User>, LogtoError> {
        match self.read("user", &["users", id], &[]).await {
            Ok(user) => Ok(Some(user)),
            Err(LogtoError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A part of all users, 100 at most; the first part is 1.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn users(&self, page: usize) -> Result<Page<User>, LogtoError> {
        self.page(&["users"], &[], page, PAGE_SIZE).await
    }

    /// What a user has granted to third-party applications. None for a user who was deleted.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn grants(&self, user: &str) -> Result<Vec<Grant>, LogtoError> {
        let path = ["users", user, "grants"];
        let query = [("appType", "thirdParty")];
        let read = self.read::<Grants>("user", &path, &query).await;
        let grants = match read {
            Ok(Grants { grants }) => grants,
            Err(LogtoError::NotFound(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let grant = |entry: GrantEntry| Grant {
            id: entry.id,
            client_id: entry.payload.client_id,
            expires_at: entry.expires_at.as_u64(),
        };
        Ok(grants.into_iter().map(grant).collect())
    }

    /// Takes a grant back: opaque and refresh tokens end at once. False if there was none.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn revoke_grant(&self, user: &str, grant: &str) -> Result<bool, LogtoError> {
        self.remove(&["users", user, "grants", grant]).await
    }
}
