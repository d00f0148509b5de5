//! The `usher` binary as an operator meets it: what it says of mistakes, and what it never says.

use std::{net::TcpListener, time::Duration};

use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::kit::{
    Ask, Mcp, Scene, Sse,
    check::secrets_of,
    mcp::call,
    process::{File, Usher, ended, run, usher},
    scene::admin,
};

#[test]
fn help_and_version_go_to_standard_output() {
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["agent", "--help"],
        &["help", "serve"],
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(out.contains("Usage:"), "{out}");
    }
    let (code, out, _) = run(&["--version"]);
    assert_eq!(code, Some(0));
    assert_eq!(out.trim(), concat!("usher ", env!("CARGO_PKG_VERSION")));
    let (code, out, _) = run(&["completions", "bash"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("usher"), "{out}");
}

#[test]
fn a_command_that_is_none_is_a_usage_error() {
    for arguments in [
        &[][..],
        &["sreve"],
        &["serve", "--nothing"],
        &["serve", "--set", "x"],
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {err}");
        assert!(err.contains("Usage:") || err.contains("--help"), "{err}");
    }
}

#[actix_web::test]
async fn a_walk_through_a_deployment_finds_nothing_and_leaves_nothing() {
    let scene = Scene::new().await;
    // The binary judges it by the real clock, the scene by its own.
    let token = scene.token_with("alice", &json!({ "exp": 4_000_000_000_u64 }));
    let url = scene.url("/mcp");
    let file = File::new("token", &token, 0o600);
    let path = file.path().to_owned();
    let walked = spawn_blocking(move || run(&["check", &url, "--json", "--token-file", &path]));

    let (code, out, err) = walked.await.unwrap();

    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(report["problems"], 0);
    let findings = report["findings"].as_array().unwrap();
    for check in ["refused", "resource", "issuer", "keys", "call"] {
        let found = findings.iter().find(|one| one["check"] == check).unwrap();
        assert_eq!(found["verdict"], "right", "{found}");
    }
    assert!(!out.contains(&token));
    assert_eq!(scene.running().sessions(), 0);
}

#[test]
fn a_deployment_that_is_not_there_ends_in_exit_code_1() {
    let (code, out, _) = run(&["check", "http://127.0.0.1:1/mcp", "--deadline", "2s"]);

    assert_eq!(code, Some(1));
    assert!(out.contains("mend:"), "{out}");
}

#[test]
fn every_setting_can_be_listed_and_shown() {
    let (code, out, err) = run(&["config", "--keys", "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let keys: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(keys.len() > 40);
    assert!(
        keys.iter()
            .any(|key| key["environment"] == "USHER_SESSION_IDLE_AFTER")
    );

    let secret = "c4nary-secret-of-the-client";
    let set = format!("issuer.introspection_client_secret={secret}");
    for flags in [&["--json"][..], &[]] {
        let (code, out, _) = run(&[&["config", "--set", &set], flags].concat());
        assert_eq!(code, Some(0));
        assert!(!out.contains(secret) && out.contains("(set)"), "{out}");
    }
}

// X08
#[test]
fn every_mistake_of_a_configuration_is_named_at_once() {
    let file = File::new(
        "wrong.toml",
        "[server]\nlisten = \"nowhere\"\nlsiten = \"127.0.0.1:1\"\n[session]\nidle_after = 30\n\
         max = 0\n[invented]\nx = 1\n",
        0o600,
    );
    let mut command = usher(&[
        "serve",
        "--config",
        file.path(),
        "--issuer",
        "http://issuer.example/oidc",
        "--set",
        "transport.body_max=big",
        "--set",
        "no.such=1",
    ]);
    command
        .env("USHER_SESSION_CALLS_MAX", "-1")
        .env("USHER_SESION_MAX", "1");

    let (code, out, err) = ended(command.spawn().unwrap());

    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    for named in [
        "server.listen",
        "server.lsiten",
        "session.idle_after",
        "session.max",
        "invented.x",
        "issuer.url",
        "transport.body_max",
        "no.such",
        "USHER_SESSION_CALLS_MAX",
        "USHER_SESION_MAX",
    ] {
        assert!(err.contains(named), "{named} is not named in:\n{err}");
    }
    assert!(err.contains("10 mistakes"), "{err}");
    assert!(!err.contains("panicked"), "{err}");
}

// X08
#[test]
fn a_server_that_would_be_unsafe_does_not_start() {
    let open = File::new("open-secret", "s3cret-value\n", 0o644);
    let secret_file = format!("issuer.introspection_client_secret_file={}", open.path());
    let issuer = [
        "serve",
        "--issuer",
        "https://issuer.example",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    for (flags, named) in [
        (&["serve"][..], "no authorization server"),
        (
            &["serve", "--issuer", "http://issuer.example"],
            "must be https",
        ),
        (&["serve", "--issuer", "https://a/?x=1"], "issuer"),
        (
            &[
                &issuer[..],
                &[
                    "--set",
                    "issuer.introspection_client_id=a",
                    "--set",
                    &secret_file,
                ],
            ]
            .concat(),
            "can be read by others",
        ),
        (
            &[&issuer[..], &["--verification", "introspection"]].concat(),
            "issuer.introspection_client_id",
        ),
        (
            &[&issuer[..], &["--listen", "0.0.0.0:0"]].concat(),
            "server.public_url",
        ),
        (
            &[
                &issuer[..3],
                &["--listen", "127.0.0.1:1", "--admin-listen", "127.0.0.1:1"],
            ]
            .concat(),
            "server.admin_listen",
        ),
        (
            &[&issuer[..], &["--set", "issuer.algorithms=none"]].concat(),
            "issuer.algorithms",
        ),
        (
            &[&issuer[..], &["--set", "issuer.algorithms=HS256"]].concat(),
            "issuer.algorithms",
        ),
        (
            &[&issuer[..], &["--log", "===", "--listen", "127.0.0.1:0"]].concat(),
            "log.filter",
        ),
    ] {
        let (code, out, err) = run(flags);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{flags:?}: {err}");
        assert!(err.contains(named), "{named} is not in: {err}");
        assert!(
            !err.contains("s3cret-value") && !err.contains("panicked"),
            "{err}"
        );
    }
}

#[test]
fn a_port_that_is_taken_is_told_with_the_flag_that_takes_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let flags = ["--listen", "--admin-listen", "--provider-listen"];

    for flag in flags {
        let mut arguments = vec!["dev"];
        for other in flags {
            let address = if other == flag { &taken } else { "127.0.0.1:0" };
            arguments.extend([other, address]);
        }

        let (code, _, err) = run(&arguments);

        assert_eq!(code, Some(1), "{flag}: {err}");
        assert!(err.contains(&taken), "{flag}: {err}");
        assert!(
            err.contains(&format!("({flag} 127.0.0.1:0 takes a free port)")),
            "{flag}: {err}"
        );
    }
}

#[test]
fn a_variable_that_is_no_text_is_nobodys_panic() {
    use std::os::unix::ffi::OsStrExt;

    let not_text = std::ffi::OsStr::from_bytes(b"\xff");
    let mut foreign = usher(&["config"]);
    foreign.env("FOREIGN", not_text);
    let mut ours = usher(&["config"]);
    ours.env("USHER_SESSION_MAX", not_text);

    let (code, _, err) = ended(foreign.spawn().unwrap());
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = ended(ours.spawn().unwrap());
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("USHER_SESSION_MAX"), "{err}");
}

// O22
#[test]
fn what_is_no_request_is_no_line_in_the_log() {
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    let mut usher = Usher::serve("http://127.0.0.1:9", &[]);
    for _ in 0..50 {
        let mut stream = TcpStream::connect(usher.authority()).unwrap();
        stream.write_all(b"GARBAGE\r\n\r\n").unwrap();
        let _answer = stream.read_to_end(&mut Vec::new());
    }

    usher.signal("TERM");
    let (code, log) = usher.end(Duration::from_secs(5));
    assert_eq!(code, Some(0), "{log}");
    assert!(log.lines().count() < 10, "{log}");
}

// X08: credentials are a part of the configuration like any other.
#[test]
fn half_a_credential_is_named_beside_other_mistakes() {
    let (code, _, err) = run(&[
        "serve",
        "--issuer",
        "https://issuer.example",
        "--set",
        "issuer.introspection_client_id=a",
        "--set",
        "session.max=0",
    ]);

    assert_eq!(code, Some(1));
    for named in [
        "issuer.introspection_client_secret_file",
        "session.max",
        "2 mistakes",
    ] {
        assert!(err.contains(named), "{named} is not named in: {err}");
    }
}

// X01: at the loudest, with everything that must not be said having been sent.
#[tokio::test]
async fn no_log_line_holds_a_token_or_what_was_said() {
    const CANARY: &str = "c4nary-that-nobody-may-repeat";
    let mut scene = Scene::new().await;
    let mut flags = vec!["--log", "trace", "--log-format", "json"];
    let secret = format!("issuer.introspection_client_secret={CANARY}-secret");
    flags.extend([
        "--set",
        "issuer.introspection_client_id=usher",
        "--set",
        &secret,
    ]);
    let mut usher = Usher::serve(scene.issuer.issuer(), &flags);
    scene.move_to(&usher);
    let opaque = format!("{CANARY}-opaque");
    scene.issuer.know(
        &opaque,
        json!({
            "sub": "bob", "aud": scene.url("/mcp"), "email": format!("{CANARY}@example.com"),
        }),
    );
    let alice = scene.token_with(
        "alice",
        &json!({ "email": format!("{CANARY}@example.com") }),
    );
    let expired = scene.token_with("carol", &json!({ "exp": 1 }));
    usher.is_ready().await;

    let mut sse = Sse::ready(&scene, &alice).await;
    let said = json!({ "name": "whoami", "arguments": { "text": CANARY } });
    let id = format!("{CANARY}, in an id");
    sse.ask(&crate::kit::request(id, "tools/call", &said)).await;
    let mut mcp = Mcp::ready(&scene, &opaque).await;
    mcp.call(1, "whoami").await;
    for token in [
        &expired,
        &format!("{CANARY}-unknown"),
        &format!("{CANARY} two"),
    ] {
        scene.ask(&Ask::stream(&scene, "/sse", token)).await;
    }
    let query = Ask::get(&scene, &format!("/sse?access_token={alice}"));
    scene.ask(&query).await.is(401);
    scene.ask(&sse.message(&call(2, CANARY))).await;
    let metrics = admin(usher.admin(), "/metrics").await.1;
    let id = sse.id().to_owned();
    drop(sse);

    usher.signal("TERM");
    let (code, logs) = usher.end(Duration::from_secs(10));

    assert_eq!(code, Some(0), "{logs}");
    assert!(logs.lines().count() > 50, "not at trace: {logs}");
    let secrets = [secrets_of(&alice), secrets_of(&expired), secrets_of(&id)].concat();
    for line in logs.lines().chain(metrics.lines()) {
        assert!(!line.contains(CANARY), "{line}");
        for secret in &secrets {
            assert!(!line.contains(secret.as_str()), "{line}");
        }
    }
}

// C01
#[cfg(feature = "dev-idp")]
#[test]
fn a_folder_of_skills_that_can_not_be_served_is_named_with_the_reason() {
    let none = File::new("skill.md", "# no frontmatter", 0o644);
    for (folder, reason) in [("/nope", "could not read /nope"), (none.path(), "skill.md")] {
        let (code, _, err) = run(&[
            "dev",
            "--listen=127.0.0.1:0",
            "--provider-listen=127.0.0.1:0",
            "--set=server.admin_listen=127.0.0.1:0",
            &format!("--set=skills.directory={folder}"),
        ]);
        assert_eq!(code, Some(1), "{err}");
        assert!(err.contains("could not offer the skills"), "{err}");
        assert!(err.contains(reason), "{err}");
    }
}

#[cfg(feature = "dev-idp")]
#[test]
fn a_development_server_listens_on_this_machine_only() {
    let everywhere = [
        "dev",
        "--listen",
        "0.0.0.0:0",
        "--public-url",
        "http://10.0.0.1:1",
    ];
    let (code, _, err) = run(&everywhere);

    assert_eq!(code, Some(1));
    assert!(err.contains("this machine only"), "{err}");
}
