//! What to paste into which MCP client to reach this server.
//!
//! The home page and `usher dev` show the same list.

use crate::units::PublicUrl;

/// One client's way in.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The client, as people call it.
    pub client: &'static str,
    /// Where the snippet goes.
    pub place: &'static str,
    /// What to paste.
    pub snippet: String,
}

/// The usual clients' ways in.
#[must_use]
pub fn setups(url: &PublicUrl) -> Vec<Setup> {
    let mcp = url.join("/mcp");
    vec![
        Setup {
            client: "Claude Code",
            place: "in a terminal",
            snippet: format!("claude mcp add --transport http usher {mcp}"),
        },
        Setup {
            client: "Cursor",
            place: "in .cursor/mcp.json",
            snippet: format!(r#"{{ "mcpServers": {{ "usher": {{ "url": "{mcp}" }} }} }}"#),
        },
        Setup {
            client: "VS Code",
            place: "in .vscode/mcp.json",
            snippet: format!(
                r#"{{ "servers": {{ "usher": {{ "type": "http", "url": "{mcp}" }} }} }}"#
            ),
        },
        Setup {
            client: "MCP Inspector",
            place: "in a terminal, then sign in from its page",
            snippet: format!(
                "npx @modelcontextprotocol/inspector --transport http --server-url {mcp}"
            ),
        },
        Setup {
            client: "Usher's own agent",
            place: "in a terminal",
            snippet: format!("usher agent {mcp}"),
        },
    ]
}
