use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    auth::{Identity, Method},
    scope::Scopes,
};

const NOW: Timestamp = Timestamp::from_unix_seconds(1_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn cut_offs(max: usize) -> (CutOffs, Clock) {
    let clock = Clock::manual(NOW);
    let config = CutOffConfig {
        max,
        token_life_max: HumanDuration::new(HOUR),
    };
    (CutOffs::new(config, clock.clone()), clock)
}

/// Alice by the agent, with a token of that `iat` that is seen for the first time now.
fn alice(issued_at: Option<u64>) -> Principal {
    caller("alice", "agent", issued_at, HOUR)
}

fn caller(subject: &str, client: &str, issued_at: Option<u64>, life: Duration) -> Principal {
    let mut claims = json!({ "sub": subject });
    if let Some(issued_at) = issued_at {
        claims["iat"] = issued_at.into();
    }
    let identity = Identity {
        issuer: "https://i".to_owned(),
        subject: subject.to_owned(),
        client_id: Some(client.to_owned()),
        audiences: Vec::new(),
        scopes: Scopes::none(),
        expires_at: Some(NOW.plus(life)),
        verified_by: Method::Jwt,
        claims: claims.as_object().unwrap().clone(),
    };
    Principal::of_token(identity, Duration::ZERO, Some(Instant::now()), None)
}

fn whom(issuer: Option<&str>, client_id: Option<&str>, subject: Option<&str>) -> Whom {
    let own = |text: Option<&str>| text.map(str::to_owned);
    Whom {
        issuer: own(issuer),
        client_id: own(client_id),
        subject: own(subject),
    }
}

fn of_alice() -> Whom {
    whom(None, None, Some("alice"))
}

fn cut(whom: Whom) -> CutOff {
    CutOff::before(NOW, whom, NOW)
}

#[tokio::test(start_paused = true)]
async fn every_part_that_is_named_has_to_match() {
    let old = alice(Some(999_990));
    tokio::time::advance(Duration::from_millis(1)).await;
    for (meant, is_meant) in [
        (whom(Some("https://i"), Some("agent"), Some("alice")), true),
        (whom(None, Some("agent"), Some("alice")), true),
        (whom(None, Some("agent"), None), true),
        (whom(Some("https://i"), None, None), true),
        (whom(Some("https://i/"), None, Some("alice")), false),
        (whom(None, Some("other"), Some("alice")), false),
        (whom(None, Some("agent"), Some("bob")), false),
        (whom(None, None, Some("alic")), false),
        (whom(Some("https://j"), None, None), false),
    ] {
        let (cut_offs, _) = cut_offs(10);
        assert!(!cut_offs.concern(&old));

        cut_offs.add(&cut(meant.clone())).unwrap();

        assert_eq!(cut_offs.concern(&old), is_meant, "{meant:?}");
        assert_eq!(cut(meant.clone()).refuses(&old), is_meant, "{meant:?}");
        assert!(cut_offs.lift(&meant));
        assert!(!cut_offs.concern(&old) && cut_offs.is_empty());
        assert!(!cut_offs.lift(&meant));
    }
}

#[tokio::test(start_paused = true)]
async fn who_signs_in_anew_is_let_in_unless_banned() {
    let (cut_offs, clock) = cut_offs(10);
    cut_offs.add(&cut(of_alice())).unwrap();

    for (issued_at, is_refused) in [(999_999, true), (1_000_000, false), (1_000_001, false)] {
        let token = alice(Some(issued_at));
        assert_eq!(cut_offs.concern(&token), is_refused, "{issued_at}");
    }
    cut_offs.add(&cut(of_alice()).and_ban_for(HOUR)).unwrap();
    assert!(cut_offs.concern(&alice(Some(1_000_001))));
    assert_eq!(cut_offs.len(), 1, "the same callers twice");

    let earlier = Timestamp::from_unix_seconds(999_000);
    cut_offs.end_ban(&of_alice(), earlier).unwrap();
    assert!(
        cut_offs.concern(&alice(Some(1_000_001))),
        "by older news than the ban"
    );
    cut_offs.end_ban(&of_alice(), NOW).unwrap();
    assert!(!cut_offs.concern(&alice(Some(1_000_001))));
    assert!(cut_offs.concern(&alice(Some(999_999))));

    cut_offs.add(&cut(of_alice()).and_ban_for(HOUR)).unwrap();
    clock.advance(HOUR);
    assert!(!cut_offs.concern(&alice(Some(1_000_001))), "past its end");
}

// P8: of two webhooks the older one may come last.
#[tokio::test(start_paused = true)]
async fn a_ban_that_has_ended_before_it_is_told_of_refuses_nobody() {
    let (cut_offs, _) = cut_offs(10);
    let spoken = |second| {
        let then = Timestamp::from_unix_seconds(second);
        CutOff::before(then, of_alice(), NOW).and_ban_for(HOUR)
    };

    let then = Timestamp::from_unix_seconds(999_990);
    cut_offs.end_ban(&of_alice(), then).unwrap();
    cut_offs.add(&spoken(999_980)).unwrap();

    assert!(!cut_offs.concern(&alice(Some(999_995))));
    assert!(cut_offs.concern(&alice(Some(999_985))), "from before both");
    cut_offs.add(&spoken(999_991)).unwrap();
    assert!(cut_offs.concern(&alice(Some(999_995))), "another ban");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_seen_before_is_refused_whatever_it_says() {
    let (cut_offs, _) = cut_offs(10);
    let undated = alice(None);
    let ahead = alice(Some(1_000_030));
    tokio::time::advance(Duration::from_millis(1)).await;

    cut_offs.add(&cut(of_alice())).unwrap();

    assert!(cut_offs.concern(&undated) && cut_offs.concern(&ahead));
    let later = alice(None);
    assert!(!cut_offs.concern(&later));
    cut_offs.forget_first_sights();
    assert!(
        cut_offs.concern(&later),
        "nobody knows any more when it was seen"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_told_late_counts_from_when_it_happened() {
    let (cut_offs, _) = cut_offs(10);
    let before = alice(Some(999_900));
    tokio::time::advance(Duration::from_secs(60)).await;
    // She signed out at …950 and in again at …955; we hear of it at …000.
    let again = alice(Some(999_955));
    tokio::time::advance(Duration::from_secs(40)).await;

    let then = Timestamp::from_unix_seconds(999_950);
    cut_offs
        .add(&CutOff::before(then, of_alice(), NOW))
        .unwrap();

    assert!(cut_offs.concern(&before));
    assert!(!cut_offs.concern(&again));
}

#[tokio::test(start_paused = true)]
async fn a_full_table_forgets_nobody_and_says_so() {
    let (cut_offs, clock) = cut_offs(2);
    for subject in ["alice", "bob"] {
        let whom = whom(None, None, Some(subject));
        cut_offs.add(&cut(whom)).unwrap();
    }

    let one_more = cut(whom(None, Some("agent"), None));
    assert_eq!(cut_offs.add(&one_more), Err(CutOffError::Full));
    assert_eq!((cut_offs.len(), cut_offs.turned_away()), (2, 1));
    assert!(cut_offs.concern(&alice(Some(999_999))));
    // The same callers need no further place.
    cut_offs.add(&cut(of_alice())).unwrap();
    let nobody = whom(None, None, None);
    assert_eq!(cut_offs.add(&cut(nobody)), Err(CutOffError::Everybody));

    clock.advance(HOUR);
    cut_offs.add(&one_more).unwrap();
    assert_eq!(cut_offs.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_outlives_the_tokens_it_has_met() {
    let (cut_offs, clock) = cut_offs(10);
    let long = caller("alice", "agent", Some(999_999), 5 * HOUR);
    cut_offs.add(&cut(of_alice())).unwrap();
    assert!(cut_offs.concern(&long));

    clock.advance(4 * HOUR);
    cut_offs.sweep();

    assert!(cut_offs.concern(&long));
    assert_eq!(cut_offs.list()[0].ends_at, 1_000_000 + 5 * 3_600);
    clock.advance(HOUR);
    cut_offs.sweep();
    assert!(cut_offs.is_empty() && !cut_offs.concern(&long));
}
