//! From the challenge to the authorization server.

use serde_json::{Value, json};
use url::Url;

use crate::agent::tests::kit::{Site, Speaks, empty, json_reply, on, rule, start};
use crate::{
    agent::{
        AgentError,
        oauth::challenge::BearerChallenge,
        oauth::discovery::{Discovered, discover},
    },
    fetch::{self, Fetcher},
    units::HumanDuration,
};

const PATH_FORM: &str = "GET /.well-known/oauth-protected-resource/mcp";
const ROOT_FORM: &str = "GET /.well-known/oauth-protected-resource";
const SERVER: &str = "GET /.well-known/oauth-authorization-server/as";

async fn discover_at(site: &Site, challenge: &BearerChallenge) -> Result<Discovered, AgentError> {
    let patient = fetch::Config {
        deadline: HumanDuration::from_secs(20),
        ..fetch::Config::default()
    };
    let fetcher = Fetcher::new(patient).unwrap();
    discover(&fetcher, &site.url("/mcp"), challenge).await
}

async fn discover_unaided(site: &Site) -> Result<Discovered, AgentError> {
    discover_at(site, &BearerChallenge::default()).await
}

/// The metadata of the authorization server, with one field changed or, for null, taken out.
fn changed(mut document: Value, field: &str, value: Value) -> Value {
    let fields = document.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(field);
    } else {
        fields.insert(field.to_owned(), value);
    }
    document
}

fn with_server_field(field: &'static str, value: Value) -> Site {
    let reply = on(SERVER, move |world, _| {
        json_reply(200, &changed(world.server_document(), field, value.clone()))
    });
    start(Speaks::Streamable, vec![reply])
}

fn with_resource_field(field: &'static str, value: Value) -> Site {
    let reply = on(PATH_FORM, move |world, _| {
        json_reply(
            200,
            &changed(world.resource_document("/mcp"), field, value.clone()),
        )
    });
    start(Speaks::Streamable, vec![reply])
}

#[actix_web::test]
async fn without_a_hint_the_path_form_is_asked_first() {
    let site = start(Speaks::Streamable, vec![]);

    let found = discover_unaided(&site).await.unwrap();

    assert_eq!(found.resource.unwrap(), site.url("/mcp").as_str());
    assert_eq!(found.resource_scopes.unwrap().to_string(), "mcp:tools");
    assert_eq!(found.server.issuer, format!("{}/as", site.world.origin));
    assert!(site.world.all(ROOT_FORM).is_empty());
}

#[actix_web::test]
async fn the_root_form_is_asked_where_the_path_form_has_nothing() {
    let site = start(
        Speaks::Streamable,
        vec![
            on(PATH_FORM, |_, _| empty(404)),
            // One document for every endpoint: a resource above the URL is ours.
            on(ROOT_FORM, |world, _| {
                json_reply(200, &world.resource_document(""))
            }),
        ],
    );

    let found = discover_unaided(&site).await.unwrap();

    assert_eq!(found.resource.unwrap(), site.world.origin);
}

#[actix_web::test]
async fn the_url_in_the_challenge_is_the_only_one_asked() {
    let site = start(
        Speaks::Streamable,
        vec![on("GET /about", |world, _| {
            json_reply(200, &world.resource_document("/mcp"))
        })],
    );
    let challenge = BearerChallenge {
        resource_metadata: Some(site.url("/about").to_string()),
        ..BearerChallenge::default()
    };

    discover_at(&site, &challenge).await.unwrap();

    assert!(site.world.all(PATH_FORM).is_empty());
}

#[actix_web::test]
async fn a_web_page_at_a_well_known_path_is_no_metadata() {
    let html = |_: &_, _: &_| crate::agent::tests::kit::Reply::Whole {
        status: 200,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>welcome".to_owned(),
    };
    let site = start(
        Speaks::Streamable,
        vec![
            on(PATH_FORM, html),
            on(ROOT_FORM, |world, _| {
                json_reply(200, &world.resource_document("/mcp"))
            }),
        ],
    );

    assert!(discover_unaided(&site).await.is_ok());
}

#[actix_web::test]
async fn a_broken_server_is_not_taken_for_one_without_metadata() {
    let site = start(Speaks::Streamable, vec![on(PATH_FORM, |_, _| empty(500))]);

    let error = discover_unaided(&site).await.unwrap_err();

    assert!(matches!(error, AgentError::Fetch { .. }), "{error}");
}

#[actix_web::test]
async fn every_well_known_form_of_an_issuer_is_found() {
    for (issuer, path) in [
        ("/as", "/.well-known/oauth-authorization-server/as"),
        ("/as", "/.well-known/openid-configuration/as"),
        ("/as", "/as/.well-known/openid-configuration"),
        ("", "/.well-known/oauth-authorization-server"),
        ("", "/.well-known/openid-configuration"),
        ("/", "/.well-known/openid-configuration"),
        ("/as/", "/as/.well-known/openid-configuration"),
    ] {
        let site = start(
            Speaks::Streamable,
            vec![rule(move |world, seen| {
                let issuer = json!(format!("{}{issuer}", world.origin));
                if seen.is(PATH_FORM) {
                    let document = world.resource_document("/mcp");
                    let document = changed(document, "authorization_servers", json!([issuer]));
                    return Some(json_reply(200, &document));
                }
                if seen.path == path {
                    let document = changed(world.server_document(), "issuer", issuer);
                    return Some(json_reply(200, &document));
                }
                seen.path.contains("well-known").then(|| empty(404))
            })],
        );

        let found = discover_unaided(&site).await;

        assert!(found.is_ok(), "{issuer} at {path}: {found:?}");
    }
}

#[actix_web::test]
async fn an_issuer_that_differs_by_a_slash_is_refused() {
    let site = start(
        Speaks::Streamable,
        vec![on(SERVER, |world, _| {
            let issuer = json!(format!("{}/as/", world.origin));
            json_reply(200, &changed(world.server_document(), "issuer", issuer))
        })],
    );

    let error = discover_unaided(&site).await.unwrap_err();

    assert!(
        matches!(error, AgentError::IssuerMismatch { .. }),
        "{error}"
    );
}

#[actix_web::test]
async fn metadata_about_another_resource_is_refused() {
    for resource in [
        "https://other.example/mcp",
        "/mc",
        "/mcp2",
        "/mcp/deeper",
        "/mcp?a=b",
    ] {
        let site = start(
            Speaks::Streamable,
            vec![on(PATH_FORM, move |world, _| {
                let named = if resource.starts_with('/') {
                    format!("{}{resource}", world.origin)
                } else {
                    resource.to_owned()
                };
                json_reply(
                    200,
                    &changed(world.resource_document("/mcp"), "resource", json!(named)),
                )
            })],
        );

        let error = discover_unaided(&site).await.unwrap_err();

        assert!(
            matches!(error, AgentError::ResourceMismatch { .. }),
            "{resource}: {error}"
        );
    }
}

#[actix_web::test]
async fn a_server_without_s256_is_refused() {
    for methods in [Value::Null, json!([]), json!(["plain"])] {
        let site = with_server_field("code_challenge_methods_supported", methods);

        let error = discover_unaided(&site).await.unwrap_err();

        assert!(matches!(error, AgentError::NoPkce), "{error}");
    }
}

#[actix_web::test]
async fn a_server_without_an_endpoint_is_refused() {
    for field in ["authorization_endpoint", "token_endpoint"] {
        let site = with_server_field(field, Value::Null);

        let error = discover_unaided(&site).await.unwrap_err();

        assert!(
            matches!(error, AgentError::MetadataLacks(lacks) if lacks == field),
            "{error}"
        );
    }
}

#[actix_web::test]
async fn an_endpoint_that_is_no_safe_url_is_refused() {
    for url in [
        "javascript:alert(1)",
        "http://id.example.com/authorize",
        "file:///etc/passwd",
    ] {
        let site = with_server_field("authorization_endpoint", json!(url));

        let error = discover_unaided(&site).await.unwrap_err();

        assert!(
            matches!(error, AgentError::UnsafeUrl { .. }),
            "{url}: {error}"
        );
    }
}

#[actix_web::test]
async fn metadata_that_names_nobody_is_refused() {
    let site = with_resource_field("authorization_servers", json!([]));

    let error = discover_unaided(&site).await.unwrap_err();

    assert!(
        matches!(error, AgentError::NoAuthorizationServer),
        "{error}"
    );
}

#[actix_web::test]
async fn an_issuer_without_metadata_is_named_in_the_error() {
    let site = start(Speaks::Streamable, vec![on(SERVER, |_, _| empty(404))]);

    let error = discover_unaided(&site).await.unwrap_err();

    assert!(
        matches!(error, AgentError::NoServerMetadata { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("/as"), "{error}");
}

#[actix_web::test]
async fn without_resource_metadata_the_origin_is_the_authorization_server() {
    let site = start(
        Speaks::Streamable,
        vec![
            on(PATH_FORM, |_, _| empty(404)),
            on("GET /.well-known/oauth-authorization-server", |world, _| {
                let document = changed(world.server_document(), "issuer", json!(world.origin));
                json_reply(200, &document)
            }),
        ],
    );

    let found = discover_unaided(&site).await.unwrap();

    assert_eq!(found.resource, None);
    assert!(!found.server.guessed);
}

#[actix_web::test]
async fn without_any_metadata_the_paths_are_those_of_2025_03_26() {
    let site = start(Speaks::Streamable, vec![on(PATH_FORM, |_, _| empty(404))]);

    let found = discover_unaided(&site).await.unwrap();

    assert!(found.server.guessed);
    assert_eq!(found.server.token_endpoint, site.url("/token"));
}

#[actix_web::test]
async fn an_unreachable_server_is_named_by_its_host() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = Url::parse(&format!("http://{address}/mcp")).unwrap();

    let error = crate::agent::connect(crate::agent::Config::new(url), |_| {})
        .await
        .unwrap_err();

    assert!(matches!(&error, AgentError::Unreachable { host, .. } if *host == address.to_string()));
}
