//! What has changed, told to every client that wants to know.
//!
//! Whoever changes a list or a resource says so on [`Changes`]; the router tells sessions, and each
//! `subscriptions/listen` stream (2026-07-28) listens by itself. Nobody waits for a listener: one
//! that falls behind by more than [`WAITING_MAX`] changes is told of every list at once instead.

use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};

/// Changes that may wait for a listener.
pub const WAITING_MAX: usize = 256;

/// Something a client may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// The resource under this URI.
    Resource(String),
}

/// Where changes are said. Clones speak to the same listeners.
#[derive(Debug, Clone)]
pub struct Changes {
    here: broadcast::Sender<Change>,
    /// What was said here, and not by another node.
    outward: broadcast::Sender<Change>,
}

/// A listener's end.
#[derive(Debug)]
pub struct ChangeListener {
    all: broadcast::Receiver<Change>,
    /// What is said to this listener alone.
    own: Option<broadcast::Receiver<Change>>,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            here: broadcast::Sender::new(WAITING_MAX),
            outward: broadcast::Sender::new(WAITING_MAX),
        }
    }
}

impl Changes {
    /// Tells everybody who listens now.
    pub fn announce(&self, change: Change) {
        // That nobody listens is no error.
        let _others = self.outward.send(change.clone());
        self.announce_here(change);
    }

    /// Tells everybody on this node: another has said it to all.
    pub fn announce_here(&self, change: Change) {
        let _listeners = self.here.send(change);
    }

    /// Listens from now on to what other nodes have to be told.
    #[must_use]
    pub fn listen_outward(&self) -> ChangeListener {
        ChangeListener {
            all: self.outward.subscribe(),
            own: None,
        }
    }

    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> ChangeListener {
        ChangeListener {
            all: self.here.subscribe(),
            own: None,
        }
    }
}

impl ChangeListener {
    /// Listens to these as well. They may end before the others.
    #[must_use]
    pub fn and(mut self, own: &Changes) -> Self {
        self.own = Some(own.here.subscribe());
        self
    }

    /// The next changes, each once however often it was announced meanwhile; `None` when none can come
    /// any more.
    pub async fn next(&mut self) -> Option<Vec<Change>> {
        let mut told = Vec::new();
        while told.is_empty() {
            let first = match &mut self.own {
                None => self.all.recv().await,
                Some(own) => tokio::select! {
                    first = self.all.recv() => first,
                    first = own.recv() => match first {
                        Err(RecvError::Closed) => {
                            self.own = None;
                            continue;
                        }
                        first => first,
                    },
                },
            };
            match first {
                Ok(change) => told.push(change),
                Err(RecvError::Lagged(_)) => tell_all(&mut told),
                Err(RecvError::Closed) => return None,
            }
        }
        drain(&mut self.all, &mut told);
        if let Some(own) = &mut self.own {
            drain(own, &mut told);
        }
        Some(told)
    }
}

/// No more than can wait: announcing must not keep a listener here for good.
fn drain(changes: &mut broadcast::Receiver<Change>, told: &mut Vec<Change>) {
    for _ in 0..WAITING_MAX {
        match changes.try_recv() {
            Ok(change) => tell(told, change),
            Err(TryRecvError::Lagged(_)) => tell_all(told),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
}

fn tell(told: &mut Vec<Change>, change: Change) {
    if !told.contains(&change) {
        told.push(change);
    }
}

/// What was missed is not known any more, so every list may have changed.
fn tell_all(told: &mut Vec<Change>) {
    for change in [Change::Tools, Change::Prompts, Change::Resources] {
        tell(told, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_to_one_listener_is_heard_beside_the_rest() {
        let (changes, own) = (Changes::default(), Changes::default());
        let (mut one, mut other) = (changes.listen().and(&own), changes.listen());

        own.announce(Change::Prompts);
        assert_eq!(one.next().await.unwrap(), [Change::Prompts]);
        drop(own);
        changes.announce(Change::Tools);

        assert_eq!(one.next().await.unwrap(), [Change::Tools]);
        assert_eq!(other.next().await.unwrap(), [Change::Tools]);
    }

    #[tokio::test]
    async fn every_listener_hears_every_change() {
        let changes = Changes::default();
        let (mut one, mut other) = (changes.listen(), changes.listen());

        changes.announce(Change::Resource("a".into()));

        assert_eq!(one.next().await.unwrap(), [Change::Resource("a".into())]);
        assert_eq!(other.next().await.unwrap(), [Change::Resource("a".into())]);
    }

    #[tokio::test]
    async fn a_listener_that_fell_behind_is_told_of_every_list() {
        let changes = Changes::default();
        let mut slow = changes.listen();

        for _ in 0..=WAITING_MAX {
            changes.announce(Change::Resource("a".into()));
        }

        let told = slow.next().await.unwrap();
        assert_eq!(
            told[..3],
            [Change::Tools, Change::Prompts, Change::Resources]
        );
    }

    #[tokio::test]
    async fn what_was_announced_again_meanwhile_is_told_once() {
        let changes = Changes::default();
        let mut listener = changes.listen();

        for change in [Change::Tools, Change::Prompts, Change::Tools, Change::Tools] {
            changes.announce(change);
        }

        let told = listener.next().await.unwrap();
        assert_eq!(told, [Change::Tools, Change::Prompts]);
    }
}
