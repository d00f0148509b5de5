//! What each command does at a connection, and what it prints.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

use super::{
    command::{CallArguments, Command, CompleteArguments},
    json_line,
    screen::Screen,
    show::{self, Payload},
    text_out,
    values::{self, Given},
};
use crate::{
    agent::{AgentError, Canceller, Connection, Document, Listing, Reference, Watched},
    cli::output,
    protocol::codes,
};

/// The tool that `usher agent URL` calls where it is there.
const WHOAMI: &str = "whoami";

/// How it ended.
pub(super) enum Done {
    /// Well.
    Well,
    /// The tool of this name ran, and failed.
    ToolFailed(String),
}

/// Does what is to be done.
pub(super) async fn act(
    connection: &mut Connection,
    command: Command,
    screen: &Screen,
    stop: &Canceller,
) -> anyhow::Result<Done> {
    let json = screen.is_json();
    match command {
        Command::Look => return look(connection, screen).await,
        Command::Info => info(connection, json),
        Command::Tools { name: None } => {
            let tools = connection.list_tools().await?;
            let tools: Vec<_> = tools.into_iter().map(|tool| tool.definition).collect();
            print_list(Listing::Tools, &tools, json);
        }
        Command::Tools { name: Some(name) } => describe(connection, &name, json).await?,
        Command::Call(call) => return self::call(connection, call, screen).await,
        Command::Resources => list(connection, Listing::Resources, json).await?,
        Command::Templates => list(connection, Listing::Templates, json).await?,
        Command::Read { uri, output } => {
            let result = connection.read_resource(&uri).await?;
            screen.clear();
            if let Some(file) = output {
                save(&file, &show::contents(result.value()), screen)?;
            } else if json {
                output::line(&result.line());
            } else {
                print_contents(&show::contents(result.value()))?;
            }
        }
        Command::Watch { uris, .. } => {
            let lists = uris.is_empty();
            let watched = Watched {
                tools: lists,
                prompts: lists,
                resources: lists,
                uris,
            };
            connection.watch(&watched, stop).await?;
        }
        Command::Prompts => list(connection, Listing::Prompts, json).await?,
        Command::Prompt { name, given } => {
            let result = connection.get_prompt(&name, texts(given)).await?;
            screen.clear();
            print(&result, json, show::messages);
        }
        Command::Complete(arguments) => complete(connection, arguments, json).await?,
        Command::Ping => {
            let took = connection.ping().await?;
            let milliseconds = took.as_secs_f64() * 1000.0;
            if json {
                output::line(&json_line(json!({ "milliseconds": milliseconds })));
            } else {
                output::line(&format!("{milliseconds:.1} ms"));
            }
        }
    }
    Ok(Done::Well)
}

async fn look(connection: &mut Connection, screen: &Screen) -> anyhow::Result<Done> {
    let offers = |what: &str| connection.server().capabilities.get(what).is_some();
    let (tools, resources, prompts) = (offers("tools"), offers("resources"), offers("prompts"));
    if tools && connection.tool(WHOAMI).await?.is_some() {
        let whoami = CallArguments::new(WHOAMI, Map::new());
        return call(connection, whoami, screen).await;
    }
    info(connection, screen.is_json());
    if screen.is_json() {
        return Ok(Done::Well);
    }
    for (what, offered) in [
        (Listing::Tools, tools),
        (Listing::Resources, resources),
        (Listing::Prompts, prompts),
    ] {
        if offered {
            let items = connection.list(what).await?;
            output::line(&show::names(what, &items));
        }
    }
    Ok(Done::Well)
}

fn info(connection: &Connection, json: bool) {
    let server = connection.server();
    if json {
        output::line(&json_line(json!({
            "protocol": connection.protocol().as_str(),
            "transport": connection.transport().to_string(),
            "server": server.info,
            "capabilities": server.capabilities,
            "instructions": server.instructions,
        })));
    } else {
        let (protocol, transport) = (connection.protocol(), connection.transport());
        text_out(&show::info(protocol, transport, server));
    }
}

async fn list(connection: &mut Connection, what: Listing, json: bool) -> anyhow::Result<()> {
    let items = connection.list(what).await?;
    print_list(what, &items, json);
    Ok(())
}

fn print_list(what: Listing, items: &[Document], json: bool) {
    if json {
        let lines: Vec<_> = items.iter().map(Document::line).collect();
        let member = what.member();
        output::line(&format!(r#"{{"{member}":[{}]}}"#, lines.join(",")));
    } else if items.is_empty() {
        output::progress(&format!("There are no {}.", show::plural(what)));
    } else {
        for item in items {
            text_out(&show::entry(what, item));
        }
    }
}

async fn describe(connection: &mut Connection, name: &str, json: bool) -> anyhow::Result<()> {
    let Some(tool) = connection.tool(name).await? else {
        bail!(no_such_tool(connection, name).await);
    };
    if json {
        output::line(&tool.definition.line());
    } else {
        text_out(&show::tool(&tool.definition));
    }
    Ok(())
}

async fn no_such_tool(connection: &mut Connection, name: &str) -> String {
    let tools = connection.list_tools().await.unwrap_or_default();
    let near = tools
        .iter()
        .map(|tool| (strsim::jaro_winkler(&tool.name, name), &tool.name))
        .filter(|(nearness, _)| *nearness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = near.map_or_else(
        || "; `usher agent URL tools` lists them".to_owned(),
        |(_, near)| format!("; did you mean {}?", crate::agent::plain(near)),
    );
    format!("the server has no tool {name}{hint}")
}

async fn call(
    connection: &mut Connection,
    call: CallArguments,
    screen: &Screen,
) -> anyhow::Result<Done> {
    let base = call.args.unwrap_or_default();
    let arguments = if call.given.is_empty() {
        base
    } else {
        let Some(tool) = connection.tool(&call.tool).await? else {
            bail!(no_such_tool(connection, &call.tool).await);
        };
        values::arguments(base, &call.given, tool.input_schema()).map_err(anyhow::Error::msg)?
    };
    let result = match connection.call_tool(&call.tool, arguments).await {
        Err(AgentError::Rpc { code, .. })
            if code == i64::from(codes::INVALID_PARAMS)
                && connection.tool(&call.tool).await?.is_none() =>
        {
            bail!(no_such_tool(connection, &call.tool).await);
        }
        result => result?,
    };
    screen.clear();
    if let Some(file) = &call.output {
        let payloads = show::payloads(result.value());
        write_payloads(file, &payloads)?;
    }
    print(&result, screen.is_json(), |value| {
        let structured = value.get("structuredContent").is_some();
        if structured {
            show::member(&result, "structuredContent")
        } else {
            show::content(value)
        }
    });
    if result.value().get("isError").and_then(Value::as_bool) == Some(true) {
        return Ok(Done::ToolFailed(call.tool));
    }
    Ok(Done::Well)
}

async fn complete(
    connection: &mut Connection,
    arguments: CompleteArguments,
    json: bool,
) -> anyhow::Result<()> {
    let reference = match (arguments.reference.prompt, arguments.reference.template) {
        (Some(prompt), _) => Reference::Prompt(prompt),
        (None, template) => Reference::Template(template.unwrap_or_default()),
    };
    let partial = arguments.partial;
    let asked = connection.complete(
        &reference,
        &partial.key,
        &partial.text,
        texts(arguments.given),
    );
    let result = asked.await?;
    print(&result, json, show::completion);
    Ok(())
}

fn texts(given: Vec<Given>) -> Map<String, Value> {
    given.into_iter().map(Given::into_text).collect()
}

fn print(result: &Document, json: bool, text: impl Fn(&Value) -> String) {
    if json {
        output::line(&result.line());
    } else {
        text_out(&text(result.value()));
    }
}

fn print_contents(contents: &[Payload]) -> anyhow::Result<()> {
    for one in contents {
        match one {
            Payload::Text(text) => text_out(text),
            Payload::Bytes { data, .. } if !output::is_terminal() => output::bytes(data),
            Payload::Bytes { kind, data } => bail!(
                "the resource is binary ({}, {} bytes); give --output FILE",
                crate::agent::plain(kind),
                data.len()
            ),
        }
    }
    Ok(())
}

fn save(file: &Path, contents: &[Payload], screen: &Screen) -> anyhow::Result<()> {
    let bytes: Vec<u8> = contents
        .iter()
        .flat_map(|one| one.bytes().iter().copied())
        .collect();
    fs::write(file, &bytes).with_context(|| format!("could not write {}", file.display()))?;
    let (path, size) = (file.display(), bytes.len());
    screen.say(
        &format!("Wrote {size} bytes to {path}."),
        json!({"event": "wrote", "file": path.to_string(), "bytes": size}),
    );
    Ok(())
}

fn write_payloads(file: &Path, payloads: &[Payload]) -> anyhow::Result<()> {
    let [payload] = payloads else {
        bail!(
            "the result has {} images, sounds and files, so --output can't be written",
            payloads.len()
        );
    };
    fs::write(file, payload.bytes()).with_context(|| format!("could not write {}", file.display()))
}
