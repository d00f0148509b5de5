//! Requests that were taken before: a sealed request is good once.
//!
//! Each process numbers what it seals, so for each a window of numbers is remembered; one that lies
//! before the window, or was seen in it, is refused. Only who has the key can make an entry here.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::time::Instant;

/// Numbers of one process that are told from each other: a request that so many others overtook is
/// refused, and was not run.
const WINDOW: u64 = 1 << 16;
/// Processes that are remembered; of more, the one that was silent for longest is forgotten.
const PROCESSES_MAX: usize = 256;

const WORDS: usize = (WINDOW / 64) as usize;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Replayed(Mutex<HashMap<[u8; 16], Window>>);

#[derive(Debug)]
struct Window {
    /// The first number that is above all seen.
    end: u64,
    seen: Box<[u64]>,
    heard: Instant,
}

impl Replayed {
    /// Whether this number of that process is new, and remembers it.
    pub(super) fn admit(&self, process: [u8; 16], number: u64) -> bool {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= PROCESSES_MAX && !windows.contains_key(&process) {
            let silent = windows.iter().min_by_key(|(_, window)| window.heard);
            if let Some(silent) = silent.map(|(process, _)| *process) {
                windows.remove(&silent);
            }
        }
        let window = windows.entry(process).or_insert_with(|| Window {
            end: number,
            seen: vec![0; WORDS].into(),
            heard: Instant::now(),
        });
        window.heard = Instant::now();
        window.admit(number)
    }
}

impl Window {
    fn admit(&mut self, number: u64) -> bool {
        if number >= self.end {
            if number - self.end >= WINDOW {
                self.seen.fill(0);
            } else {
                (self.end..=number).for_each(|number| self.set(number, false));
            }
            self.end = number.saturating_add(1);
            self.set(number, true);
            return true;
        }
        if self.end - number > WINDOW || self.has(number) {
            return false;
        }
        self.set(number, true);
        true
    }

    fn place(number: u64) -> (usize, u64) {
        let place = number % WINDOW;
        (
            usize::try_from(place / 64).unwrap_or_default(),
            1 << (place % 64),
        )
    }

    fn has(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, number: u64, seen: bool) {
        let (word, bit) = Self::place(number);
        if seen {
            self.seen[word] |= bit;
        } else {
            self.seen[word] &= !bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_good_once_in_whatever_order_they_come() {
        let replayed = Replayed::default();
        let one = [1; 16];
        for number in [5, 3, 4, 200, 70_000, 69_999, 4_465] {
            assert!(replayed.admit(one, number), "{number}");
            assert!(!replayed.admit(one, number), "{number} twice");
        }
        assert!(!replayed.admit(one, 4_463), "older than the window");
        assert!(replayed.admit([2; 16], 5), "another process");
        assert!(replayed.admit(one, u64::MAX - 1));
        assert!(!replayed.admit(one, 70_001));
    }

    #[test]
    fn processes_are_bounded() {
        let replayed = Replayed::default();
        for process in 0..=PROCESSES_MAX {
            let mut name = [0; 16];
            name[..8].copy_from_slice(&process.to_be_bytes());
            assert!(replayed.admit(name, 0));
        }
        assert_eq!(replayed.0.lock().unwrap().len(), PROCESSES_MAX);
    }
}
