//! The queue between an outlet and its frames: what waits, what is kept to be sent again, who waits.
//!
//! Pure but for the wakers. A *kept* queue does not forget a frame when it is read: a reader whose
//! connection broke may come back and go on after the last one it saw (2025-11-25, resumability).

use std::{collections::VecDeque, task::Waker};

use super::{CloseReason, Config, Frame, OutletError};

/// See the file's head.
pub(super) struct Queue {
    config: Config,
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Number of the first frame in `frames`; the first ever is 1.
    first: u64,
    /// How many of `frames` have been read; always 0 unless kept.
    read: usize,
    /// Answers that find a place however much waits before them.
    answers_due: usize,
    /// Kept to be sent again, under this stream's number within its session.
    kept: Option<u64>,
    /// Which reader is the present one; an earlier one is at its end.
    pub(super) reader_number: u64,
    pub(super) outlets: usize,
    ended: Option<CloseReason>,
    pub(super) reader: Option<Waker>,
    pub(super) watchers: Vec<Waker>,
}

/// Names a frame to the client: the stream's number, and the frame's within it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventId {
    /// Which stream of the session.
    pub stream: u64,
    /// Which frame of the stream; the first is 1, and 0 stands before it.
    pub frame: u64,
}

/// There is nothing to go on from: the frames after that one are not kept any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what follows that event is not kept any more")]
pub struct NotKept(());

impl Queue {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            frames: VecDeque::new(),
            bytes: 0,
            first: 1,
            read: 0,
            answers_due: 1,
            kept: None,
            reader_number: 0,
            outlets: 1,
            ended: None,
            reader: None,
            watchers: Vec::new(),
        }
    }

    pub(super) fn keep(&mut self, stream: u64) {
        self.kept = Some(stream);
    }

    pub(super) fn stream(&self) -> Option<u64> {
        self.kept
    }

    pub(super) fn ended(&self) -> Option<CloseReason> {
        self.ended
    }

    pub(super) fn push(&mut self, frame: Frame) -> Result<(), OutletError> {
        if self.ended.is_some() {
            return Err(OutletError::Gone);
        }
        // What is due finds a place however much was said before it; any other answer has to fit.
        if matches!(frame, Frame::Answer(_)) && self.answers_waiting() < self.answers_due {
            self.accept(frame);
            return Ok(());
        }
        // What was read is kept as far as there is room, and gives way to what was not.
        while self.read > 0 && self.is_full(frame.bytes().len()) {
            self.forget_first();
        }
        if self.is_full(frame.bytes().len()) {
            self.discard();
            self.end(CloseReason::SlowReader);
            return Err(OutletError::Full);
        }
        self.accept(frame);
        Ok(())
    }

    fn accept(&mut self, frame: Frame) {
        self.bytes += frame.bytes().len();
        self.frames.push_back(frame);
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    fn answers_waiting(&self) -> usize {
        let waiting = self.frames.iter().skip(self.read);
        waiting
            .filter(|frame| matches!(frame, Frame::Answer(_)))
            .count()
    }

    pub(super) fn expect_answers(&mut self, number: usize) {
        self.answers_due = number;
    }

    /// Whether what nobody has to hear, as progress and log messages, had better be left out.
    pub(super) fn is_crowded(&self) -> bool {
        let waiting = self.frames.len() - self.read;
        waiting >= self.config.frames_max / 2 || self.bytes >= self.config.bytes_max.bytes() / 2
    }

    fn is_full(&self, more: usize) -> bool {
        let over_bytes = self.bytes + more > self.config.bytes_max.bytes();
        self.frames.len() >= self.config.frames_max || (over_bytes && !self.frames.is_empty())
    }

    /// The next frame and its number.
    pub(super) fn pop(&mut self) -> Option<(Frame, u64)> {
        let frame = self.frames.get(self.read)?.clone();
        let number = self.first + self.read as u64;
        self.read += 1;
        if self.kept.is_none() {
            self.forget_first();
        }
        Some((frame, number))
    }

    fn forget_first(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes -= frame.bytes().len();
            self.first += 1;
            self.read = self.read.saturating_sub(1);
        }
    }

    /// Goes on after the frame of this number, for a new reader.
    pub(super) fn resume(&mut self, after: u64) -> Result<(), NotKept> {
        let next = after.checked_add(1).ok_or(NotKept(()))?;
        let read = next.checked_sub(self.first).ok_or(NotKept(()))?;
        let read = usize::try_from(read).map_err(|_too_large| NotKept(()))?;
        if self.kept.is_none() || read > self.frames.len() {
            return Err(NotKept(()));
        }
        self.read = read;
        self.detach();
        Ok(())
    }

    /// The present reader is at its end, and the stream is not.
    pub(super) fn detach(&mut self) {
        self.reader_number += 1;
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn end(&mut self, reason: CloseReason) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(reason);
        self.reader
            .take()
            .into_iter()
            .chain(self.watchers.drain(..))
            .for_each(Waker::wake);
    }

    /// Keeps nothing any more.
    pub(super) fn forget(&mut self) {
        self.kept = None;
        self.discard();
    }

    pub(super) fn discard(&mut self) {
        self.first += self.frames.len() as u64;
        self.frames = VecDeque::new();
        self.bytes = 0;
        self.read = 0;
    }
}
