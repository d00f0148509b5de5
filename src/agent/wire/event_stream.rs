//! Reads `text/event-stream` (WHATWG HTML §9.2).
//!
//! The transports read servers' streams through [`EventReader`]; [`Parser`] is the pure part: bytes in,
//! split anywhere, events out. LF, CR and CRLF end a line; a byte order mark, comments and unknown
//! fields are passed over; an event cut off by the end of the stream is dropped, as the standard says.
//! No event grows past the limit the parser was given.

use std::{collections::VecDeque, time::Duration};

use crate::{
    agent::{config::MESSAGE_MAX, error::AgentError},
    units::ByteSize,
};

/// One event, as dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamEvent {
    /// The `event` field; `message` where there was none.
    pub(super) kind: String,
    /// The `data` lines joined by LF. Empty for a priming event (2025-11-25, transports).
    pub(super) data: String,
}

/// An event or a line past the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Bytes in, events out.
#[derive(Debug)]
pub(super) struct Parser {
    limit: usize,
    line: Vec<u8>,
    kind: String,
    data: String,
    has_data: bool,
    pending_id: Option<String>,
    last_id: Option<String>,
    retry: Option<Duration>,
    at_start: bool,
    after_cr: bool,
}

impl Parser {
    /// A parser whose lines and events stay below `limit`.
    pub(super) fn new(limit: ByteSize) -> Self {
        Self {
            limit: limit.bytes(),
            line: Vec::new(),
            kind: String::new(),
            data: String::new(),
            has_data: false,
            pending_id: None,
            last_id: None,
            retry: None,
            at_start: true,
            after_cr: false,
        }
    }

    /// The last event id, sent as `Last-Event-ID` when a stream is resumed.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// How long the server asks to wait before coming back.
    pub(super) const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Takes the next bytes; finished events go to `events`.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        events: &mut VecDeque<StreamEvent>,
    ) -> Result<(), TooLarge> {
        for &byte in bytes {
            // The LF of a CRLF, which may come in another piece than its CR.
            let second_half = self.after_cr && byte == b'\n';
            self.after_cr = byte == b'\r';
            match byte {
                _ if second_half => {}
                b'\n' | b'\r' => self.end_line(events),
                _ if self.line.len() + self.data.len() >= self.limit => return Err(TooLarge),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    fn end_line(&mut self, events: &mut VecDeque<StreamEvent>) {
        let line = std::mem::take(&mut self.line);
        let mut bytes = line.as_slice();
        if std::mem::take(&mut self.at_start) {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        // A line break never lies inside a character, so decoding by line is decoding the stream.
        let text = String::from_utf8_lossy(bytes);
        if text.is_empty() {
            self.dispatch(events);
        } else if !text.starts_with(':') {
            let (field, value) = text.split_once(':').unwrap_or((&text, ""));
            self.field(field, value.strip_prefix(' ').unwrap_or(value));
        }
        self.line = line;
        self.line.clear();
    }

    fn field(&mut self, name: &str, value: &str) {
        match name {
            "event" => value.clone_into(&mut self.kind),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" if !value.contains('\0') => self.pending_id = Some(value.to_owned()),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis);
            }
            _ => {}
        }
    }

    fn dispatch(&mut self, events: &mut VecDeque<StreamEvent>) {
        if let Some(id) = self.pending_id.take() {
            // An empty id resets it (§9.2.6).
            self.last_id = Some(id).filter(|id| !id.is_empty());
        }
        let kind = std::mem::take(&mut self.kind);
        let data = std::mem::take(&mut self.data);
        if std::mem::take(&mut self.has_data) {
            let kind = if kind.is_empty() {
                "message".to_owned()
            } else {
                kind
            };
            events.push_back(StreamEvent { kind, data });
        }
    }
}

/// The events of an HTTP answer.
#[derive(Debug)]
pub(super) struct EventReader {
    response: reqwest::Response,
    parser: Parser,
    ready: VecDeque<StreamEvent>,
}

impl EventReader {
    /// Reads the body of `response`, events of at most [`MESSAGE_MAX`].
    pub(super) fn new(response: reqwest::Response) -> Self {
        Self {
            response,
            parser: Parser::new(MESSAGE_MAX),
            ready: VecDeque::new(),
        }
    }

    /// Goes on with the body of another answer; id and `retry` are kept.
    pub(super) fn resume(&mut self, response: reqwest::Response) {
        let mut parser = Parser::new(MESSAGE_MAX);
        parser.last_id = self.parser.last_id.take();
        parser.retry = self.parser.retry;
        self.parser = parser;
        self.response = response;
    }

    /// See [`Parser::last_id`].
    pub(super) fn last_id(&self) -> Option<&str> {
        self.parser.last_id()
    }

    /// See [`Parser::retry`].
    pub(super) const fn retry(&self) -> Option<Duration> {
        self.parser.retry()
    }

    /// The next event; none when the stream ended or broke. Safe to be dropped and called again.
    ///
    /// # Errors
    /// [`AgentError::TooLarge`].
    pub(super) async fn next(&mut self) -> Result<Option<StreamEvent>, AgentError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            // A stream that breaks is an ended one: either may be resumed.
            let Ok(Some(chunk)) = self.response.chunk().await else {
                return Ok(None);
            };
            self.parser
                .push(&chunk, &mut self.ready)
                .map_err(|TooLarge| AgentError::TooLarge(MESSAGE_MAX))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse_in_pieces(bytes: &[u8], piece: usize) -> (Parser, Vec<(String, String)>) {
        let mut parser = Parser::new(ByteSize::from_kib(64));
        let mut events = VecDeque::new();
        for piece in bytes.chunks(piece.max(1)) {
            parser.push(piece, &mut events).unwrap();
        }
        let events = events.into_iter().map(|event| (event.kind, event.data));
        (parser, events.collect())
    }

    fn parse(text: &str) -> Vec<(String, String)> {
        parse_in_pieces(text.as_bytes(), usize::MAX).1
    }

    fn message(data: &str) -> (String, String) {
        ("message".to_owned(), data.to_owned())
    }

    #[test]
    fn lf_cr_and_crlf_end_a_line() {
        let events = parse("data: a\n\ndata: b\r\rdata: c\r\n\r\ndata: d\r\n\n");

        assert_eq!(events, ["a", "b", "c", "d"].map(message));
    }

    #[test]
    fn several_data_lines_are_joined_by_lf() {
        assert_eq!(
            parse("data: {\ndata:  \"a\"\ndata\ndata:}\n\n"),
            [message("{\n \"a\"\n\n}")]
        );
    }

    #[test]
    fn comments_and_unknown_fields_are_passed_over() {
        assert_eq!(
            parse(": keep-alive\n\nfoo: bar\ndata: a\n:x\n\n"),
            [message("a")]
        );
    }

    #[test]
    fn an_event_keeps_its_kind_and_the_next_starts_anew() {
        let events = parse("event: endpoint\ndata: /m\n\ndata: x\n\nevent: lost\n\ndata: y\n\n");

        assert_eq!(
            events,
            [
                ("endpoint".to_owned(), "/m".to_owned()),
                message("x"),
                message("y")
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_is_taken_off_once() {
        assert_eq!(parse("\u{feff}data: a\n\n"), [message("a")]);
        assert_eq!(parse("\n\u{feff}data: a\n\n"), []);
    }

    #[test]
    fn an_unfinished_event_is_dropped() {
        assert_eq!(parse("data: a\n\ndata: b\n"), [message("a")]);
    }

    #[test]
    fn a_priming_event_has_an_id_and_empty_data() {
        let (parser, events) = parse_in_pieces(b"id: 7\nretry: 1500\ndata:\n\n", 1);

        assert_eq!(events, [message("")]);
        assert_eq!(parser.last_id(), Some("7"));
        assert_eq!(parser.retry(), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn an_id_counts_once_its_event_is_whole() {
        let (parser, _) = parse_in_pieces(b"id: 1\n\nid: 2\n", 3);

        assert_eq!(parser.last_id(), Some("1"));
    }

    #[test]
    fn an_id_with_a_nul_and_a_retry_that_is_no_number_are_ignored() {
        let (parser, _) = parse_in_pieces(b"id: 1\n\nid: a\0b\nretry: 1s\n\n", 2);

        assert_eq!(parser.last_id(), Some("1"));
        assert_eq!(parser.retry(), None);
    }

    #[test]
    fn an_event_past_the_limit_is_refused() {
        for text in ["data: 0123456789abcdef", "data: 01234567\ndata: 01234567\n"] {
            let mut parser = Parser::new(ByteSize::from_bytes(16));

            let outcome = parser.push(text.as_bytes(), &mut VecDeque::new());

            assert_eq!(outcome, Err(TooLarge), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_split_makes_no_difference(
            lines in prop::collection::vec(
                prop_oneof!["data: ?[a-zä\u{20ac}]{0,6}", "id: [0-9]", "event: [a-z]{1,3}", ":c", ""],
                0..20,
            ),
            ends in prop::collection::vec(prop_oneof!["\n", "\r", "\r\n"], 20),
            piece in 1_usize..7,
        ) {
            let text: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line, end]).cloned().collect();

            let (_, whole) = parse_in_pieces(text.as_bytes(), usize::MAX);
            let (_, split) = parse_in_pieces(text.as_bytes(), piece);

            prop_assert_eq!(whole, split);
        }
    }
}
