//! Usher below `/ai` in an `App` of your own: `cargo run --example mounted`, then
//! `usher agent http://127.0.0.1:8080/ai/mcp`.

use std::{env, error::Error, io::Write, net::TcpListener};

use actix_web::{App, HttpServer, web};
use mcp_usher::{Server, server::DevServer, shutdown::Signals};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:8080"))?;
    let mut config = DevServer::settings();
    config.server.public_url = Some(format!("http://{}/ai", listener.local_addr()?).parse()?);
    // In production: `Server::new(config).mount()?`, with your provider in `config.issuer`.
    let usher = Server::new(config)
        .with_provider("127.0.0.1:0".parse()?)
        .mount()?;
    writeln!(std::io::stdout(), "{}", usher.url().join("/mcp"))?;

    let (mut signals, stopping) = (Signals::listen()?, usher.clone());
    HttpServer::new(move || {
        App::new()
            .configure(|root| usher.well_known(root))
            .service(web::scope("/ai").configure(|ai| usher.endpoints(ai)))
            .route("/", web::get().to(async || "The rest of your app"))
    })
    .tcp_nodelay(true) // or an event waits for the acknowledgement of the one before
    .h1_allow_half_closed(false) // or nobody notices that a client has left its stream
    .shutdown_signal(async move {
        signals.next().await;
        stopping.stop().await; // ends the streams, which would hold the server back
    })
    .listen(listener)?
    .run()
    .await?;
    Ok(())
}
