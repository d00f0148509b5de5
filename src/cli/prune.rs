//! `usher clients prune`: agents that nobody uses any more, and what was begun and never finished.

use std::time::Duration;

use serde_json::json;

use super::{output, tenant::Tenant};
use crate::{agent::Said, registration::unused, time::Clock};

const DAY_SECONDS: u64 = 86_400;

/// Deletes agents made so many days ago that no user has granted anything.
pub(super) async fn prune(
    tenant: &Tenant,
    unused_days: u64,
    dry_run: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let unused_for = Duration::from_secs(unused_days.saturating_mul(DAY_SECONDS));
    let now = Clock::system().now();
    let unused = unused(&tenant.management, unused_for, usize::MAX, now).await?;
    let unused = unused.unwrap_or_default();
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
