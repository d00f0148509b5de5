//! What rules amount to, for one caller and one entry.

use serde_json::{Map, Value, json};

use super::*;
use crate::auth::{Identity, Method};

const ISSUER: &str = "https://issuer";

#[expect(clippy::unnecessary_wraps, reason = "it is what rules have")]
fn patterns(texts: &[&str]) -> Option<Patterns> {
    Some(Patterns::new(
        texts.iter().map(|text| (*text).to_owned()).collect(),
    ))
}

#[expect(clippy::unnecessary_wraps, reason = "it is what rules have")]
fn clients(texts: &[&str]) -> Option<Clients> {
    Some(Clients::new(
        texts.iter().map(|text| (*text).to_owned()).collect(),
    ))
}

fn policy(rules: Vec<Rule>) -> Policy {
    let config = Config {
        rules,
        ..Config::default()
    };
    Policy::new(
        config,
        vec![(ISSUER.to_owned(), patterns(&["web"]).unwrap())],
    )
}

struct Caller<'a> {
    issuer: &'a str,
    client: Option<&'a str>,
    scopes: &'a str,
    claims: Value,
}

const AGENT: Caller<'static> = Caller {
    issuer: ISSUER,
    client: Some("agent"),
    scopes: "",
    claims: Value::Null,
};

impl Caller<'_> {
    fn principal(&self) -> Principal {
        let claims = self.claims.as_object().cloned();
        Principal::new(Identity {
            issuer: self.issuer.to_owned(),
            subject: "alice".to_owned(),
            client_id: self.client.map(str::to_owned),
            audiences: Vec::new(),
            scopes: self.scopes.parse().unwrap(),
            expires_at: None,
            verified_by: Method::Jwt,
            claims: claims.unwrap_or_else(Map::new),
        })
    }
}

fn tool(name: &str) -> Entry<'_> {
    Entry {
        kind: Kind::Tool,
        name,
    }
}

fn judge(policy: &Policy, caller: &Caller<'_>, entry: Entry<'_>) -> Decision {
    policy.judge(&caller.principal(), entry, &Scopes::none())
}

fn is_denied(policy: &Policy, caller: &Caller<'_>, entry: Entry<'_>) -> bool {
    matches!(judge(policy, caller, entry), Decision::Denied(_))
}

#[test]
fn without_rules_only_declared_scopes_count() {
    let declared: Scopes = "notes:read".parse().unwrap();
    let policy = Policy::default();
    let caller = |scopes| Caller { scopes, ..AGENT }.principal();

    let lacks = policy.judge(&caller("openid"), tool("a"), &declared);
    assert_eq!(lacks, Decision::Lacks(declared.clone()));
    let has = policy.judge(&caller("openid notes:read"), tool("a"), &declared);
    assert_eq!(has, Decision::Allowed(declared.clone()));
}

// K22
#[test]
fn scopes_of_code_and_of_every_rule_that_fits_are_asked_for_at_once() {
    let needs = |texts: &[&str], scopes: &str| Rule {
        tools: patterns(texts),
        needs: scopes.parse().unwrap(),
        ..Rule::default()
    };
    let policy = policy(vec![
        needs(&["notes_*"], "notes:read"),
        needs(&["*_write"], "notes:write"),
        needs(&["other"], "other"),
    ]);

    let decision = policy.judge(
        &AGENT.principal(),
        tool("notes_write"),
        &"a".parse().unwrap(),
    );

    let all = "a notes:read notes:write".parse().unwrap();
    assert_eq!(decision, Decision::Lacks(all));
}

#[test]
fn what_is_allowed_to_some_is_allowed_to_nobody_else() {
    let admins = Rule {
        tools: patterns(&["admin_*"]),
        roles: patterns(&["admin"]),
        effect: Some(Effect::Allow),
        ..Rule::default()
    };
    let ours = Rule {
        tools: patterns(&["admin_show"]),
        clients: clients(&["first-party"]),
        effect: Some(Effect::Allow),
        ..Rule::default()
    };
    let policy = policy(vec![admins, ours]);
    let admin = Caller {
        claims: json!({ "roles": ["user", "admin"] }),
        ..AGENT
    };
    let web = Caller {
        client: Some("web"),
        ..AGENT
    };

    assert!(is_denied(&policy, &AGENT, tool("admin_show")));
    assert!(!is_denied(&policy, &admin, tool("admin_show")));
    assert!(!is_denied(&policy, &web, tool("admin_show")));
    assert!(is_denied(&policy, &web, tool("admin_end")));
    assert!(!is_denied(&policy, &AGENT, tool("other")));
    // A prompt of that name is something else.
    let prompt = Entry {
        kind: Kind::Prompt,
        name: "admin_show",
    };
    assert!(!is_denied(&policy, &AGENT, prompt));
}

#[test]
fn a_rule_that_denies_wins_wherever_it_stands() {
    let allow = Rule {
        tools: patterns(&["*"]),
        effect: Some(Effect::Allow),
        ..Rule::default()
    };
    let deny = Rule {
        tools: patterns(&["*", "!whoami"]),
        clients: clients(&["agent"]),
        effect: Some(Effect::Deny),
        ..Rule::default()
    };
    for rules in [[allow.clone(), deny.clone()], [deny, allow]] {
        let policy = policy(rules.to_vec());

        assert!(is_denied(&policy, &AGENT, tool("notes")));
        assert!(!is_denied(&policy, &AGENT, tool("whoami")));
        let other = Caller {
            client: Some("other"),
            ..AGENT
        };
        assert!(!is_denied(&policy, &other, tool("notes")));
    }
}

#[test]
fn every_condition_of_a_rule_has_to_be_met() {
    let rule = Rule {
        tools: patterns(&["export"]),
        issuers: Some(vec![ISSUER.to_owned()]),
        subjects: patterns(&["al*"]),
        claims: vec![
            (
                "/org/plan".parse().unwrap(),
                patterns(&["pro", "team"]).unwrap(),
            ),
            (
                "email_verified".parse().unwrap(),
                patterns(&["true"]).unwrap(),
            ),
        ],
        effect: Some(Effect::Allow),
        ..Rule::default()
    };
    let policy = policy(vec![rule]);
    let good = json!({ "org": { "plan": "team" }, "email_verified": true });
    let caller = |claims| Caller { claims, ..AGENT };

    assert!(!is_denied(&policy, &caller(good.clone()), tool("export")));
    for bad in [
        json!({ "org": { "plan": "free" }, "email_verified": true }),
        json!({ "org": { "plan": "team" }, "email_verified": false }),
        json!({ "org": { "plan": { "pro": true } }, "email_verified": true }),
        json!({}),
    ] {
        assert!(
            is_denied(&policy, &caller(bad.clone()), tool("export")),
            "{bad}"
        );
    }
    // The same claims of somebody else's issuer prove nothing here.
    let elsewhere = Caller {
        issuer: "https://other",
        claims: good,
        ..AGENT
    };
    assert!(is_denied(&policy, &elsewhere, tool("export")));
}

#[test]
fn a_client_is_our_own_only_at_its_own_issuer() {
    let policy = policy(Vec::new());
    let class = |caller: &Caller<'_>| policy.class(&caller.principal());
    let web = Caller {
        client: Some("web"),
        ..AGENT
    };

    assert_eq!(class(&web), Class::FirstParty);
    assert_eq!(
        class(&Caller {
            issuer: "https://other",
            ..web
        }),
        Class::ThirdParty
    );
    assert_eq!(
        class(&Caller {
            client: None,
            ..AGENT
        }),
        Class::ThirdParty
    );
}

#[test]
fn no_spelling_of_a_uri_gets_round_a_rule() {
    let resource = |name| Entry {
        kind: Kind::Resource,
        name,
    };
    let rule = |effect, texts: &[&str]| Rule {
        resources: patterns(texts),
        clients: clients(if effect == Effect::Allow {
            &["agent"]
        } else {
            &["*"]
        }),
        effect: Some(effect),
        ..Rule::default()
    };
    let closed = policy(vec![rule(Effect::Deny, &["notes://team/secret/*"])]);
    for uri in [
        "notes://team/secret/a",
        "notes://team/public/../secret/a",
        "notes://team/%73ecret/a",
        "notes://team/public/%2e%2E/secret/a",
        "NOTES://team/secret/a",
    ] {
        assert!(is_denied(&closed, &AGENT, resource(uri)), "{uri}");
    }
    assert!(!is_denied(
        &closed,
        &AGENT,
        resource("notes://team/public/a")
    ));

    // To whom one part is open, it is no way into another that is open to somebody else.
    let open = policy(vec![
        rule(Effect::Allow, &["notes://team/public/*"]),
        Rule {
            clients: clients(&["nobody"]),
            ..rule(Effect::Allow, &["notes://*"])
        },
    ]);
    assert!(!is_denied(&open, &AGENT, resource("notes://team/public/a")));
    assert!(is_denied(
        &open,
        &AGENT,
        resource("notes://team/public/../secret/a")
    ));
    assert!(is_denied(&open, &AGENT, resource("notes://team/secret/a")));

    let others_only = policy(vec![Rule {
        clients: clients(&["nobody"]),
        ..rule(Effect::Allow, &["notes://team/secret/*"])
    }]);
    assert!(is_denied(
        &others_only,
        &AGENT,
        resource("notes://team/x/../secret/a")
    ));
    assert!(!is_denied(
        &others_only,
        &AGENT,
        resource("notes://team/x/a")
    ));
}

#[test]
fn a_standing_changes_with_scopes_and_with_what_rules_ask_for() {
    let policy = policy(vec![Rule {
        tools: patterns(&["a"]),
        roles: patterns(&["admin"]),
        effect: Some(Effect::Allow),
        ..Rule::default()
    }]);
    let standing = |scopes, claims| {
        policy.standing(
            &Caller {
                scopes,
                claims,
                ..AGENT
            }
            .principal(),
        )
    };
    let plain = standing("a", json!({}));

    assert_eq!(plain, standing("a", json!({ "iat": 7 })));
    assert_ne!(plain, standing("a b", json!({})));
    assert_ne!(plain, standing("a", json!({ "roles": "admin" })));
}

#[test]
fn a_rule_that_says_nothing_or_is_about_nothing_is_a_mistake() {
    let names = |rule: Rule| -> Vec<_> { rule.mistakes().iter().map(|one| one.0).collect() };

    assert_eq!(names(Rule::default()), ["tools", "effect"]);
    let odd = Rule {
        tools: patterns(&[]),
        clients: clients(&["https://*.example.com/agent", "!"]),
        effect: Some(Effect::Deny),
        needs: "a".parse().unwrap(),
        ..Rule::default()
    };
    assert_eq!(names(odd), ["needs", "tools", "clients", "clients"]);
}
