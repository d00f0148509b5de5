//! Agents that nobody uses any more, and applications that were begun and never finished.
//!
//! Logto does not say when an application was used last, only what users have granted it, user by user.
//! So an agent is unused where it registered itself long ago and no user has a grant for it that still
//! lives. `usher clients prune` asks once; with `registration.prune_after` a server sweeps
//! every six hours. Where a single answer is missing, nothing is deleted.

use std::{collections::HashSet, sync::Arc, time::Duration};

use super::{
    Origin,
    logto::{client_of, is_half_made},
};
use crate::{
    logto::{Application, LogtoError, Management},
    telemetry::audit,
    time::{Clock, Timestamp},
};

/// An application that is not finished after so long never will be.
const HALF_MADE: Duration = Duration::from_secs(600);
/// Between two sweeps of a server.
const SWEEP_EVERY: Duration = Duration::from_secs(6 * 3_600);
/// Users that a sweep asks about, a question each; with more, pruning is left to the command.
const SWEPT_USERS_MAX: usize = 10_000;

/// Third-party applications that may go: made longer ago than `unused_for`, with no grant that lives.
/// `None` where there are more users than `users_max`.
pub(crate) async fn unused(
    management: &Management,
    unused_for: Duration,
    users_max: usize,
    now: Timestamp,
) -> Result<Option<Vec<Application>>, LogtoError> {
    // Before the grants, so that what is granted meanwhile is seen.
    let mut applications = management.all_third_party_applications().await?;
    let age = |application: &Application| {
        now.since(Timestamp::from_unix_seconds(application.created_at / 1_000))
    };
    applications.retain(|application| {
        if is_half_made(application) {
            return age(application) > HALF_MADE;
        }
        // What an operator or a developer made, or somebody else in the Console, is theirs to delete.
        client_of(application).is_some_and(|client| {
            let by_itself = matches!(client.details.origin, Origin::Registration | Origin::Shared);
            by_itself && age(application) > unused_for
        })
    });
    if applications.is_empty() {
        return Ok(Some(applications));
    }
    let Some(granted) = granted(management, users_max, now).await? else {
        return Ok(None);
    };
    applications.retain(|application| !granted.contains(&application.id));
    Ok(Some(applications))
}

/// Applications that some user has granted something that is still good: Logto tells by user alone.
async fn granted(
    management: &Management,
    users_max: usize,
    now: Timestamp,
) -> Result<Option<HashSet<String>>, LogtoError> {
    let mut granted = HashSet::new();
    let now = now.as_unix_seconds().saturating_mul(1_000);
    let mut seen = 0;
    for page in 1.. {
        let users = management.users(page).await?;
        if users.total > users_max {
            return Ok(None);
        }
        seen += users.entries.len();
        for user in &users.entries {
            let grants = management.grants(&user.id).await?;
            let lives = |ends: Option<u64>| ends.is_none_or(|ends| ends > now);
            let live = grants.into_iter().filter(|grant| lives(grant.expires_at));
            granted.extend(live.map(|grant| grant.client_id));
        }
        if users.entries.is_empty() || seen >= users.total {
            break;
        }
    }
    Ok(Some(granted))
}

/// Sweeps now and every six hours, for as long as somebody else holds `management`.
pub(super) async fn sweep(management: Arc<Management>, unused_for: Duration, clock: Clock) {
    let management = {
        let weak = Arc::downgrade(&management);
        drop(management);
        weak
    };
    while let Some(management) = management.upgrade() {
        if let Err(error) = swept(&management, unused_for, clock.now()).await {
            tracing::warn!(%error, "unused agents could not be deleted; tried again in six hours");
        }
        drop(management);
        tokio::time::sleep(SWEEP_EVERY).await;
    }
}

async fn swept(
    management: &Management,
    unused_for: Duration,
    now: Timestamp,
) -> Result<(), LogtoError> {
    let unused = unused(management, unused_for, SWEPT_USERS_MAX, now).await?;
    let Some(unused) = unused else {
        tracing::warn!(
            users_max = SWEPT_USERS_MAX,
            "too many users to look for unused agents every six hours: use `usher clients prune`"
        );
        return Ok(());
    };
    for application in unused {
        if management.delete_application(&application.id).await? {
            audit::registration_changed("pruned", &application.id);
        }
    }
    Ok(())
}
