use std::{fs, path::PathBuf};

use super::*;

fn read(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let owned = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let sources = Sources {
        file: None,
        environment: owned(environment),
        flags: owned(flags),
    };
    sources.read(Config::default())
}

fn file(name: &str, text: &str) -> PathBuf {
    let path =
        std::env::temp_dir().join(format!("usher-config-{}-{name}.toml", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn every_default_is_right_and_reads_back_as_it_is_shown() {
    let defaults = Config::default();
    assert_eq!(defaults.check(), []);

    for key in KEYS {
        let shown = key.get(&defaults);
        let mut config = Config::default();
        key.set(&mut config, &shown)
            .unwrap_or_else(|error| panic!("{}: {error}", key.path));
        assert_eq!(key.get(&config), shown, "{}", key.path);
    }
}

#[test]
fn keys_are_unique_and_so_are_their_variables() {
    for (index, key) in KEYS.iter().enumerate() {
        for other in &KEYS[index + 1..] {
            assert_ne!(key.path, other.path);
            assert_ne!(key.environment(), other.environment());
        }
    }
}

// X08
#[test]
fn every_mistake_is_reported_at_once_and_where_it_is() {
    let path = file(
        "mistakes",
        "[server]\nlisten = \"nowhere\"\nlissten = 1\n[session]\nidle_after = 30\n[handler]\n\
         call_deadline = \"0s\"\n",
    );
    let sources = Sources {
        file: Some(&path),
        environment: vec![
            ("USHER_ISSUER_LEEWAY".into(), "soon".into()),
            ("USHER_TYPO".into(), "1".into()),
        ],
        flags: vec![("transport.idle_after".into(), "1s".into())],
    };

    let ConfigError(problems) = sources.read(Config::default()).unwrap_err();
    fs::remove_file(&path).unwrap();

    let all = ConfigError(problems.clone()).to_string();
    for part in [
        "server.listen",
        "server.lissten: no such setting; did you mean server.listen?",
        "session.idle_after",
        "handler.call_deadline: must be above zero",
        "USHER_ISSUER_LEEWAY",
        "USHER_TYPO: no such setting",
        "did you mean session.idle_after?",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
    assert_eq!(problems.len(), 7, "{all}");
}

// X09
#[test]
fn flags_win_over_the_environment_and_the_environment_over_the_file() {
    let path = file(
        "order",
        "[issuer]\nleeway = \"1s\"\nalgorithms = [\"RS256\", \"ES384\"]\n[fetch]\ndeadline = \"1s\"\n[session]\nidle_after = \"1min\"\n",
    );
    let sources = Sources {
        file: Some(&path),
        environment: vec![
            ("USHER_ISSUER_LEEWAY".into(), "2s".into()),
            ("USHER_FETCH_DEADLINE".into(), "2s".into()),
        ],
        flags: vec![("issuer.leeway".into(), "3s".into())],
    };

    let config = sources.read(Config::default()).unwrap();
    let overruled = sources.overruled();
    fs::remove_file(&path).unwrap();

    let of = |key, by, of| Overruled { key, by, of };
    assert_eq!(
        overruled,
        [
            of("issuer.leeway", "environment", "file"),
            of("fetch.deadline", "environment", "file"),
            of("issuer.leeway", "flag", "environment"),
        ]
    );
    assert_eq!(config.issuer.leeway.to_string(), "3s");
    assert_eq!(config.fetch.deadline.to_string(), "2s");
    assert_eq!(config.router.session.idle_after.to_string(), "1min");
    assert_eq!(config.issuer.algorithms.len(), 2);
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_named_usher_are_not_settings() {
    let kubernetes = [
        ("USHER_SERVICE_HOST", "10.0.0.1"),
        ("USHER_PORT", "tcp://10.0.0.1:80"),
        ("USHER_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("HOME", "/root"),
    ];

    assert!(read(&kubernetes, &[]).is_ok());
}

#[test]
fn listening_everywhere_needs_the_url_that_clients_use() {
    let everywhere = ("server.listen", "0.0.0.0:3001");

    assert!(
        read(&[], &[everywhere])
            .unwrap_err()
            .to_string()
            .contains("server.public_url")
    );
    assert!(
        read(
            &[],
            &[everywhere, ("server.public_url", "https://mcp.example.com")]
        )
        .is_ok()
    );
}

#[test]
fn what_would_never_match_is_named() {
    let issuer = ("issuer.url", "https://issuer.example");
    for (key, wrong, right) in [
        (
            "transport.allowed_origins",
            "https://a.example/",
            "https://a.example",
        ),
        ("transport.allowed_origins", "*", "http://localhost:6274"),
        ("transport.allowed_hosts", "a.example:80", "a.example"),
        ("issuer.algorithms", "", "ES384"),
    ] {
        let refused = read(&[], &[issuer, (key, wrong)]).unwrap_err().to_string();
        assert!(refused.contains(key), "{refused}");
        assert!(read(&[], &[issuer, (key, right)]).is_ok(), "{key}={right}");
    }
}

#[test]
fn half_a_credential_is_named() {
    let issuer = ("issuer.url", "https://issuer.example");
    let client = ("issuer.introspection_client_id", "usher");
    let half = read(&[], &[issuer, client, ("session.max", "0")]).unwrap_err();

    let ConfigError(problems) = half;
    let sources: Vec<_> = problems.iter().map(|problem| &problem.source).collect();
    assert_eq!(
        sources,
        ["session.max", "issuer.introspection_client_secret_file"]
    );
    assert!(
        Config::default()
            .to_auth()
            .unwrap_err()
            .to_string()
            .contains("issuer.url")
    );
}

#[test]
fn a_secret_is_never_shown() {
    let secret = ("issuer.introspection_client_secret", "s3cret");
    let config = read(&[], &[secret]).unwrap();

    let shown = format!(
        "{config:?}{}",
        KEYS.iter().map(|key| key.get(&config)).collect::<String>()
    );
    assert!(!shown.contains("s3cret"));
}

#[test]
fn the_page_of_settings_is_what_the_program_says() {
    let page = include_str!("../../docs/configuration.md");

    assert_eq!(
        page.trim(),
        markdown().trim(),
        "write it anew: usher config --markdown"
    );
}

#[test]
fn what_means_nothing_at_zero_is_refused_at_zero() {
    for key in [
        // A fetch every millisecond.
        "issuer.metadata_refresh=0s",
        "issuer.keys_refresh=0s",
        // Nobody gets in, or not as few as was said.
        "verifier.waiters_max=0",
        "verifier.tokens_max=0",
        "verifier.upstream_max=0",
        "verifier.verdict_within=0ms",
        "session.threads=0",
    ] {
        let (path, value) = key.split_once('=').unwrap();
        let sources = Sources {
            flags: vec![(path.to_owned(), value.to_owned())],
            ..Sources::default()
        };

        let ConfigError(problems) = sources.read(Config::default()).unwrap_err();

        assert_eq!(problems[0].source, path);
        assert_eq!(problems[0].text, "must be above zero");
    }
}

fn from_file(name: &str, text: &str) -> Result<Config, String> {
    let path = file(name, text);
    let sources = Sources {
        file: Some(&path),
        ..Sources::default()
    };
    let read = sources.read(Config::default());
    fs::remove_file(&path).unwrap();
    read.map_err(|error| error.to_string())
}

#[test]
fn issuers_stand_beside_the_one_or_instead_of_it_and_inherit_nothing() {
    let others = "[[issuers]]\nurl = \"https://b.example\"\nleeway = \"5s\"\n\
                  [[issuers]]\nurl = \"https://c.example\"\naudiences = [\"urn:c\"]\n";
    let beside = format!("[issuer]\nurl = \"https://a.example\"\nleeway = \"9s\"\n{others}");

    for (text, expected) in [
        (
            beside.as_str(),
            &[
                "https://a.example 9s",
                "https://b.example 5s",
                "https://c.example 1min",
            ][..],
        ),
        (others, &["https://b.example 5s", "https://c.example 1min"]),
    ] {
        let auth = from_file("issuers", text).unwrap().to_auth().unwrap();
        let issuers: Vec<_> = auth
            .issuers()
            .map(|issuer| format!("{} {}", issuer.issuer, issuer.leeway))
            .collect();
        assert_eq!(issuers, expected);
        assert_eq!(auth.issuers().last().unwrap().audiences, ["urn:c"]);
    }
}

// X08
#[test]
fn every_mistake_about_several_issuers_is_named() {
    let text = "[issuer]\nurl = \"https://a.example\"\nverification = \"userinfo\"\n\
        [[issuers]]\nurl = \"https://a.example\"\nkeys_refresh = \"0s\"\n\
        [[issuers]]\nleeway = \"1s\"\nlee_way = \"1s\"\n\
        [[issuers]]\nurl = \"https://c.example\"\nverification = \"userinfo\"\n\
        [[issuers]]\nurl = \"https://d.example\"\nalgorithms = [\"HS256\"]\n";

    let all = from_file("several-mistakes", text).unwrap_err();

    for part in [
        "issuers[0].url: is there twice",
        "issuers[0].keys_refresh: must be above zero",
        "issuers[1].url: is not set",
        "issuers[1].lee_way: no such setting; did you mean issuer.leeway?",
        "issuers[2].opaque_tokens: issuer takes opaque tokens too",
        "issuers[3].algorithms: \"HS256\" is no algorithm",
    ] {
        assert!(all.contains(part), "{part} is missing in\n{all}");
    }
    assert!(all.contains("6 mistakes"), "{all}");
    let plain = from_file("plain", "issuers = 3\n").unwrap_err();
    assert!(plain.contains("[[issuers]]"), "{plain}");
}

#[test]
fn there_are_only_so_many_issuers() {
    let table = |number| format!("[[issuers]]\nurl = \"https://{number}.example\"\n");
    let text: String = (0..=ISSUERS_MAX).map(table).collect();

    let refused = from_file("too-many", &text).unwrap_err();

    assert!(refused.contains("issuers: are more than 16"), "{refused}");
}

#[test]
fn a_secret_or_a_key_is_set_as_the_way_of_authentication_has_it() {
    let issuer = "[issuer]\nurl = \"https://a.example\"\nintrospection_client_id = \"usher\"\n";
    let way = "introspection_client_authentication = \"private_key_jwt\"\n";
    let secret = "introspection_client_secret = \"s3cret\"\n";
    let key = "introspection_client_key_file = \"/nowhere/key.pem\"\n";
    for (settings, complaint) in [
        (
            way.to_owned(),
            "issuer.introspection_client_key_file: is needed beside",
        ),
        (
            format!("{way}{secret}"),
            "issuer.introspection_client_secret: is not used with",
        ),
        (
            format!("{way}{key}"),
            "issuer.introspection_client_key_file: could not read",
        ),
        (
            key.to_owned(),
            "issuer.introspection_client_key_file: could not read",
        ),
    ] {
        let refused = from_file("proof", &format!("{issuer}{settings}")).unwrap_err();
        assert!(refused.contains(complaint), "{refused}");
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_is_none_or_that_others_can_read_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let key = file("key", "s3cret, and no PEM");
    let settings = format!(
        "[issuer]\nurl = \"https://a.example\"\nintrospection_client_id = \"usher\"\n\
         introspection_client_authentication = \"private_key_jwt\"\n\
         introspection_client_key_file = {:?}\n",
        key.display().to_string()
    );
    let refusal = |mode| {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
        from_file("key-file", &settings).unwrap_err()
    };

    assert!(refusal(0o644).contains("can be read by others"));
    let refused = refusal(0o600);
    assert!(refused.contains("holds no private key in PEM") && !refused.contains("s3cret"));
    fs::remove_file(key).unwrap();
}

const RULES: &str = r#"
[issuer]
url = "https://acme.logto.app/oidc"
first_party_clients = ["web", "mobile-*"]
[policy]
roles_claim = "/realm_access/roles"
missing_scope = "tool_error"
[[policy.rules]]
tools = ["admin_*", "!admin_show"]
roles = "Site Admin"
claims = { email_verified = true, "/org/plan" = ["pro", "team"] }
effect = "allow"
[[policy.rules]]
tools = "notes_*"
resources = ["notes://*"]
needs = "notes:read notes:write"
"#;

#[test]
fn rules_are_read_and_shown_as_they_are_written() {
    let path = file("rules", RULES);
    let sources = Sources {
        file: Some(&path),
        ..Sources::default()
    };
    let config = sources.read(Config::default()).unwrap();

    let shown = config.policy.rules.iter().map(rule_settings);
    let shown: Vec<serde_json::Map<_, _>> = shown
        .map(|rule| {
            rule.into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()
        })
        .collect();
    assert_eq!(
        serde_json::json!(shown),
        serde_json::json!([
            {
                "tools": ["admin_*", "!admin_show"], "roles": ["Site Admin"], "effect": "allow",
                "claims": { "email_verified": ["true"], "/org/plan": ["pro", "team"] },
            },
            { "tools": ["notes_*"], "resources": ["notes://*"], "needs": "notes:read notes:write" },
        ])
    );
    assert_eq!(config.policy.roles_claim.as_str(), "/realm_access/roles");
    fs::remove_file(path).unwrap();
}

// X08
#[test]
fn every_mistake_in_rules_is_reported_at_once_and_where_it_is() {
    let path = file(
        "bad-rules",
        "[issuer]\nurl = \"https://acme.logto.app/oidc\"\n[policy]\nroles = \"x\"\n\
         [[policy.rules]]\ntols = [\"a\"]\neffect = \"permit\"\n\
         [[policy.rules]]\ntools = [7]\nneeds = \"a\\\"b\"\n\
         [[policy.rules]]\ntools = \"a\"\nissuers = \"https://other\"\nclaims = { \"\" = \"a\" }\n",
    );
    let sources = Sources {
        file: Some(&path),
        ..Sources::default()
    };
    let error = sources.read(Config::default()).unwrap_err().to_string();

    for expected in [
        "policy.roles: no such setting; did you mean policy.rol",
        "policy.rules[0].tols: no such setting; did you mean tools?",
        "policy.rules[0].effect: an effect is allow or deny",
        "policy.rules[0].tools: is not set",
        "policy.rules[1].tools: takes a text or a list of texts",
        "policy.rules[1].needs: a scope is",
        "policy.rules[2].issuers: names \"https://other\"",
        "policy.rules[2].claims: \"\" is no claim",
        "policy.rules[2].effect: is not set, nor needs",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    fs::remove_file(path).unwrap();
}
