//! The outside judges, named so that `cargo test` says what it leaves out: they install clients, a
//! browser and tools of others, so `tests/run` runs them. One of them from here:
//! `cargo test --test judges -- --ignored conformance`.

use std::{path::Path, process::Command};

fn run(script: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let status = Command::new("bash")
        .arg(folder.join(script))
        .current_dir(folder)
        .env("USHER_BIN", env!("CARGO_BIN_EXE_usher"))
        .status();

    assert!(
        status.is_ok_and(|status| status.success()),
        "{script} failed"
    );
}

#[test]
#[ignore = "left out: real MCP clients and a real browser, see tests/run"]
fn real_clients_and_a_real_browser() {
    run("tests/outside/run");
}

#[test]
#[ignore = "left out: the official MCP conformance suite, see tests/run"]
fn the_official_conformance_suite() {
    run("tests/conformance/run");
}

#[test]
#[ignore = "left out: the container image, see tests/run"]
fn the_container_image() {
    run("tests/image");
}
