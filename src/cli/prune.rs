//! `usher clients prune`: agents that nobody uses any more, and what was begun and never finished.

use std::collections::HashSet;

use serde_json::json;

use super::{output, tenant::Tenant};
use crate::{
    agent::Said,
    logto::Application,
    registration::{Origin, client_of, is_half_made},
    time::{Clock, Timestamp},
};

/// An application that is not finished after so long never will be.
const HALF_MADE_SECONDS: u64 = 600;
const DAY_SECONDS: u64 = 86_400;

/// Deletes agents made so many days ago that no user has granted anything.
pub(super) async fn prune(
    tenant: &Tenant,
    unused_days: u64,
    dry_run: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let now = Clock::system().now();
    let granted = granted(tenant, now).await?;
    let all = tenant.management.all_third_party_applications().await?;
    let age = |application: &Application| {
        let made_at = Timestamp::from_unix_seconds(application.created_at / 1_000);
        now.since(made_at).as_secs()
    };
    let is_unused = |application: &&Application| {
        if is_half_made(application) {
            return age(application) > HALF_MADE_SECONDS;
        }
        // What an operator made, or somebody else in the Console, is theirs to delete.
        let registered = client_of(application)
            .is_some_and(|client| client.details.origin == Origin::Registration);
        registered
            && age(application) > unused_days.saturating_mul(DAY_SECONDS)
            && !granted.contains(&application.id)
    };
    let unused: Vec<&Application> = all.iter().filter(is_unused).collect();
    for application in &unused {
        if !dry_run {
            tenant
                .management
                .delete_application(&application.id)
                .await?;
        }
    }
    if as_json {
        let ids: Vec<&str> = unused.iter().map(|one| one.id.as_str()).collect();
        output::line(&json!({ "pruned": ids, "dry_run": dry_run }).to_string());
        return Ok(());
    }
    for application in &unused {
        output::line(&format!(
            "{}  {}",
            application.id,
            Said::new(&application.name)
        ));
    }
    let what = if dry_run {
        "would be deleted"
    } else {
        "deleted"
    };
    output::line(&format!("{} {what}", unused.len()));
    Ok(())
}

/// Applications that some user has granted something that is still good: Logto tells by user alone.
async fn granted(tenant: &Tenant, now: Timestamp) -> anyhow::Result<HashSet<String>> {
    let mut granted = HashSet::new();
    let now = now.as_unix_seconds() * 1_000;
    let mut seen = 0;
    for page in 1.. {
        let users = tenant.management.users(page).await?;
        seen += users.entries.len();
        for user in &users.entries {
            let grants = tenant.management.grants(&user.id).await?;
            let live = |ends: Option<u64>| ends.is_none_or(|ends| ends > now);
            let live = grants.into_iter().filter(|grant| live(grant.expires_at));
            granted.extend(live.map(|grant| grant.client_id));
        }
        if users.entries.is_empty() || seen >= users.total {
            break;
        }
    }
    Ok(granted)
}
