use std::{collections::HashSet, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, advance};

use super::{
    question::{Question, Roll},
    rota::Rota,
};
use crate::{
    auth::{Identity, Method, Principal, Whom},
    scope::Scopes,
};

const MINUTE: Duration = Duration::from_secs(60);

fn user(id: &str) -> Question {
    Question::User(id.to_owned())
}

fn caller(issuer: &str, agent: Option<&str>, subject: &str, claims: &Value) -> Principal {
    Principal::new(Identity {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        client_id: agent.map(str::to_owned),
        audiences: Vec::new(),
        scopes: Scopes::none(),
        expires_at: None,
        verified_by: Method::Jwt,
        claims: claims.as_object().unwrap().clone(),
    })
}

fn questions(callers: Vec<Principal>) -> HashSet<Question> {
    let nobody = Roll::new("https://i".to_owned());
    nobody.next(callers.into_iter()).questions()
}

#[tokio::test(start_paused = true)]
async fn the_longest_unasked_is_asked_first_and_nobody_twice_in_a_turn() {
    let mut rota = Rota::new(MINUTE);
    let all = |ids: &[&str]| ids.iter().copied().map(user).collect::<HashSet<_>>();

    assert!(
        rota.due(all(&["a"]), Instant::now()).is_empty(),
        "just come"
    );
    advance(MINUTE / 2).await;
    assert!(rota.due(all(&["a", "b"]), Instant::now()).is_empty());
    advance(MINUTE / 2).await;
    assert_eq!(rota.due(all(&["a", "b"]), Instant::now()), [user("a")]);
    assert_eq!(rota.longest_unasked(Instant::now()), MINUTE);
    advance(MINUTE / 2).await;
    let due = rota.due(all(&["a", "b"]), Instant::now());
    assert_eq!(due, [user("a"), user("b")]);

    rota.asked(&user("a"), Instant::now());
    assert_eq!(rota.due(all(&["a", "b"]), Instant::now()), [user("b")]);
    // Who has gone is forgotten, and comes back as somebody new.
    assert!(rota.due(all(&["a"]), Instant::now()).is_empty());
    assert!(rota.due(all(&["a", "b"]), Instant::now()).is_empty());
}

#[test]
fn each_user_and_each_agent_is_asked_about_once() {
    let alice = |agent| caller("https://i", Some(agent), "alice", &json!({}));
    let asked = questions(vec![alice("mail"), alice("mail"), alice("notes")]);
    let application = |id: &str| Question::Application(id.to_owned());
    let expected = [
        application("mail"),
        application("notes"),
        user("alice"),
        Question::Grants("alice".to_owned()),
    ];
    assert_eq!(asked, HashSet::from(expected));
}

#[test]
fn whom_logto_can_not_know_is_not_asked_about() {
    let none = json!({});
    let other = caller("https://other", Some("mail"), "alice", &none);
    assert_eq!(questions(vec![other]), HashSet::new());
    let machine = caller("https://i", Some("m2m"), "m2m", &none);
    let asked = questions(vec![machine]);
    assert_eq!(
        asked,
        HashSet::from([Question::Application("m2m".to_owned())])
    );
    for agent in ["https://agent.example/client.json", "demo-app", "../users"] {
        let asked = questions(vec![caller("https://i", Some(agent), "alice", &none)]);
        assert_eq!(asked, HashSet::from([user("alice")]), "{agent}");
    }
    let renamed = caller(
        "https://i",
        None,
        "alice@example.com",
        &json!({ "sub": "u1" }),
    );
    assert_eq!(questions(vec![renamed]), HashSet::from([user("u1")]));
    let unheard = caller("https://i", None, "../applications", &none);
    assert_eq!(questions(vec![unheard]), HashSet::new());
}

#[test]
fn who_was_cut_off_is_not_asked_about_any_more() {
    let callers = ["mail", "notes"].map(|agent| caller("https://i", Some(agent), "u", &json!({})));
    let nobody = Roll::new("https://i".to_owned());
    let mut roll = nobody.next(callers.into_iter());
    let grants = Question::Grants("u".to_owned());
    let whom = |agent: Option<&str>, subject: Option<&str>| Whom {
        issuer: Some("https://i".to_owned()),
        client_id: agent.map(str::to_owned),
        subject: subject.map(str::to_owned),
    };

    roll.strike(&whom(Some("mail"), None));
    assert!(!roll.is_about_somebody(&Question::Application("mail".to_owned())));
    assert!(roll.is_about_somebody(&grants));
    roll.strike(&whom(Some("notes"), Some("u")));
    assert!(!roll.is_about_somebody(&grants));
    assert!(roll.is_about_somebody(&user("u")));
    roll.strike(&whom(None, Some("u")));
    assert_eq!(
        roll.questions(),
        HashSet::from([Question::Application("notes".to_owned())])
    );
}
