//! What becomes of an agent that is there: its details, what it may be granted, its secrets, its users.

use std::time::Duration;

use aws_lc_rs::rand;
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use super::{
    super::{
        Client, GrantingUser, GrantingUsers, NamedSecret, RegistrarError,
        record::{Record, State},
    },
    Inner, branding, own_redirect_uris, shortened,
};
use crate::{
    logto::{ConsentScopes, LogtoError, User},
    scope::Scopes,
    secret::Secret,
    time::Timestamp,
};

/// Users of the tenant that are asked what they have granted: Logto can't be asked of an application.
const USERS_ASKED_MAX: usize = 500;
/// So many at once.
const USERS_AT_ONCE: usize = 4;
/// For so long.
const USERS_ASKED_FOR: Duration = Duration::from_secs(5);

impl Inner {
    pub(super) async fn update(&self, client: &Client) -> Result<bool, RegistrarError> {
        let Some(application) = self.management.application(&client.id).await? else {
            return Ok(false);
        };
        let Some(before) = Record::ready(&application) else {
            return Ok(false);
        };
        let mut record = Record::new(&client.details, State::Ready)?;
        record.mark.clone_from(&before.mark);
        record.disabled = client.disabled;
        // As it was made, whatever the settings of whoever changes it say.
        record.direct = before.direct;
        let name = shortened(&client.details.display_name());
        let custom_data = record.within(&application.custom_data);
        let own = before.direct.then(|| own_redirect_uris(&client.details));
        if !self
            .management
            .change_application(&client.id, &name, &custom_data, own.as_deref())
            .await?
        {
            return Ok(false);
        }
        let before_details = before.to_details();
        let before_branding = before_details.as_ref().map(|before| branding("", before));
        self.management
            .set_branding(
                &client.id,
                branding(&name, &client.details),
                before_branding.unwrap_or_default(),
            )
            .await?;
        let before_scopes = before_details.map(|before| before.scopes);
        let before_scopes = before_scopes.unwrap_or_default();
        if client.disabled != before.disabled || client.details.scopes != before_scopes {
            self.set_grantable(client, &before_scopes).await?;
        }
        Ok(true)
    }

    /// An agent that is shut out can be granted nothing of ours, not even by a refresh that goes past
    /// the bridge; any other what it says, and no more what it said before.
    async fn set_grantable(&self, client: &Client, before: &Scopes) -> Result<(), RegistrarError> {
        let (id, management) = (&client.id, &self.management);
        let now = self.scopes.ids(management, &client.details.scopes).await?;
        let before = self.scopes.ids(management, before).await?;
        let kept = if client.disabled {
            // What it may ask about its user stays: taken away, signing in would fail by an error.
            ConsentScopes {
                user_scopes: now.user_scopes.clone(),
                resource_scopes: Vec::new(),
            }
        } else {
            now.clone()
        };
        if !client.disabled {
            management.add_consent_scopes(id, &kept).await?;
        }
        let all = before.resource_scopes.iter().chain(&now.resource_scopes);
        for scope in all.filter(|scope| !kept.resource_scopes.contains(scope)) {
            management.remove_consent_scope(id, scope).await?;
        }
        for scope in &before.user_scopes {
            if !kept.user_scopes.contains(scope) {
                management.remove_user_scope(id, scope).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn secrets(&self, id: &str) -> Result<Vec<NamedSecret>, RegistrarError> {
        let named = match self.management.secret_names(id).await {
            Ok(named) => named,
            Err(LogtoError::NotFound(_)) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let named = named.into_iter().map(|secret| NamedSecret {
            name: secret.name,
            made_at: seconds(secret.created_at),
        });
        Ok(named.collect())
    }

    pub(super) async fn add_secret(&self, id: &str) -> Result<Option<Secret>, RegistrarError> {
        // Names are one in an application, and say nothing: when it was made, Logto knows.
        let mut number = [0; 4];
        rand::fill(&mut number)
            .map_err(|_unspecified| RegistrarError::Refused("no randomness".to_owned()))?;
        let name = format!("Secret {:08x}", u32::from_be_bytes(number));
        match self.management.add_secret(id, &name).await {
            Ok(secret) => Ok(Some(secret)),
            Err(LogtoError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn granting_users(&self, id: &str) -> Result<GrantingUsers, RegistrarError> {
        let until = Instant::now() + USERS_ASKED_FOR;
        let (mut users, mut total, mut asked): (Vec<User>, _, _) = (Vec::new(), 0, 0);
        for page in 1.. {
            let part = self.management.users(page).await?;
            total = part.total;
            let is_last = part.entries.is_empty();
            users.extend(part.entries);
            if is_last || users.len() >= total.min(USERS_ASKED_MAX) || Instant::now() >= until {
                break;
            }
        }
        users.truncate(USERS_ASKED_MAX);
        let mut granting = Vec::new();
        let mut answers = stream::iter(users)
            .map(|user| async move {
                let grants = self.management.grants(&user.id).await;
                (user.id, grants)
            })
            .buffered(USERS_AT_ONCE);
        while let Some((subject, grants)) = answers.next().await {
            asked += 1;
            let mut grants = grants?.into_iter();
            if let Some(grant) = grants.find(|grant| grant.client_id == id) {
                let until = grant.expires_at.and_then(seconds);
                granting.push(GrantingUser { subject, until });
            }
            if Instant::now() >= until {
                break;
            }
        }
        Ok(GrantingUsers {
            users: granting,
            not_asked: total.saturating_sub(asked),
        })
    }
}

/// Logto counts milliseconds; 0 is not known.
fn seconds(milliseconds: u64) -> Option<Timestamp> {
    (milliseconds > 0).then(|| Timestamp::from_unix_seconds(milliseconds / 1_000))
}
