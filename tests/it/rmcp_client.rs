//! The official SDK's own client, unmodified, against our Streamable HTTP: in sessions, without, and
//! where it finds out by itself.

use rmcp::{
    ClientLifecycleMode, ClientServiceExt,
    model::{CallToolRequestParams, ProtocolVersion},
    transport::{
        StreamableHttpClientTransport, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

use crate::kit::Scene;

type Way = StreamableHttpClientTransport<reqwest::Client>;

fn way_to(scene: &Scene) -> StreamableHttpClientTransportConfig {
    StreamableHttpClientTransportConfig::with_uri(scene.url("/mcp"))
}

#[tokio::test]
async fn it_finds_its_way_in_every_lifecycle_it_has() {
    let scene = Scene::new().await;
    let token = scene.token("alice");
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];

    for (lifecycle, sessions) in [
        (ClientLifecycleMode::Initialize, 1),
        (
            ClientLifecycleMode::Discover {
                preferred_versions: preferred_versions.clone(),
            },
            0,
        ),
        (
            ClientLifecycleMode::Auto {
                preferred_versions,
                legacy_version: None,
            },
            0,
        ),
    ] {
        let way = Way::from_config(way_to(&scene).auth_header(token.clone()));
        let client = ().serve_with_lifecycle(way, lifecycle).await.unwrap();
        assert_eq!(scene.running().sessions(), sessions);

        let tools = client.list_all_tools().await.unwrap();
        assert!(tools.iter().any(|tool| tool.name == "whoami"));
        let answer = client.call_tool(CallToolRequestParams::new("whoami"));
        let claims = answer.await.unwrap().structured_content.unwrap();
        assert_eq!(claims["sub"], "alice");

        client.cancel().await.unwrap();
        scene.sessions(0).await;
    }
    scene.assert_no_state();
}

#[tokio::test]
async fn without_a_token_it_is_told_where_to_get_one() {
    let scene = Scene::new().await;
    let way = Way::from_config(way_to(&scene));

    let lifecycle = ClientLifecycleMode::Initialize;
    let refused = ().serve_with_lifecycle(way, lifecycle).await.unwrap_err();

    let told = format!("{refused:?}");
    assert!(told.contains("resource_metadata"), "{told}");
    scene.assert_no_state();
}
