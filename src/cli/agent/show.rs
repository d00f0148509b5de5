//! What a person reads of lists and results. Pure; text of the server is made harmless when it is
//! printed.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::{
    agent::{Document, Listing, ServerSays, Transport},
    protocol::ProtocolVersion,
};

/// Something that can be written to a file.
pub(super) enum Payload {
    Text(String),
    Bytes { kind: String, data: Vec<u8> },
}

impl Payload {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes { data, .. } => data,
        }
    }
}

pub(super) const fn plural(what: Listing) -> &'static str {
    match what {
        Listing::Tools => "tools",
        Listing::Resources => "resources",
        Listing::Templates => "resource templates",
        Listing::Prompts => "prompts",
    }
}

/// An entry of a list: its name, and below it what it is.
pub(super) fn entry(what: Listing, document: &Document) -> String {
    let item = document.value();
    let name = text(item, key_of(what));
    let title = item
        .get("title")
        .or_else(|| item.pointer("/annotations/title"));
    let mut head = match what {
        Listing::Tools => format!("{name}{}", signature(document)),
        Listing::Prompts => format!("{name}{}", prompt_signature(item)),
        Listing::Resources | Listing::Templates => name.to_owned(),
    };
    let mut remarks = Vec::new();
    match what {
        Listing::Resources | Listing::Templates => {
            remarks.extend(
                title
                    .and_then(Value::as_str)
                    .or_else(|| item["name"].as_str()),
            );
            remarks.extend(item["mimeType"].as_str());
        }
        Listing::Tools | Listing::Prompts => remarks.extend(title.and_then(Value::as_str)),
    }
    if !remarks.is_empty() {
        head = format!("{head}  — {}", remarks.join(", "));
    }
    let description = text(item, "description");
    if description.is_empty() {
        return head;
    }
    format!("{head}\n{}", indented(description))
}

fn key_of(what: Listing) -> &'static str {
    match what {
        Listing::Tools | Listing::Prompts => "name",
        Listing::Resources => "uri",
        Listing::Templates => "uriTemplate",
    }
}

/// Names alone, on one line.
pub(super) fn names(what: Listing, items: &[Document]) -> String {
    const NAMED_MAX: usize = 30;
    let named = items.iter().take(NAMED_MAX);
    let named: Vec<_> = named.map(|item| text(item.value(), key_of(what))).collect();
    let more = if items.len() > NAMED_MAX { ", …" } else { "" };
    format!(
        "{} ({}): {}{more}",
        plural(what),
        items.len(),
        named.join(", ")
    )
}

/// `(a: integer, b?: string)`, the needed ones first.
fn signature(tool: &Document) -> String {
    let mut parameters = parameters(tool);
    parameters.sort_by_key(|(_, _, needed)| !needed);
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(name, schema, needed)| {
            format!("{name}{}: {}", if *needed { "" } else { "?" }, kind(schema))
        })
        .collect();
    format!("({})", parameters.join(", "))
}

/// Name, schema, and whether it is needed, in the server's order.
fn parameters(tool: &Document) -> Vec<(String, Value, bool)> {
    let Some(schema) = tool.member("inputSchema") else {
        return Vec::new();
    };
    let needed = schema.value().get("required").and_then(Value::as_array);
    let needed = |name: &str| needed.is_some_and(|names| names.contains(&Value::from(name)));
    let properties = schema.member("properties");
    let properties = properties.map_or_else(Vec::new, |properties| properties.members());
    properties
        .into_iter()
        .map(|(name, schema)| {
            let needed = needed(&name);
            (name, schema.into_value(), needed)
        })
        .collect()
}

fn kind(schema: &Value) -> String {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<_> = values
            .iter()
            .map(|value| value.as_str().unwrap_or("…"))
            .collect();
        return values.join("|");
    }
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "array" => {
            schema.get("items").map_or("array".to_owned(), |items| {
                format!("{}[]", kind_of_item(items))
            })
        }
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => {
            let kinds: Vec<_> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join("|")
        }
        _ => "any".to_owned(),
    }
}

fn kind_of_item(items: &Value) -> &str {
    items.get("type").and_then(Value::as_str).unwrap_or("any")
}

fn prompt_signature(prompt: &Value) -> String {
    let arguments = prompt.get("arguments").and_then(Value::as_array);
    let arguments: Vec<_> = arguments
        .into_iter()
        .flatten()
        .map(|argument| {
            let needed = argument["required"].as_bool() == Some(true);
            format!(
                "{}{}",
                text(argument, "name"),
                if needed { "" } else { "?" }
            )
        })
        .collect();
    format!("({})", arguments.join(", "))
}

/// A tool with all that is known of it.
pub(super) fn tool(definition: &Document) -> String {
    let value = definition.value();
    let mut lines = vec![entry(Listing::Tools, definition)];
    let parameters = parameters(definition);
    if !parameters.is_empty() {
        lines.push("\nArguments:".to_owned());
    }
    for (name, schema, needed) in parameters {
        let needed = if needed { ", needed" } else { "" };
        let default = schema
            .get("default")
            .map_or(String::new(), |value| format!(", default {value}"));
        lines.push(format!("  {name}: {}{needed}{default}", kind(&schema)));
        let description = text(&schema, "description");
        if !description.is_empty() {
            lines.push(indented(&indented(description)));
        }
    }
    let hints = value.get("annotations").and_then(Value::as_object);
    let hints: Vec<_> = hints
        .into_iter()
        .flatten()
        .filter(|(_, value)| value.as_bool() == Some(true))
        .map(|(name, _)| name.trim_end_matches("Hint"))
        .collect();
    if !hints.is_empty() {
        lines.push(format!("\nSays of itself: {}", hints.join(", ")));
    }
    for (member, title) in [
        ("inputSchema", "Input schema"),
        ("outputSchema", "Output schema"),
    ] {
        if value.get(member).is_some() {
            lines.push(format!(
                "\n{title}:\n{}",
                indented(&self::member(definition, member))
            ));
        }
    }
    lines.join("\n")
}

/// A member of a document, indented, in the server's order.
pub(super) fn member(document: &Document, name: &str) -> String {
    document
        .member(name)
        .map_or_else(String::new, |member| member.pretty())
}

/// What a server says of itself.
pub(super) fn info(protocol: ProtocolVersion, transport: Transport, server: &ServerSays) -> String {
    let mut lines = Vec::new();
    let info = &server.info;
    lines.push(
        server
            .name()
            .unwrap_or_else(|| "a server that gives no name".to_owned()),
    );
    for key in ["title", "description", "websiteUrl"] {
        let text = text(info, key);
        if !text.is_empty() {
            lines.push(indented(text));
        }
    }
    lines.push(format!("\nprotocol      {protocol} over {transport}"));
    let capabilities = server.capabilities.as_object();
    let capabilities: Vec<_> = capabilities
        .into_iter()
        .flatten()
        .map(|(name, value)| capability(name, value))
        .collect();
    lines.push(format!("capabilities  {}", capabilities.join(", ")));
    if let Some(instructions) = &server.instructions {
        lines.push(format!("\n{}", indented(instructions)));
    }
    lines.join("\n")
}

/// `resources (subscribe, listChanged)`.
fn capability(name: &str, value: &Value) -> String {
    let parts = value.as_object().into_iter().flatten();
    let parts: Vec<_> = parts
        .filter(|(_, part)| part.as_bool() != Some(false))
        .map(|(part, _)| part.as_str())
        .collect();
    if parts.is_empty() {
        name.to_owned()
    } else {
        format!("{name} ({})", parts.join(", "))
    }
}

/// The content of a tool's result.
pub(super) fn content(result: &Value) -> String {
    let items = result.get("content").and_then(Value::as_array);
    let items: Vec<_> = items.into_iter().flatten().map(block).collect();
    items.join("\n")
}

/// One block of content.
fn block(block: &Value) -> String {
    match text(block, "type") {
        "text" => text(block, "text").to_owned(),
        kind @ ("image" | "audio") => {
            let size = decoded_size(text(block, "data"));
            format!("[{kind}, {}, {size} bytes]", text(block, "mimeType"))
        }
        "resource_link" => format!("[link to {}: {}]", text(block, "uri"), text(block, "name")),
        "resource" => {
            let resource = &block["resource"];
            match resource.get("text").and_then(Value::as_str) {
                Some(content) => format!("[{}]\n{content}", text(resource, "uri")),
                None => format!(
                    "[{}, {}]",
                    text(resource, "uri"),
                    text(resource, "mimeType")
                ),
            }
        }
        _ => Document::from(block.clone()).pretty(),
    }
}

/// Bytes behind a text in base64.
fn decoded_size(data: &str) -> usize {
    let significant = data.trim_end_matches('=').len();
    significant / 4 * 3 + significant % 4 * 3 / 4
}

/// The images, sounds and files of a tool's result.
pub(super) fn payloads(result: &Value) -> Vec<Payload> {
    let items = result.get("content").and_then(Value::as_array);
    let items = items.into_iter().flatten();
    items
        .filter_map(|block| match text(block, "type") {
            "image" | "audio" => bytes(block, "data"),
            "resource" => payload(&block["resource"]),
            _ => None,
        })
        .collect()
}

/// What a resource holds.
pub(super) fn contents(result: &Value) -> Vec<Payload> {
    let items = result.get("contents").and_then(Value::as_array);
    items.into_iter().flatten().filter_map(payload).collect()
}

fn payload(contents: &Value) -> Option<Payload> {
    match contents.get("text").and_then(Value::as_str) {
        Some(text) => Some(Payload::Text(text.to_owned())),
        None => bytes(contents, "blob"),
    }
}

fn bytes(value: &Value, key: &str) -> Option<Payload> {
    let data = BASE64_STANDARD.decode(value.get(key)?.as_str()?).ok()?;
    Some(Payload::Bytes {
        kind: text(value, "mimeType").to_owned(),
        data,
    })
}

/// The messages of a prompt.
pub(super) fn messages(result: &Value) -> String {
    let messages = result.get("messages").and_then(Value::as_array);
    let messages: Vec<_> = messages
        .into_iter()
        .flatten()
        .map(|message| {
            let content = block(&message["content"]);
            format!("{}:\n{}", text(message, "role"), indented(&content))
        })
        .collect();
    messages.join("\n")
}

/// The suggestions, one a line.
pub(super) fn completion(result: &Value) -> String {
    let values = result
        .pointer("/completion/values")
        .and_then(Value::as_array);
    let values: Vec<_> = values
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    values.join("\n")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("    {line}")).collect();
    lines.join("\n")
}
