//! What nodes share, for several of them in one process: tests, and an `App` that mounts more than one.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::ready, stream};
use tokio::{sync::broadcast, time::Instant};

use super::store::{Answer, Beat, Claimed, Entry, Heard, Holder, Kept, Sight, Store, StoreError};

/// Words that may wait for a listener; one that falls behind further is at its end, and begins anew.
const WORDS_WAITING_MAX: usize = 1_024;

/// What its clock says at first, in milliseconds: moments before its beginning are moments too.
const BEGINNING: u64 = 1_000_000_000_000;

/// See the file's head. Clones share everything.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    begun: Instant,
    state: Mutex<State>,
    words: broadcast::Sender<Vec<u8>>,
}

#[derive(Default)]
struct State {
    era: Option<String>,
    sessions: HashMap<String, (Entry, Instant)>,
    nodes: HashMap<String, (Vec<u8>, Instant)>,
    orders: HashMap<String, Vec<u8>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Inner {
            begun: Instant::now(),
            state: Mutex::default(),
            words: broadcast::Sender::new(WORDS_WAITING_MAX),
        }))
    }
}

impl Memory {
    /// Loses all of it, as a store does that is restarted.
    pub fn flush(&self) {
        *self.lock() = State::default();
    }

    /// No step leaves the state half done, so a lock that a panic poisoned is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        let state = self.0.state.lock();
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.sessions.retain(|_, (_, ends)| *ends > now);
        state.nodes.retain(|_, (_, ends)| *ends > now);
        state
    }

    fn done<'a, T: Send + 'a>(&self, work: impl FnOnce(&mut State) -> T) -> Answer<'a, T> {
        let done = work(&mut self.lock());
        ready(Ok(done)).boxed()
    }
}

impl State {
    /// A session, if it is this holder's.
    fn held(&mut self, id: &str, holder: &Holder) -> Option<&mut (Entry, Instant)> {
        let held = self.sessions.get_mut(id)?;
        (held.0.holder == *holder).then_some(held)
    }

    /// How long a node's lease still lasts.
    fn left(&self, node: &str) -> Option<Duration> {
        let (_, ends) = self.nodes.get(node)?;
        Some(ends.duration_since(Instant::now()))
    }
}

impl Store for Memory {
    fn enter<'a>(
        &'a self,
        id: &'a str,
        holder: &'a Holder,
        data: &'a [u8],
        ttl: Duration,
    ) -> Answer<'a, bool> {
        self.done(|state| {
            let others = state.sessions.get(id);
            if others.is_some_and(|(entry, _)| entry.holder != *holder) {
                return false;
            }
            let (holder, data) = (holder.clone(), data.to_vec());
            let entry = Entry { holder, data };
            state
                .sessions
                .insert(id.to_owned(), (entry, Instant::now() + ttl));
            true
        })
    }

    fn look_up<'a>(&'a self, id: &'a str) -> Answer<'a, Sight> {
        self.done(|state| {
            let entry = state.sessions.get(id).map(|(entry, _)| entry.clone());
            let node = entry.as_ref().map(|entry| entry.holder.node.as_str());
            let lease = node.and_then(|node| {
                let (data, _) = state.nodes.get(node)?;
                Some((data.clone(), state.left(node)?))
            });
            Sight {
                lease,
                entry,
                era: state.era.clone(),
            }
        })
    }

    fn claim<'a>(
        &'a self,
        id: &'a str,
        from: &'a Holder,
        me: &'a str,
        left_max: Duration,
        ttl: Duration,
    ) -> Answer<'a, Claimed> {
        self.done(|state| {
            let left = state.left(&from.node);
            let Some((entry, ends)) = state.sessions.get_mut(id) else {
                return Claimed::Gone;
            };
            if entry.holder != *from {
                return Claimed::Lost(entry.holder.clone());
            }
            if left.is_some_and(|left| left > left_max) {
                return Claimed::Alive;
            }
            let epoch = from.epoch + 1;
            entry.holder = Holder {
                node: me.to_owned(),
                epoch,
            };
            *ends = Instant::now() + ttl;
            Claimed::Won(epoch)
        })
    }

    fn release<'a>(&'a self, id: &'a str, holder: &'a Holder) -> Answer<'a, bool> {
        self.done(|state| {
            let Some((entry, _)) = state.held(id, holder) else {
                return false;
            };
            entry.holder = Holder {
                node: String::new(),
                epoch: holder.epoch + 1,
            };
            true
        })
    }

    fn forget<'a>(&'a self, id: &'a str, holder: &'a Holder) -> Answer<'a, bool> {
        self.done(|state| {
            let held = state.held(id, holder).is_some();
            if held {
                state.sessions.remove(id);
            }
            held
        })
    }

    fn rewrite<'a>(
        &'a self,
        id: &'a str,
        holder: &'a Holder,
        data: &'a [u8],
        ttl: Duration,
    ) -> Answer<'a, bool> {
        self.done(|state| {
            let Some((entry, ends)) = state.held(id, holder) else {
                return false;
            };
            entry.data = data.to_vec();
            *ends = Instant::now() + ttl;
            true
        })
    }

    fn keep<'a>(
        &'a self,
        sessions: &'a [(String, u64)],
        me: &'a str,
        ttl: Duration,
    ) -> Answer<'a, Vec<Kept>> {
        self.done(|state| {
            let keep = |(id, epoch): &(String, u64)| match state.sessions.get_mut(id) {
                None => Kept::Unknown,
                Some((entry, ends)) => {
                    if entry.holder.node != me || entry.holder.epoch != *epoch {
                        return Kept::Moved;
                    }
                    *ends = Instant::now() + ttl;
                    Kept::Yes
                }
            };
            sessions.iter().map(keep).collect()
        })
    }

    fn beat<'a>(
        &'a self,
        me: &'a str,
        data: &'a [u8],
        life: Duration,
        era: &'a str,
    ) -> Answer<'a, Beat> {
        let now = self.0.begun.elapsed().as_millis();
        self.done(|state| {
            let ends = Instant::now() + life;
            let before = state.nodes.insert(me.to_owned(), (data.to_vec(), ends));
            let era = state.era.get_or_insert_with(|| era.to_owned()).clone();
            Beat {
                era,
                now: BEGINNING + u64::try_from(now).unwrap_or_default(),
                lapsed: before.is_none(),
            }
        })
    }

    fn leave<'a>(&'a self, me: &'a str) -> Answer<'a, ()> {
        self.done(|state| {
            state.nodes.remove(me);
        })
    }

    fn nodes(&self) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        self.done(|state| {
            let nodes = state.nodes.iter();
            nodes
                .map(|(node, (data, _))| (node.clone(), data.clone()))
                .collect()
        })
    }

    fn order<'a>(&'a self, name: &'a str, data: &'a [u8]) -> Answer<'a, ()> {
        self.done(|state| {
            state.orders.insert(name.to_owned(), data.to_vec());
        })
    }

    fn orders(&self) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        self.done(|state| {
            let orders = state.orders.iter();
            orders
                .map(|(name, data)| (name.clone(), data.clone()))
                .collect()
        })
    }

    fn withdraw<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()> {
        self.done(|state| state.orders.retain(|name, _| !names.contains(name)))
    }

    fn say<'a>(&'a self, word: &'a [u8]) -> Answer<'a, ()> {
        // That nobody listens is no error.
        let _listeners = self.0.words.send(word.to_vec());
        ready(Ok(())).boxed()
    }

    fn listen(&self) -> Answer<'_, Heard> {
        let words = self.0.words.subscribe();
        let heard = stream::unfold(words, async |mut words| {
            // Who has missed some has to begin anew, and so learns of it.
            words.recv().await.ok().map(|word| (word, words))
        });
        let heard: Result<Heard, StoreError> = Ok(heard.boxed());
        ready(heard).boxed()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memory")
    }
}
