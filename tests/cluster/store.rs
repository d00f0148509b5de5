//! What is said of a store holds for each of them.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use mcp_usher::{
    cluster::{Claimed, Entry, Holder, Kept, Memory, RedisStore, Store, StoreError},
    secret::Secret,
};
use tokio::time::{sleep, timeout};

use crate::redis::Redis;

const LONG: Duration = Duration::from_secs(60);
const BOUND: Duration = Duration::from_secs(10);

fn holder(node: &str, epoch: u64) -> Holder {
    let node = node.to_owned();
    Holder { node, epoch }
}

fn redis_store(redis: &Redis, prefix: &str) -> RedisStore {
    let url = Secret::new(redis.url());
    RedisStore::new(&url, None, prefix, Duration::from_secs(2)).unwrap()
}

/// Every store there is, empty.
fn stores(redis: Option<&Redis>) -> Vec<Arc<dyn Store>> {
    let mut stores: Vec<Arc<dyn Store>> = vec![Arc::new(Memory::default())];
    if let Some(redis) = redis {
        stores.push(Arc::new(redis_store(redis, "test")));
    }
    stores
}

#[tokio::test]
async fn a_session_is_its_holders_until_somebody_else_has_it() {
    let redis = Redis::start();
    for store in stores(redis.as_ref()) {
        let (a, b) = (holder("a", 1), holder("b", 1));
        assert!(store.enter("s", &a, b"one", LONG).await.unwrap());
        assert!(store.enter("s", &a, b"two", LONG).await.unwrap());
        assert!(!store.enter("s", &b, b"three", LONG).await.unwrap());

        let seen = store.look_up("s").await.unwrap().entry;
        let data = b"two".to_vec();
        let holder_of = a.clone();
        assert_eq!(
            seen,
            Some(Entry {
                holder: holder_of,
                data
            })
        );
        assert_eq!(store.look_up("other").await.unwrap().entry, None);

        assert!(!store.rewrite("s", &b, b"three", LONG).await.unwrap());
        assert!(
            !store
                .rewrite("s", &holder("a", 2), b"three", LONG)
                .await
                .unwrap()
        );
        assert!(store.rewrite("s", &a, b"three", LONG).await.unwrap());
        assert!(!store.forget("s", &b).await.unwrap());
        assert!(store.forget("s", &a).await.unwrap());
        assert!(!store.forget("s", &a).await.unwrap());
        assert!(!store.rewrite("s", &a, b"four", LONG).await.unwrap());
    }
}

// L16
#[tokio::test]
async fn of_two_that_claim_a_session_one_has_it_and_the_last_holder_can_do_nothing() {
    let redis = Redis::start();
    for store in stores(redis.as_ref()) {
        let a = holder("a", 1);
        store.beat("a", b"node", LONG, "era").await.unwrap();
        store.enter("s", &a, b"data", LONG).await.unwrap();
        let claim = |me: &'static str, from: Holder, left_max| {
            let store = Arc::clone(&store);
            async move { store.claim("s", &from, me, left_max, LONG).await.unwrap() }
        };

        // Its lease lasts.
        assert_eq!(claim("b", a.clone(), Duration::ZERO).await, Claimed::Alive);
        assert_eq!(claim("b", a.clone(), LONG / 2).await, Claimed::Alive);
        // It is said to be dead whatever is left, and then its lease is over.
        assert_eq!(claim("b", a.clone(), LONG).await, Claimed::Won(2));
        assert_eq!(
            claim("c", a.clone(), LONG).await,
            Claimed::Lost(holder("b", 2))
        );
        assert_eq!(
            claim("c", holder("b", 2), Duration::ZERO).await,
            Claimed::Won(3)
        );
        assert_eq!(
            claim("d", holder("x", 1), LONG).await,
            Claimed::Lost(holder("c", 3))
        );

        assert!(!store.rewrite("s", &a, b"late", LONG).await.unwrap());
        assert!(!store.release("s", &a).await.unwrap());
        assert!(!store.forget("s", &a).await.unwrap());
        let sessions = [("s".to_owned(), 1)];
        assert_eq!(
            store.keep(&sessions, "a", LONG).await.unwrap(),
            [Kept::Moved]
        );
        let entry = store.look_up("s").await.unwrap().entry.unwrap();
        assert_eq!(
            (entry.holder, entry.data),
            (holder("c", 3), b"data".to_vec())
        );

        assert!(store.release("s", &holder("c", 3)).await.unwrap());
        assert_eq!(
            claim("d", holder("", 4), Duration::ZERO).await,
            Claimed::Won(5)
        );
        store.forget("s", &holder("d", 5)).await.unwrap();
        assert_eq!(claim("e", holder("d", 5), LONG).await, Claimed::Gone);
    }
}

#[tokio::test]
async fn sessions_and_leases_end_by_themselves_and_can_be_kept() {
    let redis = Redis::start();
    for store in stores(redis.as_ref()) {
        let (a, short) = (holder("a", 1), Duration::from_millis(300));
        store.enter("gone", &a, b"", short).await.unwrap();
        store.enter("kept", &a, b"", short).await.unwrap();
        store.beat("a", b"node", short, "era").await.unwrap();
        let known = store.look_up("kept").await.unwrap();
        let (data, left) = known.lease.unwrap();
        assert_eq!(data, b"node");
        assert!(left > Duration::ZERO && left <= short);

        let sessions = [("kept".to_owned(), 1), ("never".to_owned(), 1)];
        let kept = store.keep(&sessions, "a", LONG).await.unwrap();
        assert_eq!(kept, [Kept::Yes, Kept::Unknown]);
        sleep(short * 2).await;

        assert_eq!(store.look_up("gone").await.unwrap().entry, None);
        let seen = store.look_up("kept").await.unwrap();
        assert!(seen.entry.is_some() && seen.lease.is_none());
        assert!(store.nodes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_beat_tells_of_a_lapse_and_of_another_memory() {
    let redis = Redis::start();
    for store in stores(redis.as_ref()) {
        let first = store.beat("a", b"x", LONG, "first").await.unwrap();
        assert!(first.lapsed && first.era == "first" && first.now > 1_000_000);
        let second = store.beat("a", b"y", LONG, "second").await.unwrap();
        assert!(!second.lapsed && second.era == "first" && second.now >= first.now);
        assert_eq!(
            store.look_up("x").await.unwrap().era.as_deref(),
            Some("first")
        );
        store.beat("b", b"z", LONG, "third").await.unwrap();
        let mut nodes = store.nodes().await.unwrap();
        nodes.sort();
        let named = |name: &str, data: &[u8]| (name.to_owned(), data.to_vec());
        assert_eq!(nodes, [named("a", b"y"), named("b", b"z")]);

        store.leave("a").await.unwrap();

        assert_eq!(store.nodes().await.unwrap(), [named("b", b"z")]);
        assert!(store.beat("a", b"x", LONG, "fourth").await.unwrap().lapsed);
    }
}

#[tokio::test]
async fn orders_last_and_words_reach_all_who_listen() {
    let redis = Redis::start();
    for store in stores(redis.as_ref()) {
        store.order("one", b"1").await.unwrap();
        store.order("two", b"2").await.unwrap();
        store.order("one", b"3").await.unwrap();
        store
            .withdraw(&["two".to_owned(), "none".to_owned()])
            .await
            .unwrap();
        store.withdraw(&[]).await.unwrap();
        let kept = store.orders().await.unwrap();
        assert_eq!(kept, [("one".to_owned(), b"3".to_vec())]);

        let (mut one, mut other) = (store.listen().await.unwrap(), store.listen().await.unwrap());
        store.say(b"hello").await.unwrap();
        for heard in [&mut one, &mut other] {
            let word = timeout(BOUND, heard.next()).await.unwrap();
            assert_eq!(word.unwrap(), b"hello");
        }
    }
}

// F17, L12
#[tokio::test]
async fn a_redis_that_is_gone_is_told_from_one_that_refuses_and_is_found_again() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let store = redis_store(&redis, "test");
    store.beat("a", b"x", LONG, "era").await.unwrap();
    let mut heard = store.listen().await.unwrap();

    redis.ask("CONFIG SET maxmemory 1").unwrap();
    let refused = store.order("one", b"1").await.unwrap_err();
    assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
    redis.kill();
    let away = store.look_up("s").await.unwrap_err();
    assert!(matches!(away, StoreError::Away(_)), "{away}");
    assert!(timeout(BOUND, heard.next()).await.unwrap().is_none());
    redis.run();

    let back = async {
        while store.look_up("s").await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(BOUND, back).await.unwrap();
    let beat = store.beat("a", b"x", LONG, "other").await.unwrap();
    assert!(beat.lapsed && beat.era == "other");
}
