//! Whose turn it is to be asked about.
//!
//! Pure: told who is there and what time it is, it says what is due.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;

use super::question::Question;

/// When each question was asked last. Holds no more than there are callers, since those who have gone
/// are forgotten at the next look.
#[derive(Debug)]
pub(super) struct Rota {
    every: Duration,
    asked: HashMap<Question, Instant>,
}

impl Rota {
    pub(super) fn new(every: Duration) -> Self {
        Self {
            every,
            asked: HashMap::new(),
        }
    }

    /// What is due of all there is to ask, the longest unasked first. Who has just come was let in by a
    /// token of late, and counts as asked about now.
    pub(super) fn due(&mut self, all: HashSet<Question>, now: Instant) -> Vec<Question> {
        self.asked.retain(|question, _| all.contains(question));
        for question in all {
            self.asked.entry(question).or_insert(now);
        }
        let is_due = |asked: Instant| now.duration_since(asked) >= self.every;
        let mut due: Vec<_> = self
            .asked
            .iter()
            .filter(|(_, asked)| is_due(**asked))
            .map(|(question, asked)| (*asked, question.clone()))
            .collect();
        due.sort_unstable();
        due.into_iter().map(|(_, question)| question).collect()
    }

    /// It was asked, whatever came of it.
    pub(super) fn asked(&mut self, question: &Question, now: Instant) {
        if let Some(asked) = self.asked.get_mut(question) {
            *asked = now;
        }
    }

    /// How long ago that was asked which was asked the longest ago.
    pub(super) fn longest_unasked(&self, now: Instant) -> Duration {
        let first = self.asked.values().min();
        first.map_or(Duration::ZERO, |first| now.duration_since(*first))
    }
}
