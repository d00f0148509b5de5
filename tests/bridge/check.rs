//! `usher check` with the settings of the server it walks: each trap of a Logto behind it, found.

use mcp_usher::{
    auth::Verification,
    check::{Config, Finding, Verdict, check},
    config,
    registration::Mode,
    secret::Secret,
};
use serde_json::json;

use crate::{
    kit::{Bridge, public},
    logto::M2M,
};

/// Walks it with the settings that it was started with, changed like this.
async fn walked(bridge: &Bridge, change: impl FnOnce(&mut config::Config)) -> Vec<Finding> {
    with_token(bridge, None, change).await
}

async fn with_token(
    bridge: &Bridge,
    token: Option<&str>,
    change: impl FnOnce(&mut config::Config),
) -> Vec<Finding> {
    let mut settings = bridge.config.clone();
    change(&mut settings);
    let walk = Config {
        settings: Some(Box::new(settings)),
        token: token.map(Secret::new),
        ..Config::new(bridge.at("/mcp").parse().unwrap())
    };
    check(walk, |_| ()).await.unwrap()
}

/// The finding of this check that is not as it should be, with what mends it; or the verdict of what is.
#[track_caller]
fn mend<'a>(findings: &'a [Finding], check: &str, verdict: Verdict) -> &'a str {
    let found = findings.iter().filter(|one| one.check == check);
    let found = found.max_by_key(|one| one.verdict);
    let found = found.unwrap_or_else(|| panic!("no {check}: {findings:#?}"));
    assert_eq!(found.verdict, verdict, "{findings:#?}");
    found.mend.as_deref().unwrap_or_default()
}

#[track_caller]
fn is_right(findings: &[Finding], check: &str) {
    mend(findings, check, Verdict::Right);
}

fn asks_about_tokens(settings: &mut config::Config) {
    settings.issuer.introspection_client_id = Some(M2M.0.to_owned());
    settings.issuer.introspection_client_secret = Some(Secret::new(M2M.1));
    settings.issuer.introspection_without_audience = true;
}

#[actix_web::test]
async fn a_bridge_in_order_has_nothing_to_mend() {
    let bridge = Bridge::start().await;
    let token = signed_in(&bridge).await;
    bridge.logto.state().is_signed_out = true;
    let before = bridge.logto.state().applications.len();

    let findings = with_token(&bridge, Some(&token), asks_about_tokens).await;

    for check in [
        "settings",
        "authorize endpoint",
        "token endpoint",
        "register endpoint",
        "older clients",
        "clock",
        "documents",
        "introspection",
        "management api",
        "api resource",
        "api scopes",
        "callback",
        "sign-in",
        "pkce forced",
        "refresh",
        "token issuer",
        "token audience",
    ] {
        is_right(&findings, check);
    }
    let problems = findings
        .iter()
        .filter(|one| one.verdict == Verdict::Problem);
    assert_eq!(problems.count(), 0, "{findings:#?}");
    let warnings = findings
        .iter()
        .filter(|one| one.verdict == Verdict::Warning);
    assert_eq!(warnings.count(), 0, "{findings:#?}");
    let after = bridge.logto.state().applications.len();
    assert_eq!(after, before, "something was registered");
    assert!(!format!("{findings:?}").contains(M2M.1));
    bridge.stop().await;
}

/// A token that an agent got through the bridge. Its time is that of the test, long from now.
async fn signed_in(bridge: &Bridge) -> String {
    let id = bridge.agent().await;
    let code = bridge.code(&id, &[]).await;
    let tokens = bridge.exchange(&id, &code, &[]).await.is(200).json();
    tokens["access_token"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn wrong_credentials_are_found_before_a_user_is() {
    use Verdict::Problem;
    let bridge = Bridge::start().await;

    let findings = walked(&bridge, |settings| {
        asks_about_tokens(settings);
        settings.issuer.introspection_client_secret = Some(Secret::new("an old one"));
        settings.logto.client_secret = Some(Secret::new("an old one"));
    })
    .await;
    assert!(mend(&findings, "introspection", Problem).contains("introspection_client_id"));
    assert!(mend(&findings, "management api", Problem).contains("machine-to-machine"));
    assert!(!format!("{findings:?}").contains("an old one"));

    let findings = walked(&bridge, |settings| {
        settings.logto.resource = Some("https://acme.logto.app/api".to_owned());
    })
    .await;
    assert!(mend(&findings, "management api", Problem).contains("logto.resource"));

    let findings = walked(&bridge, |settings| {
        settings.logto.endpoint = Some("http://127.0.0.1:1".to_owned());
    })
    .await;
    assert!(mend(&findings, "management api", Problem).contains("logto.endpoint"));
    bridge.stop().await;
}

#[actix_web::test]
async fn a_resource_that_differs_by_a_slash_is_found_and_so_is_none() {
    let bridge = Bridge::start().await;
    bridge
        .logto
        .rename_resource(&bridge.at("/mcp"), &bridge.at("/mcp/"));
    bridge
        .logto
        .rename_resource(&bridge.at("/sse"), "https://other.example");

    let findings = walked(&bridge, |_| ()).await;

    assert!(mend(&findings, "api resource", Verdict::Problem).contains("without that slash"));
    let sse = findings
        .iter()
        .find(|one| one.found.contains("/sse: sign-ins"));
    let sse = sse.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(sse.verdict, Verdict::Warning);
    assert!(sse.mend.as_deref().unwrap().contains("usher logto setup"));
    bridge.stop().await;
}

#[actix_web::test]
async fn scopes_that_logto_would_leave_out_are_found() {
    let bridge = Bridge::start().await;

    let findings = walked(&bridge, |settings| {
        settings.resource.scopes = "openid profile mcp:tools notes:write".parse().unwrap();
    })
    .await;
    let found = mend(&findings, "api scopes", Verdict::Warning);
    assert!(found.contains("permission"), "{found}");

    let findings = walked(&bridge, |settings| {
        settings.resource.required_scopes = "notes:write".parse().unwrap();
    })
    .await;
    mend(&findings, "api scopes", Verdict::Problem);
    bridge.stop().await;
}

#[actix_web::test]
async fn tokens_that_outlive_a_cut_off_are_found() {
    let bridge = Bridge::start().await;
    bridge.logto.state().set_token_lifetime(3_600);

    let findings = walked(&bridge, |_| ()).await;

    assert!(mend(&findings, "token lifetime", Verdict::Warning).contains("300 s"));
    bridge.stop().await;
}

#[actix_web::test]
async fn agents_of_another_public_url_are_found_and_a_full_tenant_is() {
    let bridge = Bridge::start().await;
    let id = bridge.agent().await;
    let uris = json!({ "redirectUris": ["https://old.example/callback"] });
    bridge.logto.state().applications.get_mut(&id).unwrap()["oidcClientMetadata"] = uris;

    let findings = walked(&bridge, |settings| settings.registration.clients_max = 1).await;

    assert!(mend(&findings, "callback", Verdict::Problem).contains("usher clients delete"));
    assert!(mend(&findings, "room", Verdict::Warning).contains("prune"));
    mend(&findings, "sign-in", Verdict::Skipped);
    bridge.stop().await;
}

#[actix_web::test]
async fn clocks_that_differ_are_found() {
    let bridge = Bridge::start().await;

    bridge.logto.state().clock_ahead = 30;
    let findings = walked(&bridge, |_| ()).await;
    assert!(mend(&findings, "clock", Verdict::Warning).contains("NTP"));

    bridge.logto.state().clock_ahead = 120;
    let findings = walked(&bridge, |_| ()).await;
    mend(&findings, "clock", Verdict::Problem);
    bridge.stop().await;
}

#[actix_web::test]
async fn a_server_that_runs_with_other_settings_is_found() {
    let bridge = Bridge::start().await;

    let findings = walked(&bridge, |settings| settings.registration.mode = Mode::Off).await;
    assert!(mend(&findings, "settings", Verdict::Problem).contains("restart"));

    let findings = walked(&bridge, |settings| {
        settings.resource.url = Some("https://mcp.example.com".to_owned());
    })
    .await;
    mend(&findings, "settings", Verdict::Problem);

    let findings = walked(&bridge, |settings| {
        settings.issuer.introspection_client_id = Some("half".to_owned());
    })
    .await;
    assert!(mend(&findings, "settings", Verdict::Problem).contains("would not start"));
    bridge.stop().await;
}

#[actix_web::test]
async fn which_way_in_suits_which_client_is_told() {
    let bridge = Bridge::start().await;
    let told = |findings: Vec<Finding>| {
        let found = findings.into_iter().find(|one| one.check == "documents");
        found.unwrap().found
    };

    assert!(told(walked(&bridge, |_| ()).await).contains("every client"));
    bridge.logto.state().metadata = json!({ "client_id_metadata_document_supported": true });
    assert!(told(walked(&bridge, |_| ()).await).contains("only register would be out"));
    bridge.stop().await;
}

// === Without the bridge ===

#[actix_web::test]
async fn traps_of_agents_made_by_hand_are_found() {
    use Verdict::{Problem, Warning};
    let bridge = Bridge::with(|settings| settings.registration.mode = Mode::Off).await;
    let registering = Bridge::before(bridge.logto.clone(), |_| ()).await;
    let mut confidential = public();
    confidential["token_endpoint_auth_method"] = json!("client_secret_basic");
    let made = registering.register(&confidential).await.is(201).json();
    let id = made["client_id"].as_str().unwrap();
    bridge.logto.state().consent_scopes.get_mut(id).unwrap()["userScopes"] = json!([]);

    let findings = walked(&bridge, |_| ()).await;

    assert!(mend(&findings, "user scopes", Problem).contains("User data"));
    assert!(mend(&findings, "pkce forced", Warning).contains("bridge"));
    assert!(mend(&findings, "refresh", Warning).contains("Traditional"));
    assert!(mend(&findings, "registration", Warning).contains("dynamic apps"));
    bridge.logto.state().metadata = json!({ "client_id_metadata_document_supported": true });
    is_right(&walked(&bridge, |_| ()).await, "registration");
    registering.stop().await;
    bridge.stop().await;
}

#[actix_web::test]
async fn ways_to_verify_that_logto_has_no_answer_for_are_found() {
    use Verdict::{Problem, Warning};
    let bridge = Bridge::start().await;

    let findings = walked(&bridge, |settings| {
        settings.issuer.verification = Verification::Userinfo;
    })
    .await;
    assert!(mend(&findings, "userinfo", Problem).contains("auto"));
    let jwt = signed_in(&bridge).await;
    let findings = with_token(&bridge, Some(&jwt), |settings| {
        settings.issuer.verification = Verification::Userinfo;
    })
    .await;
    mend(&findings, "userinfo", Problem);

    let findings = walked(&bridge, |settings| {
        asks_about_tokens(settings);
        settings.issuer.verification = Verification::Introspection;
    })
    .await;
    assert!(mend(&findings, "introspection", Problem).contains("auto"));

    let findings = walked(&bridge, |settings| {
        asks_about_tokens(settings);
        settings.issuer.introspection_without_audience = false;
    })
    .await;
    assert!(mend(&findings, "opaque tokens", Warning).contains("resource"));
    bridge.stop().await;
}

#[actix_web::test]
async fn endpoints_that_tell_nothing_of_a_token_are_found() {
    use Verdict::{Problem, Warning};
    let bridge = Bridge::start().await;
    for (status, answer, words) in [
        (200, json!({ "active": true }), "look at tokens"),
        (
            400,
            json!({ "error": "invalid_client" }),
            "introspection_client_id",
        ),
        (500, json!({}), "log"),
    ] {
        bridge.logto.state().introspects = Some((status, answer));
        let findings = walked(&bridge, asks_about_tokens).await;
        let found = mend(&findings, "introspection", Problem);
        assert!(found.contains(words), "{found}");
    }
    bridge.logto.state().introspects = None;

    let by_userinfo = |settings: &mut config::Config| {
        settings.issuer.verification = Verification::Userinfo;
    };
    bridge.logto.state().metadata =
        json!({ "introspection_endpoint": null, "userinfo_endpoint": null });
    let findings = walked(&bridge, asks_about_tokens).await;
    assert!(mend(&findings, "introspection", Problem).contains("RFC 7662"));
    let findings = walked(&bridge, by_userinfo).await;
    assert!(mend(&findings, "userinfo", Problem).contains("publish"));

    // Another provider's userinfo may take a JWT, and proves no audience all the same.
    bridge.logto.state().metadata = json!({ "scopes_supported": ["openid"] });
    let findings = walked(&bridge, by_userinfo).await;
    assert!(mend(&findings, "userinfo", Warning).contains("auto"));
    bridge.stop().await;
}
