//! Clients that nobody registered: a document at their `client_id` describes them.

use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use actix_web::{App, HttpResponse, HttpServer, rt, web};
use serde_json::{Value, json};
use url::Url;

use crate::kit::{Agent, Browser, Provider, REDIRECT_URI, jwt, parameter};

/// A site that publishes one document, and counts who reads it.
struct Site(Arc<Inner>);

struct Inner {
    id: String,
    document: Mutex<(u16, String, Value)>,
    reads: AtomicUsize,
}

impl Site {
    /// A good document.
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let id = format!("http://{}/agent.json", listener.local_addr().unwrap());
        let document = json!({
            "client_id": id, "client_name": "SmartMail AI", "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        let site = Arc::new(Inner {
            id,
            document: Mutex::new((200, "max-age=600".to_owned(), document)),
            reads: AtomicUsize::new(0),
        });
        let shared = Arc::clone(&site);
        let server = HttpServer::new(move || {
            let site = Arc::clone(&shared);
            App::new().default_service(web::to(move || {
                let site = Arc::clone(&site);
                async move {
                    site.reads.fetch_add(1, SeqCst);
                    let (status, caching, document) = site.document.lock().unwrap().clone();
                    HttpResponse::build(status.try_into().unwrap())
                        .insert_header(("Cache-Control", caching))
                        .insert_header(("Location", "/elsewhere.json"))
                        .json(document)
                }
            }))
        });
        let server = server.workers(1).disable_signals();
        rt::spawn(server.listen(listener).unwrap().run());
        Self(site)
    }

    fn id(&self) -> &str {
        &self.0.id
    }

    fn reads(&self) -> usize {
        self.0.reads.load(SeqCst)
    }

    fn change(&self, change: impl FnOnce(&mut u16, &mut String, &mut Value)) {
        let (status, caching, document) = &mut *self.0.document.lock().unwrap();
        change(status, caching, document);
    }

    fn agent<'a>(&self, provider: &'a Provider) -> Agent<'a> {
        Agent {
            provider,
            client_id: self.id().to_owned(),
        }
    }
}

#[actix_web::test]
async fn a_client_is_known_by_its_document_alone() {
    let (provider, site) = (Provider::start(), Site::new());
    let agent = site.agent(&provider);

    let at = provider.at("/.well-known/openid-configuration");
    let metadata = provider.get(&at).await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    let tokens = agent.tokens("openid profile offline_access", &[]).await;

    let (_, claims) = jwt(tokens["access_token"].as_str().unwrap());
    assert_eq!(claims["client_id"], site.id());
    let refreshed = agent.refresh(tokens["refresh_token"].as_str().unwrap(), &[]);
    assert_eq!(refreshed.await.status, 200);
}

/// R11: what it calls itself is its site's word, so the site is named.
#[actix_web::test]
async fn its_site_is_named_on_every_page() {
    let (provider, site) = (Provider::start(), Site::new());
    let url = site.agent(&provider).authorization("openid", &[]);
    let host = Url::parse(site.id()).unwrap().authority().to_owned();
    let browser = Browser::new();

    let (_, sign_in) = browser.follow(&url).await;
    let (_, consent) = browser.sign_in(&url).await;

    for page in [sign_in, consent] {
        assert!(page.body.contains(&host), "{}", page.body);
        assert!(page.body.contains("SmartMail AI"));
    }
}

#[actix_web::test]
async fn a_copy_is_used_as_long_as_it_is_fresh() {
    let (provider, site) = (Provider::start(), Site::new());
    let agent = site.agent(&provider);
    agent.tokens("openid", &[]).await;
    provider.advance(599);
    agent.tokens("openid", &[]).await;
    assert_eq!(site.reads(), 1);

    provider.advance(1);
    site.change(|_, caching, _| *caching = "no-store".to_owned());
    agent.tokens("openid", &[]).await;
    assert_eq!(site.reads(), 2);

    // Even then for a minute: the sign-in that it was read for is to end well.
    provider.advance(59);
    agent.tokens("openid", &[]).await;
    assert_eq!(site.reads(), 2);
}

/// R01
#[actix_web::test]
async fn a_redirect_uri_is_one_of_the_documents() {
    let (provider, site) = (Provider::start(), Site::new());
    let agent = site.agent(&provider);
    let browser = Browser::new();

    // On this machine with any port (RFC 8252 §7.3), and nothing else about it.
    let other_port = [("redirect_uri", "http://127.0.0.1:6666/cb")];
    let callback = browser
        .allow(&agent.authorization("openid", &other_port))
        .await;
    assert!(
        callback.starts_with("http://127.0.0.1:6666/cb?code="),
        "{callback}"
    );
    for uri in [
        "http://127.0.0.1:5555/other",
        "http://localhost:5555/cb",
        "https://evil.example/cb",
    ] {
        let url = agent.authorization("openid", &[("redirect_uri", uri)]);
        let (_, page) = browser.follow(&url).await;
        assert_eq!((page.status, page.header("location")), (400, ""), "{uri}");
    }
}

#[actix_web::test]
async fn a_document_that_can_not_be_used_is_a_page_that_says_why() {
    for (change, why) in [
        (
            json!({ "client_id": "https://other.example/c" }),
            "not its own URL",
        ),
        (json!({ "client_name": null }), "no client_name"),
        (
            json!({ "redirect_uris": ["http://a.example/cb"] }),
            "http is for 127.0.0.1",
        ),
        (
            json!({ "token_endpoint_auth_method": "client_secret_post" }),
            "without a secret",
        ),
    ] {
        let (provider, site) = (Provider::start(), Site::new());
        site.change(|_, _, document| {
            let members = change.as_object().unwrap().clone();
            document.as_object_mut().unwrap().extend(members);
        });
        let (_, page) = Browser::new()
            .follow(&site.agent(&provider).authorization("openid", &[]))
            .await;
        assert_eq!((page.status, page.header("location")), (400, ""), "{why}");
        assert!(page.body.contains(why), "{why}: {}", page.body);
    }
}

#[actix_web::test]
async fn a_redirect_is_not_followed_and_a_failure_not_remembered() {
    let (provider, site) = (Provider::start(), Site::new());
    let agent = site.agent(&provider);
    for status in [302, 404, 500] {
        site.change(|answered, _, _| *answered = status);
        let (_, page) = Browser::new()
            .follow(&agent.authorization("openid", &[]))
            .await;
        assert_eq!(page.status, 400, "{status}");
    }
    assert_eq!(site.reads(), 3);

    site.change(|answered, _, _| *answered = 200);
    agent.tokens("openid", &[]).await;
}

#[actix_web::test]
async fn a_document_is_small_or_none() {
    let (provider, site) = (Provider::start(), Site::new());
    site.change(|_, _, document| document["software_id"] = json!("x".repeat(6_000)));

    let (_, page) = Browser::new()
        .follow(&site.agent(&provider).authorization("openid", &[]))
        .await;

    assert_eq!(page.status, 400);
    assert!(page.body.contains("larger than 5KiB"), "{}", page.body);
}

/// Nobody makes the provider knock at a door that only it can reach.
#[actix_web::test]
async fn only_public_addresses_are_asked() {
    let provider = Provider::start_with(|config| config.client_documents.loopback = false);
    let site = Site::new();
    let port = Url::parse(site.id()).unwrap().port().unwrap();
    let ids = [
        site.id().to_owned(),
        format!("https://127.0.0.1:{port}/c"),
        format!("https://localhost:{port}/c"),
        format!("https://[::1]:{port}/c"),
        format!("https://[::ffff:127.0.0.1]:{port}/c"),
        "https://169.254.169.254/latest".to_owned(),
        "https://10.0.0.1/c".to_owned(),
        "https://0.0.0.0/c".to_owned(),
    ];

    for id in ids {
        let client_id = id.clone();
        let agent = Agent {
            provider: &provider,
            client_id,
        };
        let (_, page) = Browser::new()
            .follow(&agent.authorization("openid", &[]))
            .await;
        assert_eq!(page.status, 400, "{id}");
        assert!(
            ["no public address", "begins with https", "normal form"]
                .iter()
                .any(|why| page.body.contains(why)),
            "{id}: {}",
            page.body
        );
    }
    assert_eq!(site.reads(), 0);
}

#[actix_web::test]
async fn a_stranger_can_not_make_it_read_without_end() {
    let provider = Provider::start_with(|config| config.limits.client_documents_per_minute = 2);
    let site = Site::new();
    site.change(|status, _, _| *status = 404);
    let url = site.agent(&provider).authorization("openid", &[]);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(Browser::new().follow(&url).await.1.status);
    }
    assert_eq!(
        (statuses.as_slice(), site.reads()),
        (&[400, 400, 503][..], 2)
    );

    provider.advance(60);
    assert_eq!(Browser::new().follow(&url).await.1.status, 400);
}

/// RFC 8252 §8.6: everybody knows the id, and any program may wait at a port of this machine.
#[actix_web::test]
async fn on_this_machine_the_user_is_asked_every_time() {
    let (provider, site) = (Provider::start(), Site::new());
    let web = "https://agents.example/cb";
    site.change(|_, _, document| document["redirect_uris"] = json!([REDIRECT_URI, web]));
    let agent = site.agent(&provider);
    let browser = Browser::new();
    browser.allow(&agent.authorization("openid", &[])).await;

    let (again, _) = browser.follow(&agent.authorization("openid", &[])).await;
    assert!(again.contains("/oidc/consent"), "{again}");
    let silently = agent.authorization("openid", &[("prompt", "none")]);
    let (refused, _) = browser.follow(&silently).await;
    assert_eq!(
        parameter(&refused, "error").as_deref(),
        Some("consent_required")
    );

    // Where only its site can wait, once is enough.
    let (granted, _) = browser
        .follow(&agent.authorization("openid", &[("redirect_uri", web)]))
        .await;
    assert!(granted.starts_with(web), "{granted}");
}

/// A client that is gone, or can't be asked about, gets no tokens for what it once was.
#[actix_web::test]
async fn a_refresh_token_needs_a_document_that_is_still_there() {
    let (provider, site) = (Provider::start(), Site::new());
    let agent = site.agent(&provider);
    let tokens = agent.tokens("openid offline_access", &[]).await;
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    provider.advance(600);

    site.change(|status, _, _| *status = 404);
    let gone = agent.refresh(refresh_token, &[]).await;
    assert_eq!(
        (gone.status, gone.error().as_str()),
        (401, "invalid_client")
    );
    site.change(|status, _, _| *status = 200);
    assert_eq!(agent.refresh(refresh_token, &[]).await.status, 200);
}
