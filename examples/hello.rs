//! A server with a tool of its own, to try with `cargo run --example hello`.

use mcp_usher::{Server, ServerError, handler::Tool};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Greeting {
    greeting: String,
}

#[actix_web::main]
async fn main() -> Result<(), ServerError> {
    let greet = Tool::new(
        "greet",
        "Greets whoever calls",
        |call, Greeting { greeting }| async move {
            Ok(format!("{greeting}, {}!", call.principal().subject()))
        },
    );
    Server::dev()
        .configure(|server| server.tool(greet))
        .run()
        .await
}
