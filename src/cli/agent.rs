//! `usher agent`: a third-party agent that signs a user in and calls a tool.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Args;
use serde_json::{Map, Value, json};
use url::Url;

use super::{browser, logs, output};
use crate::{
    agent::{self, Config, Event, ProtocolChoice},
    config::LogConfig,
    protocol::ProtocolVersion,
    scope::Scopes,
    secret::Secret,
    units::HumanDuration,
};

/// Flags of `usher agent`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    usher agent http://127.0.0.1:3001/mcp                    register, sign in, call whoami\n  \
    usher agent http://127.0.0.1:3001/sse --no-browser       the same over HTTP+SSE; shows the link\n  \
    usher agent http://127.0.0.1:3001/mcp --client-id official-app\n  \
    usher agent http://127.0.0.1:3001/mcp --list --json      tools, for programs\n  \
    usher agent https://mcp.example.com/mcp --call add --arguments '{\"a\":1,\"b\":2}'")]
pub(super) struct Arguments {
    /// The server's MCP endpoint; a path ending in /sse means HTTP+SSE
    #[arg(value_parser = endpoint)]
    url: Url,
    /// Tool to call
    #[arg(long, value_name = "TOOL", default_value = "whoami")]
    call: String,
    /// The tool's arguments, a JSON object
    #[arg(long = "arguments", value_name = "JSON", default_value = "{}", value_parser = json_object)]
    with: Map<String, Value>,
    /// List the tools instead of calling one
    #[arg(long, conflicts_with = "call")]
    list: bool,
    /// Client registered by hand; without it the agent registers itself
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// File with that client's secret, where it has one
    #[arg(long, value_name = "FILE", requires = "client_id")]
    client_secret_file: Option<PathBuf>,
    /// Scopes to ask for, as "openid profile"; else what the server asks for
    #[arg(long, value_name = "SCOPES")]
    scope: Option<Scopes>,
    /// What the consent page calls this agent
    #[arg(long, value_name = "NAME", default_value = "Usher agent")]
    name: String,
    /// Protocol version to speak, as 2025-11-25; else the newest both know
    #[arg(long, value_name = "VERSION", value_parser = protocol)]
    protocol: Option<ProtocolChoice>,
    /// Port of the callback on 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    callback_port: u16,
    /// Show the sign-in link only, do not open a browser
    #[arg(long)]
    no_browser: bool,
    /// How long to wait for the user to sign in
    #[arg(long, value_name = "DURATION", default_value = "5min")]
    sign_in_deadline: HumanDuration,
    /// The result as one JSON line on standard output, progress as JSON lines on standard error
    #[arg(long)]
    json: bool,
    /// What to log, as mcp_usher=debug
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

fn endpoint(text: &str) -> Result<Url, String> {
    // `localhost:3001/mcp` is a URL too, of the scheme `localhost`.
    let url = text.parse().ok().filter(Url::has_host);
    url.ok_or_else(|| "write it in full, as http://127.0.0.1:3001/mcp".to_owned())
}

fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

fn protocol(text: &str) -> Result<ProtocolChoice, String> {
    if text == "auto" {
        return Ok(ProtocolChoice::Auto);
    }
    text.parse()
        .map(ProtocolChoice::Version)
        .map_err(|_unknown| {
            let known = ProtocolVersion::ALL.map(ProtocolVersion::as_str);
            format!("known are auto, {}", known.join(", "))
        })
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    logs::start(&LogConfig {
        filter: arguments.log.clone(),
        ..LogConfig::default()
    })?;
    let config = config(&arguments)?;
    let (as_json, open_browser) = (arguments.json, !arguments.no_browser);
    let mut connection =
        agent::connect(config, move |event| report(&event, as_json, open_browser)).await?;
    let done = if arguments.list {
        list(&mut connection, as_json).await
    } else {
        call(&mut connection, &arguments).await
    };
    connection.close().await;
    done
}

fn config(arguments: &Arguments) -> anyhow::Result<Config> {
    let secret = arguments
        .client_secret_file
        .as_deref()
        .map(Secret::from_file)
        .transpose()?;
    Ok(Config {
        client_id: arguments.client_id.clone(),
        client_secret: secret,
        scope: arguments.scope.clone(),
        client_name: arguments.name.clone(),
        protocol: arguments.protocol.unwrap_or_default(),
        callback_port: arguments.callback_port,
        sign_in_deadline: arguments.sign_in_deadline,
        ..Config::new(arguments.url.clone())
    })
}

async fn list(connection: &mut agent::Connection, as_json: bool) -> anyhow::Result<()> {
    for tool in connection.list_tools().await? {
        if as_json {
            output::line(&tool.definition.to_string());
        } else {
            let description = tool.definition.value()["description"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            output::line(&format!(
                "{}\n    {}",
                plain(&tool.name),
                plain(&description)
            ));
        }
    }
    Ok(())
}

async fn call(connection: &mut agent::Connection, arguments: &Arguments) -> anyhow::Result<()> {
    let result = connection
        .call_tool(&arguments.call, arguments.with.clone())
        .await?
        .into_value();
    if arguments.json {
        output::line(&result.to_string());
    } else if let Some(structured) = result.get("structuredContent") {
        let pretty = serde_json::to_string_pretty(structured);
        output::line(&pretty.context("the result could not be written")?);
    } else {
        texts(&result).for_each(|text| output::line(&plain(text)));
    }
    if result.get("isError").and_then(Value::as_bool) == Some(true) {
        bail!("the tool {} failed", arguments.call);
    }
    ensure!(
        result.is_object(),
        "the server's answer to {} is no result",
        arguments.call
    );
    Ok(())
}

fn texts(result: &Value) -> impl Iterator<Item = &str> {
    let content = result
        .get("content")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    content.filter_map(|item| item.get("text").and_then(Value::as_str))
}

/// A stranger's text without what would steer the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control() || *character == '\n')
        .collect()
}

fn report(event: &Event, as_json: bool, open_browser: bool) {
    if let Event::SignIn { url } = event
        && open_browser
    {
        browser::open(url);
    }
    if as_json {
        output::progress(&as_line(event).to_string());
    } else {
        output::progress(&as_sentence(event));
    }
}

fn as_sentence(event: &Event) -> String {
    match event {
        Event::Unauthorized => "The server wants a token.".to_owned(),
        Event::Discovered { issuer } => format!("Users sign in at {}.", plain(issuer)),
        Event::Registered { client_id } => format!("Registered as {}.", plain(client_id)),
        Event::SignIn { url } => format!("Sign in here:\n\n  {url}\n"),
        Event::SignedIn { scopes } => format!("Signed in; granted: {scopes}."),
        Event::Refreshed => "The token was refreshed.".to_owned(),
        Event::StepUp { scopes } => format!("The server wants more: {scopes}."),
        Event::Connected {
            protocol,
            transport,
            server,
        } => {
            let server = server.as_deref().map_or("the server".to_owned(), plain);
            format!("Connected to {server}: {protocol} over {transport}.\n")
        }
        _ => String::new(),
    }
}

fn as_line(event: &Event) -> Value {
    match event {
        Event::Unauthorized => json!({ "event": "unauthorized" }),
        Event::Discovered { issuer } => json!({ "event": "discovered", "issuer": issuer }),
        Event::Registered { client_id } => json!({ "event": "registered", "client_id": client_id }),
        Event::SignIn { url } => json!({ "event": "sign_in", "url": url }),
        Event::SignedIn { scopes } => json!({ "event": "signed_in", "scope": scopes }),
        Event::Refreshed => json!({ "event": "refreshed" }),
        Event::StepUp { scopes } => json!({ "event": "step_up", "scope": scopes }),
        Event::Connected {
            protocol,
            transport,
            server,
        } => json!({
            "event": "connected", "protocol": protocol.as_str(),
            "transport": transport.to_string(), "server": server,
        }),
        _ => json!({}),
    }
}
