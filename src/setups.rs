//! What to paste into which MCP client to reach this server.
//!
//! The home page and `usher dev` show the same list; the portal shows it for one agent.

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

/// A way in for an agent that is registered.
#[derive(Debug, Clone)]
pub struct AgentSetup {
    /// What to paste where.
    pub setup: Setup,
    /// Where this client has its users sent back to; nothing where its maker decides.
    pub redirect_uri: Option<&'static str>,
}

/// The usual clients' ways in with this client id, and with a secret where it is `confidential`: the
/// secret itself is none of ours to show, so it stands in the environment.
#[must_use]
pub fn agent_setups(url: &PublicUrl, client_id: &str, confidential: bool) -> Vec<AgentSetup> {
    let mcp = url.join("/mcp");
    let if_secret = |text: &str| {
        if confidential {
            text.to_owned()
        } else {
            String::new()
        }
    };
    let mut setups = vec![
        AgentSetup {
            setup: Setup {
                client: "Your own program",
                place: "in its environment",
                snippet: format!(
                    "MCP_SERVER_URL={mcp}\nMCP_CLIENT_ID={client_id}{}",
                    if_secret("\nMCP_CLIENT_SECRET=…")
                ),
            },
            redirect_uri: None,
        },
        AgentSetup {
            setup: Setup {
                client: "Claude Code",
                place: "in a terminal",
                snippet: format!(
                    "claude mcp add --transport http \\\n  --client-id {client_id}{} \\\n  --callback-port 8080 usher {mcp}",
                    if_secret(" --client-secret")
                ),
            },
            redirect_uri: Some("http://localhost:8080/callback"),
        },
        AgentSetup {
            setup: Setup {
                client: "mcp-remote",
                place: "for clients that know stdio alone",
                snippet: format!(
                    "npx mcp-remote {mcp} 3334 \\\n  --static-oauth-client-info '{{\"client_id\":\"{client_id}\"{}}}'",
                    if_secret(",\"client_secret\":\"…\"")
                ),
            },
            redirect_uri: Some("http://localhost:3334/oauth/callback"),
        },
    ];
    // Its redirect URI is an app's, or on a port of its own each time, which a server's can't be.
    if !confidential {
        setups.push(AgentSetup {
            setup: Setup {
                client: "Cursor",
                place: "in .cursor/mcp.json",
                snippet: format!(
                    r#"{{ "mcpServers": {{ "usher": {{ "url": "{mcp}", "auth": {{ "CLIENT_ID": "{client_id}" }} }} }} }}"#
                ),
            },
            redirect_uri: Some("cursor://anysphere.cursor-mcp/oauth/callback"),
        });
        setups.push(AgentSetup {
            setup: Setup {
                client: "Usher's own agent",
                place: "in a terminal",
                snippet: format!("usher agent {mcp} --client-id {client_id}"),
            },
            redirect_uri: Some("http://127.0.0.1/callback"),
        });
    }
    setups
}
