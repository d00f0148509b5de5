//! The extension skills, as a host goes about it: list, read, verify, look around.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;
use crate::skills::Skill;

const VERSION: ProtocolVersion = ProtocolVersion::V2026_07_28;
const REFUNDS: &str = "skill://acme/refunds/SKILL.md";

fn skill() -> Skill {
    let text = "---\nname: refunds\ndescription: Refunds an order\nlicense: MIT\n---\nRead on.\n";
    let skill = Skill::new(text).unwrap().under("acme").unwrap();
    let skill = skill.file("forms/long one.md", "# Form\n").unwrap();
    skill.file("forms/seal.png", &b"\x89PNG\xff"[..]).unwrap()
}

fn nested() -> Skill {
    let text = "---\nname: late\ndescription: Refunds late\n---\n";
    Skill::new(text).unwrap().under("acme/refunds").unwrap()
}

fn handler() -> Handler {
    let mut entries = Entries::default();
    entries.add_skill(skill());
    of(entries)
}

fn of(entries: Entries) -> Handler {
    let info = super::handler().0.info.clone();
    serving(info, entries).unwrap()
}

async fn ok(method: &str, params: Value) -> Value {
    ask(&handler(), VERSION, method, params).await.unwrap()
}

async fn refused(method: &str, params: Value) -> i32 {
    ask(&handler(), VERSION, method, params)
        .await
        .unwrap_err()
        .code
}

fn uris(listing: &Value) -> Vec<&str> {
    let resources = listing["resources"].as_array().unwrap().iter();
    resources.map(|one| one["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_extension_is_declared_with_its_resources_in_every_version() {
    for version in ProtocolVersion::ALL {
        let capabilities = handler().0.catalog.now().capabilities(version);
        assert_eq!(
            capabilities["extensions"]["io.modelcontextprotocol/skills"],
            json!({ "directoryRead": true })
        );
        assert!(capabilities["resources"].is_object());
    }
    let without = of(Entries::default());
    let capabilities = without.0.catalog.now().capabilities(VERSION);
    assert!(capabilities.get("extensions").is_none());
    let list = ask(&without, VERSION, "skills/list", json!({})).await;
    assert_eq!(list.unwrap_err().code, codes::METHOD_NOT_FOUND);
}

// SEP-2640, verification on read: a host reads each file of an entry and compares.
#[tokio::test]
async fn what_is_read_is_what_the_entry_says() {
    let list = ok("skills/list", json!({})).await;
    let entry = &list["skills"][0];
    let got = ok("skills/get", json!({ "uri": REFUNDS })).await;
    assert_eq!(&got["skill"], entry);
    assert_eq!(entry["frontmatter"]["license"], "MIT");
    assert!(list["ttlMs"].is_u64() && got["ttlMs"].is_u64());
    assert_eq!(got["cacheScope"], "private");

    let files = entry["resources"].as_array().unwrap();
    assert_eq!(files.len(), 3);
    for file in files {
        let read = ok("resources/read", json!({ "uri": file["uri"] })).await;
        let contents = &read["contents"][0];
        assert_eq!(contents["uri"], file["uri"]);
        let bytes = match contents.get("text") {
            Some(text) => text.as_str().unwrap().as_bytes().to_vec(),
            None => STANDARD.decode(contents["blob"].as_str().unwrap()).unwrap(),
        };
        assert_eq!(file["size"], bytes.len());
        let mut hex = "sha256:".to_owned();
        for byte in digest(&SHA256, &bytes).as_ref() {
            write!(hex, "{byte:02x}").unwrap();
        }
        assert_eq!(file["digest"], hex);
    }
}

#[tokio::test]
async fn a_skill_md_is_listed_as_a_resource_and_other_files_only_by_their_folder() {
    let list = ok("resources/list", json!({})).await;
    assert_eq!(uris(&list), [REFUNDS]);
    let manifest = &list["resources"][0];
    assert_eq!(manifest["name"], "refunds");
    assert_eq!(manifest["description"], "Refunds an order");
    assert_eq!(manifest["mimeType"], "text/markdown");

    let root = ok(
        "resources/directory/read",
        json!({ "uri": "skill://acme/refunds" }),
    )
    .await;
    assert_eq!(uris(&root), [REFUNDS, "skill://acme/refunds/forms"]);
    assert_eq!(&root["resources"][0], manifest);
    assert_eq!(root["resources"][1]["mimeType"], "inode/directory");
    let forms = "skill://acme/refunds/forms";
    let forms = ok("resources/directory/read", json!({ "uri": forms })).await;
    assert_eq!(
        forms["resources"],
        json!([
            {
                "uri": "skill://acme/refunds/forms/long%20one.md", "name": "long one.md",
                "mimeType": "text/markdown", "size": 7,
            },
            {
                "uri": "skill://acme/refunds/forms/seal.png", "name": "seal.png",
                "mimeType": "image/png", "size": 5,
            },
        ])
    );
}

#[tokio::test]
async fn what_is_not_there_is_invalid_params() {
    for uri in [
        "skill://acme/refunds",
        "skill://refunds/SKILL.md",
        "skill://acme/refunds/forms/long%20one.md",
        "test://acme/refunds/SKILL.md",
        "SKILL.md",
        "",
    ] {
        let code = refused("skills/get", json!({ "uri": uri })).await;
        assert_eq!(code, codes::INVALID_PARAMS, "{uri}");
    }
    let deep = format!("skill://acme/refunds{}", "/".repeat(1_000_000));
    for uri in [
        REFUNDS,
        "skill://acme/refunds/",
        "skill://acme/refunds/forms/",
        "skill://acme/refunds/nope",
        "skill://acme/refunds/forms/../forms",
        "skill://acme",
        "skill://",
        "skill:///etc",
        "file:///etc",
        &deep,
    ] {
        let code = refused("resources/directory/read", json!({ "uri": uri })).await;
        assert_eq!(code, codes::INVALID_PARAMS, "{uri}");
    }
    for uri in [
        "skill://acme/refunds/../refunds/SKILL.md",
        "skill://acme/refunds/forms",
        &deep,
    ] {
        let code = refused("resources/read", json!({ "uri": uri })).await;
        assert_eq!(code, codes::INVALID_PARAMS, "{uri}");
    }
}

// K22
#[tokio::test]
async fn no_file_of_a_skill_is_read_without_its_scopes() {
    let mut entries = Entries::default();
    entries.add_skill(skill().needs("billing:read".parse().unwrap()));
    let handler = of(entries);

    for uri in [REFUNDS, "skill://acme/refunds/forms/seal.png"] {
        let needed = needed(&handler, &Method::ResourcesRead, json!({ "uri": uri }));
        assert_eq!(needed.to_string(), "billing:read");
        let read = ask(&handler, VERSION, "resources/read", json!({ "uri": uri })).await;
        assert!(read.unwrap_err().message.contains("billing:read"));
    }
}

#[tokio::test]
async fn a_skill_within_another_is_one_of_its_own() {
    let mut entries = Entries::default();
    entries.add_skill(skill());
    entries.add_skill(nested());
    let handler = of(entries);
    let late = "skill://acme/refunds/late/SKILL.md";

    let list = ask(&handler, VERSION, "skills/list", json!({}))
        .await
        .unwrap();
    let names = list["skills"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|one| &one["frontmatter"]["name"]).collect();
    assert_eq!(names, ["refunds", "late"]);
    let read = ask(&handler, VERSION, "resources/read", json!({ "uri": late })).await;
    assert!(
        read.unwrap()["contents"][0]["text"]
            .as_str()
            .unwrap()
            .contains("Refunds late")
    );
}

#[tokio::test]
async fn a_skill_that_comes_or_goes_changes_the_resources() {
    let handler = of(Entries::default());
    let catalog = handler.catalog();
    let mut told = catalog.changes().listen();

    catalog
        .change(|entries| entries.add_skill(skill()))
        .unwrap();
    assert_eq!(told.next().await.unwrap(), [Change::Resources]);
    let gone = catalog.change(|entries| {
        (
            entries.remove_skill("skill://nope/SKILL.md"),
            entries.remove_skill(REFUNDS),
        )
    });

    assert_eq!(gone.unwrap(), (false, true));
    assert_eq!(told.next().await.unwrap(), [Change::Resources]);
    let list = ask(&handler, VERSION, "skills/list", json!({}))
        .await
        .unwrap();
    assert_eq!(list["skills"], json!([]));
    let read = ask(
        &handler,
        VERSION,
        "resources/read",
        json!({ "uri": REFUNDS }),
    )
    .await;
    assert_eq!(read.unwrap_err().code, codes::INVALID_PARAMS);
}
