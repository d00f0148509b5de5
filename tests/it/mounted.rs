//! Usher in somebody else's `App`: two of them, each below a scope, beside routes of the host's own.

use std::{net::SocketAddr, net::TcpListener, sync::mpsc, thread, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::DefaultHeaders,
    rt::System,
    web::{self, Data},
};
use mcp_usher::{
    config::Config,
    handler::Tool,
    server::{Mounted, Server, ServerError},
};
use serde_json::json;

use crate::kit::{
    Ask, Mcp, Scene, Sse, eventually,
    mcp::{call, initialize},
    process::{Usher, example},
    reply::Reply,
    scene::{number, settings},
    tools::{self, Gate},
    wire::Wire,
};

const OURS: &str = "/.well-known/oauth-protected-resource";

/// A server of somebody else's, on a thread of its own. Dropping it ends it.
struct Host {
    /// Below `/ai`.
    usher: Option<Mounted>,
    /// Below `/two`.
    other: Option<Mounted>,
    address: SocketAddr,
    handle: ServerHandle,
    system: System,
    thread: Option<thread::JoinHandle<()>>,
}

impl Host {
    /// The host, and a scene whose clients go to it below `/ai`.
    async fn new() -> (Self, Scene) {
        Self::with(tools::all()).await
    }

    async fn with(tools: Vec<Tool>) -> (Self, Scene) {
        let mut scene = Scene::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (issuer, clock) = (scene.issuer.issuer().to_owned(), scene.clock.clone());
        let rooms = move |path: &str, tools: Vec<Tool>| {
            let server = Server::new(config(&issuer, address, path)).clock(clock.clone());
            tools.into_iter().fold(server, Server::tool).mount()
        };
        let (send, started) = mpsc::channel();
        let thread = thread::spawn(move || {
            let runner = System::new();
            runner.block_on(async move {
                let usher = rooms("/ai", tools).unwrap();
                let other = rooms("/two", Vec::new()).unwrap();
                let server = serve(listener, usher.clone(), other.clone());
                let running = (usher, other, server.handle(), System::current());
                send.send(running).unwrap();
                actix_web::rt::spawn(server);
            });
            runner.run().unwrap();
        });
        let (usher, other, handle, system) = started.recv().unwrap();
        scene.move_below(address, "/ai");
        for verifier in [usher.verifier(), other.verifier()] {
            eventually("the host is ready", || verifier.is_ready()).await;
        }
        let host = Self {
            usher: Some(usher),
            other: Some(other),
            address,
            handle,
            system,
            thread: Some(thread),
        };
        (host, scene)
    }

    fn usher(&self) -> &Mounted {
        self.usher.as_ref().expect("a handle")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.system.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn config(issuer: &str, address: SocketAddr, path: &str) -> Config {
    let mut config = settings();
    config.issuer.url = Some(issuer.parse().unwrap());
    config.server.public_url = Some(format!("http://{address}{path}").parse().unwrap());
    config
}

/// What the host keeps for its own routes, under a type that others use too.
type State = Data<String>;

fn serve(listener: TcpListener, usher: Mounted, other: Mounted) -> actix_web::dev::Server {
    HttpServer::new(move || {
        App::new()
            .app_data(Data::new("the host's own".to_owned()))
            .wrap(DefaultHeaders::new().add(("X-Frame-Options", "SAMEORIGIN")))
            .configure(|root| usher.well_known(root))
            .configure(|root| other.well_known(root))
            .service(web::scope("/ai").configure(|ai| {
                usher.endpoints(ai);
                usher.home(ai);
            }))
            .service(web::scope("/two").configure(|two| other.endpoints(two)))
            .service(web::scope("/internal").configure(|internal| usher.probes(internal)))
            .route("/", web::get().to(async |state: State| state.to_string()))
            .default_service(web::to(async || "nothing of ours"))
    })
    .workers(2)
    .tcp_nodelay(true)
    .h1_allow_half_closed(false)
    .shutdown_timeout(5)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run()
}

#[tokio::test]
async fn every_way_in_works_below_a_path() {
    let (host, scene) = Host::new().await;
    let token = scene.token("alice");

    let mut sse = Sse::ready(&scene, &token).await;
    assert!(sse.endpoint.starts_with("/ai/messages?sessionId="));
    let answer = sse.call(1, "whoami").await;
    assert_eq!(answer["result"]["structuredContent"]["sub"], "alice");

    let mut mcp = Mcp::ready(&scene, &token).await;
    let answer = mcp.call(1, "whoami").await;
    assert_eq!(answer["result"]["structuredContent"]["sub"], "alice");
    assert_eq!(host.usher().sessions(), 2);
    scene.ask(&mcp.end(&scene)).await.is(204);

    let params = json!({ "name": "whoami" });
    let modern = Ask::modern(&scene, &token, 1, "tools/call", params);
    let answer = scene.ask(&modern).await.is(200).json();
    assert_eq!(answer["result"]["structuredContent"]["sub"], "alice");
}

// M01, M02: the document stands at the origin's root, with the endpoint's path behind it.
#[tokio::test]
async fn a_challenge_leads_to_the_document_of_its_endpoint() {
    let (_host, scene) = Host::new().await;

    for path in ["/mcp", "/sse"] {
        let refused = scene.ask(&Ask::get(&scene, &scene.target(path))).await;
        let target = format!("{OURS}/ai{path}");
        let url = format!("http://{}{target}", scene.authority());
        let named = format!("resource_metadata=\"{url}\"");
        assert!(refused.is(401).challenge().contains(&named), "{named}");
        let document = scene.ask(&Ask::get(&scene, &target)).await.is(200).json();
        assert_eq!(document["resource"], scene.url(path));
        assert_eq!(
            document["authorization_servers"],
            json!([scene.issuer.issuer()])
        );
    }
    let ours = scene.ask(&Ask::get(&scene, &format!("{OURS}/ai"))).await;
    assert_eq!(ours.json()["resource"], scene.url(""));
}

// What the origin as a whole is, and who signs in there, is for the host to say.
#[tokio::test]
async fn the_hosts_own_routes_are_left_alone() {
    let (_host, scene) = Host::new().await;

    for (target, body) in [
        ("/", "the host's own"),
        ("/mcp", "nothing of ours"),
        ("/ai/elsewhere", "nothing of ours"),
        (OURS, "nothing of ours"),
        (&format!("{OURS}/mcp"), "nothing of ours"),
        ("/.well-known/oauth-authorization-server", "nothing of ours"),
        ("/livez", "nothing of ours"),
    ] {
        // Neither our gate nor our answers.
        let ask = Ask::get(&scene, target).header("Origin", "https://elsewhere.example");
        assert_eq!(scene.ask(&ask).await.is(200).text(), body, "{target}");
    }
    let home = scene.ask(&Ask::get(&scene, "/ai")).await.is(200).text();
    assert!(home.contains("href=\"/ai/assets/usher.css\""), "{home}");
    scene
        .ask(&Ask::get(&scene, "/ai/assets/usher.css"))
        .await
        .is(200);
}

// T02, T04
#[tokio::test]
async fn our_gate_stands_in_front_of_our_routes_and_the_hosts_middleware_around() {
    let (host, scene) = Host::new().await;
    let token = scene.token("alice");

    let hello = Ask::post(&scene, "/ai/mcp", &token, &initialize(0, "2025-11-25"));
    for (name, value) in [("Host", "evil.example"), ("Origin", "https://evil.example")] {
        let refused = scene.ask(&hello.clone().with(name, value)).await.is(403);
        assert_eq!(refused.header("x-frame-options"), Some("SAMEORIGIN"));
    }
    assert_eq!(host.usher().sessions(), 0);
    // The origin of the URL is one of ours; the URL itself is none.
    let own = format!("http://{}", host.address);
    scene.ask(&hello.with("Origin", &own)).await.is(200);
}

// O11: held until the answer is out, as behind our own listener.
#[tokio::test]
async fn a_body_that_nobody_reads_ends_its_connection() {
    let (_host, scene) = Host::new().await;
    let ask = Ask::new(&scene, "POST", "/ai/mcp").header("Transfer-Encoding", "chunked");

    let refused = scene.raw(ask.bytes()).await.is(401);

    assert_eq!(refused.header("connection"), Some("close"));
}

#[tokio::test]
async fn two_in_one_app_share_nothing() {
    let (host, scene) = Host::new().await;
    let (here, there) = (scene.token("alice"), {
        let audience = format!("http://{}/two/mcp", scene.authority());
        scene.token_with("alice", &json!({ "aud": audience }))
    });
    let hello = initialize(0, "2025-11-25");
    let post = |target: &str, token: &str| Ask::post(&scene, target, token, &hello);

    // A token is for one of them.
    scene.ask(&post("/two/mcp", &here)).await.is(401);
    scene.ask(&post("/ai/mcp", &there)).await.is(401);
    scene.ask(&post("/two/mcp", &there)).await.is(200);
    let mut mcp = Mcp::ready(&scene, &here).await;
    let (usher, other) = (host.usher(), host.other.as_ref().unwrap());
    assert_eq!((usher.sessions(), other.sessions()), (1, 1));

    // And one stops without the other.
    other.stop().await;
    scene.ask(&post("/two/mcp", &there)).await.is(503);
    assert_eq!(mcp.call(1, "whoami").await["id"], 1);
    assert_eq!((usher.sessions(), other.sessions()), (1, 0));
}

#[tokio::test]
async fn probes_are_where_the_host_puts_them() {
    let (host, scene) = Host::new().await;
    let probe = Ask::get(&scene, "/internal/readyz");
    scene.ask(&probe).await.is(200);

    host.usher().stop().await;

    let metrics = scene.ask(&Ask::get(&scene, "/internal/metrics")).await;
    assert_eq!(number(&metrics.is(200).text(), "usher_panics_total"), 0);
    assert!(!host.usher().health().waiting_for().is_empty());
}

// F12: the order in the host's hands: ours first, then its listener, and nobody is cut off.
#[tokio::test]
async fn a_host_that_stops_in_order_cuts_nobody_off() {
    let gate = Gate::default();
    let (host, scene) = Host::with(vec![gate.tool()]).await;
    let token = scene.token("alice");
    let mut idle = Sse::ready(&scene, &token).await;
    let mut busy = Sse::ready(&scene, &token).await;
    busy.tell(&call(1, "wait")).await;
    eventually("the call runs", || gate.begun() == 1).await;
    let (usher, handle) = (host.usher().clone(), host.handle.clone());

    let stopping = tokio::spawn(async move {
        usher.stop().await;
        handle.stop(true).await;
    });

    assert_eq!(
        idle.events.farewell().await,
        "closed: the server is stopping"
    );
    scene
        .ask(&Ask::stream(&scene, "/ai/sse", &token))
        .await
        .is(503);
    gate.release(1);
    assert_eq!(busy.events.message().await["id"], 1);
    assert_eq!(
        busy.events.farewell().await,
        "closed: the server is stopping"
    );
    tokio::time::timeout(Duration::from_secs(4), stopping)
        .await
        .expect("no stream holds it back")
        .unwrap();
}

// Nobody can reach them any more: sessions are over, and the calls in them.
#[tokio::test]
async fn a_host_that_says_nothing_leaves_nothing_behind() {
    let gate = Gate::default();
    let (mut host, scene) = Host::with(vec![gate.tool()]).await;
    // One that its connection does not end, by default for half an hour.
    let mut mcp = Mcp::ready(&scene, &scene.token("alice")).await;
    let ask = mcp.message(&call(1, "wait"));
    mcp.posts.send_ask(&ask).await;
    eventually("the call runs", || gate.begun() == 1).await;
    let metrics = host.usher().metrics().clone();
    let live = || {
        let name = "usher_sessions_live{transport=\"streamable_http\"}";
        number(&metrics.encode(), name)
    };

    host.handle.stop(false).await;
    assert_eq!((live(), gate.gone()), (1, 0));
    (host.usher, host.other) = (None, None);

    eventually("the session is over", || live() == 0).await;
    assert_eq!((gate.gone(), gate.ended()), (1, 0));
}

// Its own words: what it prints is where clients go.
#[tokio::test]
async fn the_example_serves_signs_in_and_stops() {
    let mut host = Usher::start(example("mounted", &["127.0.0.1:0"]));
    let url = url::Url::parse(host.ready.as_str().unwrap()).unwrap();
    let address = url.socket_addrs(|| None).unwrap()[0];
    let get = async |target: &str| -> Reply {
        let ask = Ask {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: vec![("Host".to_owned(), address.to_string())],
            body: Vec::new(),
        };
        Wire::open(address).await.ask(&ask).await
    };

    assert_eq!(get("/").await.is(200).text(), "The rest of your app");
    get(url.path()).await.is(401);
    let document = get(&format!("{OURS}{}", url.path())).await.is(200).json();
    let issuer = document["authorization_servers"][0].as_str().unwrap();
    assert!(issuer.starts_with("http://127.0.0.1:"), "{issuer}");

    host.signal("TERM");
    let (code, logs) = host.end(Duration::from_secs(10));
    assert_eq!(code, Some(0), "{logs}");
}

#[tokio::test]
async fn without_a_public_url_or_an_actix_system_there_is_nothing_to_mount() {
    let mut config = settings();
    config.issuer.url = Some("http://127.0.0.1:9/oidc".parse().unwrap());
    let nowhere = Server::new(config.clone()).mount();
    assert!(matches!(nowhere, Err(ServerError::NoPublicUrl)));

    config.server.public_url = Some("http://127.0.0.1:8080/ai".parse().unwrap());
    let no_system = Server::new(config).mount();
    assert!(matches!(no_system, Err(ServerError::NoSystem)));
}
