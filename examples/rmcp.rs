//! A handler written for rmcp, the official SDK, unchanged: `cargo run --example rmcp`.

use mcp_usher::{Server, ServerError, auth::Principal};
use rmcp::{
    handler::server::{common::Extension, wrapper::Parameters},
    tool, tool_router,
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Greeting {
    greeting: String,
}

struct Greeter {
    mark: char,
}

#[tool_router(server_handler)]
impl Greeter {
    #[tool(description = "Greets whoever calls")]
    fn greet(
        &self,
        Extension(caller): Extension<Principal>,
        Parameters(Greeting { greeting }): Parameters<Greeting>,
    ) -> String {
        format!("{greeting}, {}{}", caller.subject(), self.mark)
    }
}

#[actix_web::main]
async fn main() -> Result<(), ServerError> {
    let greeter = Greeter { mark: '!' };
    Server::dev()
        .configure(|server| server.rmcp(greeter))
        .run()
        .await
}
