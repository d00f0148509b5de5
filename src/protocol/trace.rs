//! Which trace a request belongs to: W3C Trace Context and Baggage, as the client says it.
//!
//! In `_meta` of a request (2026-07-28, basic, distributed tracing conventions; tolerated in every
//! version) or in the headers of the HTTP request around it. A stranger writes it, so it is checked,
//! bounded and believed in nothing: what does not fit is left out, and never an error (Trace Context
//! §3.2.2.3, §3.3.1). Read by `transport`, shown to handlers, named in the spans of `telemetry`.

use std::fmt;

use serde_json::Value;

/// Longest `tracestate` that is kept, in bytes: as much as everybody has to pass on (Trace Context
/// §3.3.1.5).
pub const TRACESTATE_BYTES_MAX: usize = 512;
/// Most members of one (§3.3.1.1).
pub const TRACESTATE_MEMBERS_MAX: usize = 32;
/// Longest `baggage` that is kept, in bytes (Baggage §3.3.2).
pub const BAGGAGE_BYTES_MAX: usize = 8_192;
/// Most members of one (the same).
pub const BAGGAGE_MEMBERS_MAX: usize = 64;

/// What a request says of the trace it belongs to; perhaps nothing. Cheap to clone where it is empty.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TraceContext(Option<Box<Inner>>);

#[derive(Clone, PartialEq, Eq, Default)]
struct Inner {
    parent: Option<TraceParent>,
    state: Option<Box<str>>,
    baggage: Option<Box<str>>,
}

/// A trace, and the span in it that caused this request (Trace Context §3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

/// One carrier's three members, as they came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried<'a> {
    /// `traceparent`.
    pub parent: Option<&'a str>,
    /// `tracestate`; several header lines joined by commas.
    pub state: Option<&'a str>,
    /// `baggage`; the same.
    pub baggage: Option<&'a str>,
}

impl<'a> Carried<'a> {
    /// Of `_meta`'s members, those that are texts.
    pub(super) fn of(
        parent: Option<&'a Value>,
        state: Option<&'a Value>,
        baggage: Option<&'a Value>,
    ) -> Self {
        Self {
            parent: parent.and_then(Value::as_str),
            state: state.and_then(Value::as_str),
            baggage: baggage.and_then(Value::as_str),
        }
    }

    fn traced(self) -> Option<(TraceParent, Option<&'a str>)> {
        let parent = self.parent?.parse().ok()?;
        Some((parent, self.state.and_then(tracestate)))
    }
}

impl TraceContext {
    /// What the message says counts, and for what it does not say, what the HTTP request around it
    /// says: that may be one of several for the message, or be caused by a proxy (OpenTelemetry,
    /// conventions for MCP). A parent and its state are of one carrier.
    #[must_use]
    pub fn read(message: Carried<'_>, around: Carried<'_>) -> Self {
        let (parent, state) = message
            .traced()
            .or_else(|| around.traced())
            .map_or((None, None), |(parent, state)| (Some(parent), state));
        let baggage = [message, around]
            .into_iter()
            .find_map(|carried| carried.baggage.and_then(baggage));
        if parent.is_none() && baggage.is_none() {
            return Self::default();
        }
        Self(Some(Box::new(Inner {
            parent,
            state: state.map(Into::into),
            baggage: baggage.map(Into::into),
        })))
    }

    /// The trace and the span that caused this request.
    #[must_use]
    pub fn parent(&self) -> Option<TraceParent> {
        self.0.as_ref()?.parent
    }

    /// What tracing systems say to each other, to be passed on as it is; only beside a parent.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.0.as_ref()?.state.as_deref()
    }

    /// What the client's application wants to be known along the way, to be passed on as it is. It may
    /// be personal, and proves nothing.
    #[must_use]
    pub fn baggage(&self) -> Option<&str> {
        self.0.as_ref()?.baggage.as_deref()
    }
}

impl TraceParent {
    /// The trace: 32 hexadecimal digits when written out.
    #[must_use]
    pub fn trace_id(self) -> impl fmt::Display {
        struct TraceId(u128);
        impl fmt::Display for TraceId {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:032x}", self.0)
            }
        }
        TraceId(self.trace)
    }

    /// The trace.
    #[must_use]
    pub const fn trace(self) -> u128 {
        self.trace
    }

    /// The span that caused this request.
    #[must_use]
    pub const fn span_id(self) -> u64 {
        self.span
    }

    /// Whether whoever caused it records the trace.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.flags & 1 == 1
    }
}

/// As a `traceparent` of version 00, whichever version it came in (§3.2.4).
impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, flags } = self;
        write!(formatter, "00-{trace:032x}-{span:016x}-{flags:02x}")
    }
}

/// A text is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent")]
pub struct NoTraceParent(());

impl std::str::FromStr for TraceParent {
    type Err = NoTraceParent;

    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        parse(text).ok_or(NoTraceParent(()))
    }
}

/// `00-` 32 digits `-` 16 digits `-` 2 digits. A later version may go on after a further dash.
fn parse(text: &str) -> Option<TraceParent> {
    let (version, rest) = text.split_at_checked(2)?;
    let version = digits(version)?;
    let known = rest.get(..53)?;
    let more = rest.get(53..)?;
    let fits = match version {
        0 => more.is_empty(),
        0xff => false,
        _ => more.is_empty() || more.starts_with('-'),
    };
    let mut parts = known.strip_prefix('-')?.split('-');
    let (trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let right = trace.len() == 32 && span.len() == 16 && flags.len() == 2;
    let parent = TraceParent {
        trace: digits(trace)?,
        span: u64::try_from(digits(span)?).ok()?,
        flags: u8::try_from(digits(flags)?).ok()?,
    };
    let named = parent.trace != 0 && parent.span != 0 && parts.next().is_none();
    (fits && right && named).then_some(parent)
}

/// Lower-case hexadecimal digits only: the standard library takes more.
fn digits(text: &str) -> Option<u128> {
    let fits = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !text.bytes().all(fits) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// A list of `key=value`, whose values are printable and have neither comma nor `=` (§3.3.1).
fn tracestate(text: &str) -> Option<&str> {
    let is_key = |key: &str| {
        let allowed =
            |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
        matches!(key.len(), 1..=256) && key.bytes().all(allowed)
    };
    let is_value = |value: &str| {
        let allowed = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=';
        matches!(value.len(), 1..=256) && value.bytes().all(allowed)
    };
    let fits = |member: &str| {
        let named = member.split_once('=');
        named.is_some_and(|(key, value)| is_key(key) && is_value(value))
    };
    list(text, TRACESTATE_BYTES_MAX, TRACESTATE_MEMBERS_MAX, fits)
}

/// A list of `key=value;properties`, in which everything else is percent-encoded (Baggage §3.3.1).
fn baggage(text: &str) -> Option<&str> {
    let fits = |member: &str| {
        let named = member.split_once('=');
        let printable = member.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        printable && named.is_some_and(|(key, _)| !key.trim().is_empty())
    };
    list(text, BAGGAGE_BYTES_MAX, BAGGAGE_MEMBERS_MAX, fits)
}

/// The whole list, if it is within its bounds and each member fits; half of it would say something
/// that nobody said. Empty members are allowed.
fn list(text: &str, bytes: usize, members: usize, fits: impl Fn(&str) -> bool) -> Option<&str> {
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() || text.len() > bytes {
        return None;
    }
    let mut count = 0;
    for member in text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
    {
        if member.is_empty() {
            continue;
        }
        count += 1;
        if count > members || !fits(member) {
            return None;
        }
    }
    (count > 0).then_some(text)
}

/// Baggage may be personal: `Debug` shows that it is there.
impl fmt::Debug for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TraceContext")
            .field("parent", &self.parent())
            .field("has_baggage", &self.baggage().is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const OTHER: &str = "00-00000000000000000000000000000001-0000000000000002-00";

    fn in_message(parent: &str) -> TraceContext {
        let message = Carried {
            parent: Some(parent),
            ..Carried::default()
        };
        TraceContext::read(message, Carried::default())
    }

    #[test]
    fn a_parent_is_read_and_written_as_it_came() {
        let parent = in_message(PARENT).parent().unwrap();

        assert_eq!(parent.to_string(), PARENT);
        assert_eq!(
            parent.trace_id().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        assert_eq!(parent.span_id(), 0x00f0_67aa_0ba9_02b7);
        assert!(parent.is_sampled());
        assert!(!in_message(OTHER).parent().unwrap().is_sampled());
    }

    #[test]
    fn what_is_no_parent_is_nothing() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "ä0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-äbf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        ] {
            assert_eq!(in_message(text), TraceContext::default(), "{text:?}");
        }
    }

    #[test]
    fn a_parent_of_a_later_version_is_passed_on_in_ours() {
        for later in [
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-ever",
        ] {
            let parent = in_message(later).parent().unwrap();
            assert_eq!(parent.to_string(), PARENT);
        }
        let glued = "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x";
        assert!(in_message(glued).parent().is_none());
    }

    #[test]
    fn the_message_counts_before_what_is_around_it_and_a_state_stays_with_its_parent() {
        let message = Carried {
            parent: Some(PARENT),
            ..Carried::default()
        };
        let around = Carried {
            parent: Some(OTHER),
            state: Some("a=1"),
            baggage: Some("user=alice"),
        };

        let both = TraceContext::read(message, around);
        assert_eq!(both.parent().unwrap().to_string(), PARENT);
        assert_eq!(both.tracestate(), None);
        assert_eq!(both.baggage(), Some("user=alice"));

        let bad = Carried {
            parent: Some("bad"),
            state: Some("b=2"),
            baggage: Some("no baggage"),
        };
        let fallen_back = TraceContext::read(bad, around);
        assert_eq!(fallen_back.parent().unwrap().to_string(), OTHER);
        assert_eq!(fallen_back.tracestate(), Some("a=1"));
        assert_eq!(fallen_back.baggage(), Some("user=alice"));

        let stateless = Carried {
            state: Some("a=1"),
            ..Carried::default()
        };
        let nothing = TraceContext::read(stateless, Carried::default());
        assert_eq!(nothing, TraceContext::default());
    }

    #[test]
    fn lists_are_whole_and_bounded_or_not_there() {
        let many = |number: usize| vec!["k=v"; number].join(",");
        for good in ["a=1", "a=1, b@c=2,,", "rojo=00f067aa0ba902b7", &many(32)] {
            assert!(tracestate(good).is_some(), "{good:?}");
        }
        for bad in [
            "",
            " , ,",
            "a",
            "A=1",
            "=1",
            "a=",
            "a=1=2",
            "a=\u{e4}",
            "a=1\r\nX: y",
            &many(33),
            &format!("a={}", "x".repeat(511)),
        ] {
            assert!(tracestate(bad).is_none(), "{bad:?}");
        }
        for good in ["userId=alice;private,serverNode=DF%2028", "a=", &many(64)] {
            assert!(baggage(good).is_some(), "{good:?}");
        }
        for bad in [
            "",
            "alice",
            "=alice",
            "a=\u{e4}",
            "a=1\r\nX: y",
            &many(65),
            &format!("a={}", "x".repeat(8_191)),
        ] {
            assert!(baggage(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn baggage_is_not_shown() {
        let around = Carried {
            baggage: Some("user=alice"),
            ..Carried::default()
        };
        let context = TraceContext::read(Carried::default(), around);

        assert!(!format!("{context:?}").contains("alice"));
    }
}
