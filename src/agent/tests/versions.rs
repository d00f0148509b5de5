//! Which version and transport an agent ends up with.

use serde_json::{Value, json};

use super::{
    kit::{Site, Speaks, empty, error, json_reply, on_rpc, result, rule, start},
    trip::{Browser, Trip, go},
};
use crate::{
    agent::{AgentError, ProtocolChoice, Transport},
    protocol::ProtocolVersion,
};

async fn choose(site: &Site, path: &str, protocol: ProtocolChoice) -> Trip {
    go(site, path, Browser::Agrees, |config| {
        config.protocol = protocol;
    })
    .await
}

#[actix_web::test]
async fn left_to_itself_the_agent_takes_the_newest_the_server_has() {
    for (speaks, path, version, transport) in [
        (
            Speaks::Modern,
            "/mcp",
            ProtocolVersion::V2026_07_28,
            Transport::Stateless,
        ),
        (
            Speaks::Streamable,
            "/mcp",
            ProtocolVersion::V2025_11_25,
            Transport::Streamable,
        ),
        (
            Speaks::HttpSse,
            "/mcp",
            ProtocolVersion::V2025_11_25,
            Transport::HttpSse,
        ),
        (
            Speaks::HttpSse,
            "/sse",
            ProtocolVersion::V2025_11_25,
            Transport::HttpSse,
        ),
    ] {
        let site = start(speaks, vec![]);

        let connection = choose(&site, path, ProtocolChoice::Auto).await.connection();

        assert_eq!(connection.protocol(), version, "{speaks:?}");
        assert_eq!(connection.transport(), transport, "{speaks:?}");
    }
}

#[actix_web::test]
async fn every_version_can_be_asked_for() {
    for version in ProtocolVersion::ALL {
        let speaks = if version.is_modern() {
            Speaks::Modern
        } else {
            Speaks::Streamable
        };
        let site = start(speaks, vec![]);

        let trip = choose(&site, "/mcp", ProtocolChoice::Version(version)).await;

        assert_eq!(trip.connection().protocol(), version);
    }
}

#[actix_web::test]
async fn the_version_header_is_sent_from_2025_06_18_on() {
    for (version, sent) in [("2025-03-26", ""), ("2025-06-18", "2025-06-18")] {
        let site = start(Speaks::Streamable, vec![]);

        let choice = ProtocolChoice::Version(version.parse().unwrap());
        choose(&site, "/mcp", choice).await.connection();

        let told = site.world.all("POST /mcp").pop().unwrap();
        assert_eq!(told.header("mcp-protocol-version"), sent);
    }
}

fn offering(version: &'static str) -> Site {
    start(
        Speaks::Streamable,
        vec![on_rpc("initialize", move |_, seen| {
            json_reply(200, &result(seen, &json!({"protocolVersion": version})))
        })],
    )
}

#[actix_web::test]
async fn an_older_version_is_taken_unless_another_was_asked_for() {
    let site = offering("2025-03-26");

    let taken = choose(&site, "/mcp", ProtocolChoice::Auto)
        .await
        .connection();
    let asked = ProtocolChoice::Version(ProtocolVersion::V2025_11_25);
    let refused = choose(&site, "/mcp", asked).await;

    assert_eq!(taken.protocol(), ProtocolVersion::V2025_03_26);
    assert!(matches!(refused.error(), AgentError::Version { .. }));
}

#[actix_web::test]
async fn a_version_nobody_knows_or_without_initialize_is_refused() {
    for version in ["2031-01-01", "2026-07-28", ""] {
        let site = offering(version);

        let trip = choose(&site, "/mcp", ProtocolChoice::Auto).await;

        assert!(
            matches!(trip.error(), AgentError::Version { .. }),
            "{version}"
        );
    }
}

#[actix_web::test]
async fn a_modern_server_without_our_version_is_asked_to_initialize() {
    let site = start(
        Speaks::Streamable,
        vec![on_rpc("server/discover", |_, seen| {
            let data =
                json!({"supported": ["2027-01-01", "2025-11-25"], "requested": "2026-07-28"});
            json_reply(400, &error(seen, -32022, &data))
        })],
    );

    let connection = choose(&site, "/mcp", ProtocolChoice::Auto)
        .await
        .connection();

    assert_eq!(connection.transport(), Transport::Streamable);
}

#[actix_web::test]
async fn a_version_that_is_refused_and_offered_at_once_is_tried_again_once() {
    for (refusals, got_in) in [(1, true), (usize::MAX, false)] {
        let site = start(
            Speaks::Modern,
            vec![rule(move |world, seen| {
                let authorized = !seen.header("authorization").is_empty();
                let data = json!({"supported": ["2026-07-28"], "requested": "2026-07-28"});
                (authorized && world.methods().len() <= refusals)
                    .then(|| json_reply(400, &error(seen, -32022, &data)))
            })],
        );

        let asked = ProtocolChoice::Version(ProtocolVersion::V2026_07_28);
        let trip = choose(&site, "/mcp", asked).await;

        assert_eq!(trip.outcome.is_ok(), got_in);
        assert_eq!(site.world.methods(), ["server/discover"; 2]);
    }
}

#[actix_web::test]
async fn a_modern_server_s_other_refusals_are_not_taken_for_an_old_server() {
    let site = start(
        Speaks::Modern,
        vec![on_rpc("server/discover", |_, seen| {
            json_reply(400, &error(seen, -32020, &Value::Null))
        })],
    );

    let trip = choose(&site, "/mcp", ProtocolChoice::Auto).await;

    assert!(
        matches!(trip.error(), AgentError::Rpc { code: -32020, .. }),
        "{}",
        trip.error()
    );
    assert_eq!(site.world.methods(), ["server/discover"]);
}

#[actix_web::test]
async fn a_broken_server_is_not_taken_for_an_old_one() {
    let site = start(
        Speaks::Modern,
        vec![on_rpc("server/discover", |_, _| empty(502))],
    );

    let trip = choose(&site, "/mcp", ProtocolChoice::Auto).await;

    assert!(
        matches!(trip.error(), AgentError::Status { .. }),
        "{}",
        trip.error()
    );
    assert_eq!(site.world.methods(), ["server/discover"]);
}

#[actix_web::test]
async fn a_modern_version_is_not_to_be_had_from_an_old_server() {
    let site = start(Speaks::Streamable, vec![]);

    let asked = ProtocolChoice::Version(ProtocolVersion::V2026_07_28);
    let trip = choose(&site, "/mcp", asked).await;

    assert!(
        matches!(trip.error(), AgentError::Version { .. }),
        "{}",
        trip.error()
    );
}

#[actix_web::test]
async fn a_url_with_nothing_behind_it_is_told_by_both_answers() {
    let site = start(Speaks::Streamable, vec![]);

    let trip = choose(&site, "/nothing", ProtocolChoice::Auto).await;

    assert!(matches!(trip.error(), AgentError::NotMcp { .. }));
    let text = trip.error().to_string();
    assert!(text.contains("POST is answered with status 404"), "{text}");
    assert!(text.contains("GET with 404"), "{text}");
}
