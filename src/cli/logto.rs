//! `usher logto setup`: makes of an empty tenant one that agents can use, and may be run again.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clap::{Args, Subcommand};
use serde_json::json;

use super::{
    output,
    settings::Settings,
    tenant::{Tenant, of_resource},
};
use crate::{
    logto::{ApplicationKind, Hook, NewApplication},
    notices::{EVENTS, WEBHOOK_PATH},
    portal::callback_of,
    secret::Secret,
};

/// How long access tokens of a new API resource live: as long as one that was revoked is still good.
const ACCESS_TOKEN_SECONDS: u64 = 300;

/// Flags of `usher logto`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make what a tenant needs, where it is not there yet
    Setup(Box<Setup>),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher logto setup --config usher.toml --dry-run\n  \
    usher logto setup --config usher.toml --describe 'mcp:tools=Call tools'\n  \
    usher logto setup --config usher.toml --webhook-key-file /run/secrets/usher-webhook\n  \
    usher logto setup --config usher.toml --portal-secret-file /run/secrets/usher-portal\n\n\
    Nothing that is there is changed or deleted, so it may be run again.")]
struct Setup {
    /// Say what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// What users read of a scope when they are asked; may be repeated
    #[arg(long, value_name = "SCOPE=TEXT", value_parser = scope_text)]
    describe: Vec<(String, String)>,
    /// The role that gives users every scope of this server
    #[arg(long, value_name = "NAME", default_value = "MCP user")]
    role: String,
    /// Also a first-party app, whose users are not asked: where it has them sent
    #[arg(long, value_name = "URI")]
    official_redirect_uri: Vec<String>,
    /// What the first-party app is called
    #[arg(long, value_name = "NAME", default_value = "Official app")]
    official_name: String,
    /// Also the first-party app by which developers sign in to the portal: the file that its secret is
    /// written to, or stands in already
    #[arg(long, value_name = "FILE")]
    portal_secret_file: Option<PathBuf>,
    /// Also a webhook that tells of suspended users and changed roles: the file that the key which it
    /// is signed with is written to, or stands in already
    #[arg(long, value_name = "FILE")]
    webhook_key_file: Option<PathBuf>,
    /// Where Logto reaches this server, if it is not the public URL
    #[arg(long, value_name = "URL", requires = "webhook_key_file")]
    webhook: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

fn scope_text(text: &str) -> Result<(String, String), String> {
    let (scope, text) = text.split_once('=').ok_or("write SCOPE=TEXT")?;
    Ok((scope.to_owned(), text.to_owned()))
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Command::Setup(setup) = arguments.command;
    let tenant = Tenant::read(&setup.settings)?;
    setup.resources(&tenant).await?;
    if !setup.official_redirect_uri.is_empty() {
        setup.official_app(&tenant).await?;
    }
    if let Some(file) = &setup.portal_secret_file {
        setup.portal(&tenant, file).await?;
    }
    if let Some(file) = &setup.webhook_key_file {
        setup.webhook(&tenant, file).await?;
    }
    Ok(())
}

impl Setup {
    fn said(&self, what: &str, is_there: bool) {
        let state = match (is_there, self.dry_run) {
            (true, _) => "is there",
            (false, true) => "would be made",
            (false, false) => "made",
        };
        output::line(&format!("{state:14} {what}"));
    }

    /// An API resource for each endpoint with all its scopes, and a role that has them.
    async fn resources(&self, tenant: &Tenant) -> anyhow::Result<()> {
        let management = &tenant.management;
        let known = management.api_resources().await?;
        let mut scope_ids = Vec::new();
        for indicator in &tenant.resources {
            let there = known
                .iter()
                .find(|one| one.indicator == *indicator)
                .cloned();
            self.said(&format!("API resource {indicator}"), there.is_some());
            if let Some(there) = &there
                && there.access_token_ttl > 2 * ACCESS_TOKEN_SECONDS
            {
                output::line(&format!(
                    "{:14} its access tokens live for {} s, and one that was revoked is good for as long",
                    "note", there.access_token_ttl
                ));
            }
            let resource = match there {
                Some(there) => Some(there),
                None if self.dry_run => None,
                None => {
                    let name = format!("MCP server ({indicator})");
                    let made =
                        management.create_api_resource(&name, indicator, ACCESS_TOKEN_SECONDS);
                    Some(made.await?)
                }
            };
            let scopes = match &resource {
                Some(resource) => management.api_scopes(&resource.id).await?,
                None => Vec::new(),
            };
            for name in of_resource(tenant.scopes()) {
                let there = scopes.iter().find(|one| one.name == name.as_str());
                self.said(&format!("  scope {name}"), there.is_some());
                let id = match (there, &resource) {
                    (Some(there), _) => there.id.clone(),
                    (None, Some(resource)) if !self.dry_run => {
                        let text = self
                            .describe
                            .iter()
                            .find(|(scope, _)| scope == name.as_str());
                        let text = text.map_or(name.as_str(), |(_, text)| text);
                        let made = management.create_api_scope(&resource.id, name.as_str(), text);
                        made.await?.id
                    }
                    _ => continue,
                };
                scope_ids.push(id);
            }
        }
        let there = management
            .roles()
            .await?
            .iter()
            .any(|role| role.name == self.role);
        self.said(&format!("role {:?}", self.role), there);
        if !there && !self.dry_run {
            let text = "May use the tools of the MCP server";
            management.create_role(&self.role, text, &scope_ids).await?;
        }
        if !there {
            output::line(&format!(
                "{:14} give it to your users: who has no role gets tokens without scopes",
                "to do"
            ));
        }
        Ok(())
    }

    async fn official_app(&self, tenant: &Tenant) -> anyhow::Result<()> {
        let mark = json!({ "usher": { "official": true } });
        let all = tenant.management.first_party_applications().await?;
        let there = all.iter().find(|one| one.name == self.official_name);
        self.said(
            &format!("first-party app {:?}", self.official_name),
            there.is_some(),
        );
        let id = match there {
            Some(there) => there.id.clone(),
            None if self.dry_run => return Ok(()),
            None => {
                let new = NewApplication {
                    name: self.official_name.clone(),
                    kind: ApplicationKind::Native,
                    description: "Made by usher logto setup".to_owned(),
                    is_third_party: false,
                    redirect_uris: self.official_redirect_uri.clone(),
                    custom_data: mark,
                };
                tenant.management.create_application(&new).await?.id
            }
        };
        output::line(&format!("{:14} its client id is {id}", "note"));
        Ok(())
    }

    /// Where developers of agents sign in. What makes it the portal's is its redirect URI, which is found by
    /// its mark, since its name is anybody's.
    async fn portal(&self, tenant: &Tenant, file: &Path) -> anyhow::Result<()> {
        let callback = callback_of(&tenant.public_url);
        let mark = json!({ "usher": { "portal": callback } });
        let all = tenant.management.first_party_applications().await?;
        let there = all.iter().find(|one| one.custom_data == mark);
        self.said(&format!("portal's app for {callback}"), there.is_some());
        let id = match there {
            Some(there) => there.id.clone(),
            None if self.dry_run => return Ok(()),
            None => {
                let new = NewApplication {
                    name: "Developer portal".to_owned(),
                    kind: ApplicationKind::Traditional,
                    description: "Made by usher logto setup".to_owned(),
                    is_third_party: false,
                    redirect_uris: vec![callback],
                    custom_data: mark,
                };
                tenant.management.create_application(&new).await?.id
            }
        };
        if !self.dry_run && !file.exists() {
            let secrets = tenant.management.secrets(&id).await?;
            let (_, secret) = secrets.first().context("the portal's app has no secret")?;
            write_secret(file, secret)
                .with_context(|| format!("could not write {}", file.display()))?;
        }
        for setting in [
            "portal.enabled = true".to_owned(),
            format!("portal.client_id = {id:?}"),
            format!("portal.client_secret_file = \"{}\"", file.display()),
        ] {
            output::line(&format!("{:14} {setting}", "to set"));
        }
        Ok(())
    }

    async fn webhook(&self, tenant: &Tenant, file: &Path) -> anyhow::Result<()> {
        let own = tenant.public_url.join(WEBHOOK_PATH);
        let url = self.webhook.as_ref().unwrap_or(&own);
        let hooks = tenant.management.hooks().await?;
        let there = hooks.into_iter().find(|hook| hook.config.url == *url);
        self.said(&format!("webhook to {url}"), there.is_some());
        let hook = match there {
            Some(there) => there,
            None if self.dry_run => return Ok(()),
            None => tenant.management.create_hook("Usher", url, &EVENTS).await?,
        };
        what_it_lacks(&hook);
        if file.exists() {
            let kept = Secret::from_file(file)?;
            ensure!(
                kept.expose() == hook.signing_key.expose(),
                "{} holds another key than the webhook to {url} is signed with: name a new file",
                file.display()
            );
        } else if !self.dry_run {
            write_secret(file, &hook.signing_key)
                .with_context(|| format!("could not write {}", file.display()))?;
        }
        output::line(&format!(
            "{:14} notice.webhook_secret_file = \"{}\"",
            "to set",
            file.display()
        ));
        Ok(())
    }
}

/// A webhook that is there is left as it is, and may tell of less than it should.
fn what_it_lacks(hook: &Hook) {
    if !hook.enabled {
        output::line(&format!("{:14} enable it in the Console", "to do"));
    }
    let lacking = EVENTS.iter().filter(|name| {
        let mut events = hook.events.iter();
        !events.any(|event| event == *name)
    });
    let lacking: Vec<&str> = lacking.copied().collect();
    if !lacking.is_empty() {
        let lacking = lacking.join(" ");
        output::line(&format!("{:14} add its events {lacking}", "to do"));
    }
}

/// A new file that nobody else may read.
fn write_secret(path: &Path, secret: &Secret) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(secret.expose().as_bytes())
}
