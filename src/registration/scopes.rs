//! Scopes as Logto knows them: of the user's data by name, of API resources by id.
//!
//! Looked up by our resources' indicators, and remembered for a minute: an operator may add one.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

use crate::{
    logto::{ConsentScopes, LogtoError, Management, USER_SCOPES},
    scope::{Scope, Scopes},
};

const KEPT_FOR: Duration = Duration::from_secs(60);

/// The ids of our resources' scopes.
#[derive(Debug)]
pub(super) struct GrantableScopes {
    resources: Vec<String>,
    known: Mutex<Option<Known>>,
}

/// Names and ids, and when they were read.
#[derive(Debug)]
struct Known {
    read_at: Instant,
    ids: Vec<(String, String)>,
}

impl GrantableScopes {
    pub(super) fn new(resources: Vec<String>) -> Self {
        Self {
            resources,
            known: Mutex::default(),
        }
    }

    /// These scopes, to be granted: the same name at several resources of ours is one of each.
    pub(super) async fn ids(
        &self,
        management: &Management,
        scopes: &Scopes,
    ) -> Result<ConsentScopes, LogtoError> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        let fresh = match &*known {
            Some(known) if now - known.read_at < KEPT_FOR => known.ids.clone(),
            _ => {
                let ids = self.read(management).await?;
                let read = ids.clone();
                *known = Some(Known { read_at: now, ids });
                read
            }
        };
        let asked = |name: &str| scopes.iter().map(Scope::as_str).any(|scope| scope == name);
        let user_scopes = USER_SCOPES.into_iter().filter(|name| asked(name));
        let resource_scopes = fresh.into_iter().filter(|(name, _)| asked(name));
        Ok(ConsentScopes {
            user_scopes: user_scopes.map(str::to_owned).collect(),
            resource_scopes: resource_scopes.map(|(_, id)| id).collect(),
        })
    }

    async fn read(&self, management: &Management) -> Result<Vec<(String, String)>, LogtoError> {
        let mut ids = Vec::new();
        for resource in management.api_resources().await? {
            if self.resources.contains(&resource.indicator) {
                let scopes = management.api_scopes(&resource.id).await?;
                ids.extend(scopes.into_iter().map(|scope| (scope.name, scope.id)));
            }
        }
        Ok(ids)
    }
}
