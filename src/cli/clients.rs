//! `usher clients`: the agents that are registered in the Logto behind this server.

use anyhow::{Context, bail, ensure};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    office::{Listener, Office},
    output,
    prune::prune,
    settings::Settings,
    tenant::Tenant,
};
use crate::{
    agent::Said,
    oauth::{client_metadata::Refusal, redirect_uri::RedirectUri},
    registration::{Client, NewClient, Origin, Registered, Registrar, client_of},
    session::SessionFilter,
    time::{Clock, Timestamp},
};

/// Flags of `usher clients`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher clients --config usher.toml                 all agents\n  \
    usher clients create --name SmartMail --redirect-uri https://smartmail.example/cb --confidential\n  \
    usher clients rotate abc123                       one secret more; --end NAME ends one\n  \
    usher clients disable abc123                      out at once on this machine, within a minute elsewhere\n  \
    usher clients prune --unused-days 90 --dry-run    those that nobody has a grant for\n\n\
    Settings are those of usher serve: issuer.url, logto.client_id, logto.client_secret_file.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    listener: Listener,
    /// JSON on standard output
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show all agents, the newest first
    List,
    /// Show all that is known of one agent
    Show {
        /// Its client id
        id: String,
    },
    /// Make an agent by hand, and show its secret
    Create(Described),
    /// Change what an agent is called, or where it may have its users sent
    Update {
        /// Its client id
        id: String,
        #[command(flatten)]
        described: Described,
    },
    /// Add a secret to a confidential agent and show it; those before it stay good
    Rotate {
        /// Its client id
        id: String,
        /// End the secret of this name instead
        #[arg(long, value_name = "NAME")]
        end: Option<String>,
    },
    /// Shut an agent out
    Disable {
        /// Its client id
        id: String,
    },
    /// Let an agent in again
    Enable {
        /// Its client id
        id: String,
    },
    /// Delete an agent with all it was granted
    Delete {
        /// Its client id
        id: String,
    },
    /// Delete agents that no user has granted anything, and what was begun and never finished
    Prune {
        /// Only those made so many days ago
        #[arg(long, value_name = "DAYS", default_value_t = 90)]
        unused_days: u64,
        /// Say which, and delete none
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, Args)]
struct Described {
    /// What users are shown
    #[arg(long)]
    name: Option<String>,
    /// Where it may have its users sent; may be repeated
    #[arg(long, value_name = "URI")]
    redirect_uri: Vec<String>,
    /// Runs on a server: https alone, or a fixed port of this machine
    #[arg(long)]
    web: bool,
    /// Can keep a secret
    #[arg(long)]
    confidential: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let tenant = Tenant::read(&arguments.settings)?;
    let as_json = arguments.json;
    match arguments.command.unwrap_or(Command::List) {
        Command::List => list(&tenant, as_json).await,
        Command::Show { id } => {
            show(&find(&tenant, &id).await?, as_json);
            Ok(())
        }
        Command::Create(described) => create(&tenant, &described, as_json).await,
        Command::Update { id, described } => update(&tenant, &id, &described, as_json).await,
        Command::Rotate { id, end } => rotate(&tenant, &id, end.as_deref(), as_json).await,
        Command::Disable { id } => {
            set_disabled(&tenant, &id, true).await?;
            output::line(&format!("{id} disabled"));
            cut_off(&arguments.listener, &id).await;
            Ok(())
        }
        Command::Enable { id } => {
            set_disabled(&tenant, &id, false).await?;
            output::line(&format!("{id} enabled; servers know within a minute"));
            Ok(())
        }
        Command::Delete { id } => {
            find(&tenant, &id).await?;
            tenant.registrar.delete(&id).await?;
            output::line(&format!("{id} deleted"));
            cut_off(&arguments.listener, &id).await;
            Ok(())
        }
        Command::Prune {
            unused_days,
            dry_run,
        } => prune(&tenant, unused_days, dry_run, as_json).await,
    }
}

async fn find(tenant: &Tenant, id: &str) -> anyhow::Result<Client> {
    let found = tenant.registrar.find(id).await?;
    found.with_context(|| format!("no agent has the id {id}"))
}

async fn list(tenant: &Tenant, as_json: bool) -> anyhow::Result<()> {
    let all = tenant.management.all_third_party_applications().await?;
    let mut clients: Vec<Client> = all.iter().filter_map(client_of).collect();
    clients.sort_by_key(|client| std::cmp::Reverse(client.details.registered_at));
    if as_json {
        let shown: Vec<Value> = clients.iter().map(described).collect();
        output::line(&json!({ "clients": shown }).to_string());
        return Ok(());
    }
    if clients.is_empty() {
        output::line("no agent is registered");
        return Ok(());
    }
    output::line(&format!(
        "{:24}  {:20}  {:12}  {:10}  NAME",
        "ID", "REGISTERED", "KIND", "STATE"
    ));
    for client in &clients {
        let details = &client.details;
        let kind = if details.is_confidential() {
            "confidential"
        } else {
            "public"
        };
        output::line(&format!(
            "{:24}  {:20}  {kind:12}  {:10}  {}",
            Said::new(&client.id).as_str(),
            details.registered_at.to_rfc3339(),
            if client.disabled {
                "disabled"
            } else {
                "enabled"
            },
            Said::new(&details.display_name()),
        ));
    }
    Ok(())
}

fn show(client: &Client, as_json: bool) {
    let shown = described(client);
    if as_json {
        return output::line(&shown.to_string());
    }
    for (name, value) in shown.as_object().into_iter().flatten() {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        output::line(&format!("{name:16} {}", Said::new(&text)));
    }
}

fn described(client: &Client) -> Value {
    let details = &client.details;
    let uris: Vec<&str> = details
        .redirect_uris
        .iter()
        .map(RedirectUri::as_str)
        .collect();
    json!({
        "client_id": client.id, "client_name": details.name, "redirect_uris": uris,
        "application_type": details.application_type.as_str(),
        "token_endpoint_auth_method": details.authentication.as_str(),
        "refreshes": details.refreshes, "scope": details.scopes.to_string(),
        "software_id": details.software_id, "contact": details.contact,
        "origin": details.origin, "registered_at": details.registered_at.to_rfc3339(),
        "disabled": client.disabled,
    })
}

/// The same rules as for those that register themselves.
fn checked(
    tenant: &Tenant,
    metadata: &Value,
    origin: Origin,
    registered_at: Timestamp,
) -> anyhow::Result<NewClient> {
    let scopes = tenant.scopes().clone();
    NewClient::described_by(metadata, scopes, origin, registered_at).map_err(
        |refusal| match refusal {
            Refusal::Metadata(error) => anyhow::anyhow!("{error}"),
            Refusal::RedirectUri(error) => anyhow::anyhow!("{error}"),
        },
    )
}

async fn create(tenant: &Tenant, wanted: &Described, as_json: bool) -> anyhow::Result<()> {
    let method = if wanted.confidential {
        "client_secret_basic"
    } else {
        "none"
    };
    let metadata = json!({
        "client_name": wanted.name, "redirect_uris": wanted.redirect_uri,
        "application_type": wanted.web.then_some("web"),
        "token_endpoint_auth_method": method,
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let now = Clock::system().now();
    let new = checked(tenant, &metadata, Origin::Operator, now)?;
    let Registered { client, secret } = tenant.registrar.create(&new).await?;
    let mut shown = described(&client);
    if let Some(secret) = &secret {
        shown["client_secret"] = json!(secret.expose());
    }
    if as_json {
        output::line(&shown.to_string());
        return Ok(());
    }
    output::line(&format!("client_id      {}", client.id));
    if let Some(secret) = &secret {
        output::line(&format!("client_secret  {}", secret.expose()));
    }
    Ok(())
}

async fn update(
    tenant: &Tenant,
    id: &str,
    wanted: &Described,
    as_json: bool,
) -> anyhow::Result<()> {
    ensure!(
        !wanted.web && !wanted.confidential,
        "an agent's kind is fixed; make another"
    );
    let client = find(tenant, id).await?;
    let mut metadata = described(&client);
    if let Some(name) = &wanted.name {
        metadata["client_name"] = json!(name);
    }
    if !wanted.redirect_uri.is_empty() {
        metadata["redirect_uris"] = json!(wanted.redirect_uri);
    }
    if client.details.refreshes {
        metadata["grant_types"] = json!(["authorization_code", "refresh_token"]);
    }
    let before = &client.details;
    let said = checked(tenant, &metadata, before.origin, before.registered_at)?;
    let details = NewClient {
        scopes: before.scopes.clone(),
        contact: before.contact.clone(),
        ..said
    };
    let client = Client { details, ..client };
    ensure!(tenant.registrar.update(&client).await?, "{id} is gone");
    show(&client, as_json);
    Ok(())
}

async fn rotate(tenant: &Tenant, id: &str, end: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let client = find(tenant, id).await?;
    if !client.details.is_confidential() {
        bail!("{id} is public: it has no secret");
    }
    if let Some(name) = end {
        let ended = tenant.management.delete_secret(id, name).await?;
        ensure!(ended, "{id} has no secret called {name:?}");
        output::line(&format!(
            "the secret {name:?} of {id} is refused from now on"
        ));
        return Ok(());
    }
    let before = tenant.management.secrets(id).await?;
    let name = format!("Made {}", Clock::system().now().to_rfc3339());
    let secret = tenant.management.add_secret(id, &name).await?;
    let before: Vec<&str> = before.iter().map(|(name, _)| name.as_str()).collect();
    if as_json {
        let shown = json!({
            "client_id": id, "name": name, "client_secret": secret.expose(), "also_good": before,
        });
        output::line(&shown.to_string());
        return Ok(());
    }
    output::line(&format!("client_secret  {}", secret.expose()));
    for name in before {
        let name = Said::new(name);
        output::line(&format!(
            "still good     {name}: usher clients rotate {id} --end \"{name}\""
        ));
    }
    Ok(())
}

async fn set_disabled(tenant: &Tenant, id: &str, disabled: bool) -> anyhow::Result<()> {
    let client = Client {
        disabled,
        ..find(tenant, id).await?
    };
    ensure!(tenant.registrar.update(&client).await?, "{id} is gone");
    Ok(())
}

/// Has the server on this machine, or another that was named, end what the agent has open and refuse its
/// tokens. What was done at Logto stands all the same.
async fn cut_off(listener: &Listener, id: &str) {
    let whom = SessionFilter {
        client_id: Some(id.to_owned()),
        ..SessionFilter::default()
    };
    let order = [("cut_off", "true".to_owned())];
    let told = async {
        let office = Office::at(listener)?;
        office.ask(Method::DELETE, "sessions", &whom, &order).await
    };
    match told.await {
        Ok(answer) => {
            let ended = &answer["ended"];
            output::line(&format!(
                "{ended} sessions ended there and its tokens refused; other servers know within a minute"
            ));
        }
        Err(error) => output::line(&format!(
            "servers know within a minute; at once by usher sessions end --client-id {id} ({error:#})"
        )),
    }
}
