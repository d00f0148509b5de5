//! The same server as `examples/conformance`, written for rmcp, the official SDK, as its users write
//! one: but for two lines of two tools, only this file knows of Usher. One file per feature.
//!
//! `cargo run --example conformance_rmcp` starts it as the other is started, and prints the same line.

#![expect(
    deprecated,
    reason = "old clients still have logging, roots and sampling"
)]
#![expect(
    clippy::unused_self,
    clippy::needless_pass_by_value,
    reason = "tools are methods, and rmcp's extractors are values"
)]

mod asking;
mod content;
mod prompts;
mod resources;
mod rounds;
#[path = "../conformance/schemas.rs"]
mod schemas;
mod tasks;
mod telling;

use std::{
    error::Error,
    io::{Write, stdout},
    net::{Ipv4Addr, SocketAddr},
};

use mcp_usher::{Server, protocol::TaskSupport, rmcp::Rmcp, server::DevServer, shutdown::Signals};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::router::{prompt::PromptRouter, tool::ToolRouter},
    model::{
        CompleteRequestParams, CompleteResult, ListResourceTemplatesResult, ListResourcesResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SubscribeRequestParams, UnsubscribeRequestParams,
    },
    prompt_handler,
    service::RequestContext,
    tool_handler,
};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What of the tools may run as a task.
const TASKS: [(&str, TaskSupport); 6] = [
    ("slow_compute", TaskSupport::Optional),
    ("failing_job", TaskSupport::Required),
    ("protocol_error_job", TaskSupport::Optional),
    ("confirm_delete", TaskSupport::Optional),
    ("multi_input", TaskSupport::Optional),
    ("test_tool_with_task", TaskSupport::Required),
];

/// Usher's own skills stand beside a handler.
const SKILLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/conformance/skills");

/// The suite leaves its sessions and tasks behind, and all of them are one caller's.
const LEFT_BY_SUITE: usize = 10_000;

/// Everything the suite asks for.
pub(crate) struct Fixture {
    tools: ToolRouter<Self>,
    prompts: PromptRouter<Self>,
}

impl Fixture {
    fn new() -> Self {
        Self {
            tools: Self::content()
                + Self::telling()
                + Self::asking()
                + Self::rounds()
                + Self::tasks(),
            prompts: Self::prompts(),
        }
    }
}

#[tool_handler(router = self.tools)]
#[prompt_handler(router = self.prompts)]
impl ServerHandler for Fixture {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_resources_list_changed()
            .enable_completions()
            .enable_logging();
        ServerConfig::new(offered.build())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::all()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let templates = vec![resources::template()];
        Ok(ListResourceTemplatesResult::with_all_items(templates))
    }

    async fn read_resource(
        &self,
        asked: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(asked.uri)
    }

    async fn subscribe(
        &self,
        asked: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        resources::read(asked.uri).map(|_there| ())
    }

    async fn unsubscribe(
        &self,
        _: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn complete(
        &self,
        asked: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        prompts::suggestions(&asked.argument.value)
    }
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut config = DevServer::settings();
    config.server.listen = ANY_PORT;
    config.server.admin_listen = ANY_PORT;
    config.router.per_principal_max = LEFT_BY_SUITE;
    config.handler.tasks.per_principal_max = LEFT_BY_SUITE;
    config.handler.tasks.max = LEFT_BY_SUITE;
    config.skills.directory = Some(SKILLS.into());

    let mut fixture = Rmcp::new(Fixture::new()).asks_first("test_tool_with_task");
    for (tool, support) in TASKS {
        fixture = fixture.task_support(tool, support);
    }
    let server = Server::new(config).rmcp(fixture);
    let signals = Signals::listen()?;
    let running = server.with_provider(ANY_PORT).start()?;
    writeln!(stdout(), "{}", running.ready())?;
    running.until_signalled(signals).await;
    Ok(())
}
