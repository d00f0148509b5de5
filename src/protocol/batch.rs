//! Several messages in one body: the batches of JSON-RPC 2.0 §6, as 2025-03-26 has them.
//!
//! Only that version does. The schema of 2024-11-05, "the source of truth for all protocol messages",
//! names no array among its messages, and its successor speaks of "prior protocol versions that do not
//! explicitly support JSON-RPC batches" (2025-03-26, lifecycle); 2025-06-18 took them away again.
//! Whether a batch may come is `transport`'s question to the session; here it is read.
//!
//! Every member is judged by itself: a bad one is refused under its own id and spoils no other. What
//! concerns the whole is refused as a whole, before any of it has run: no member at all, too many, and
//! two that would be answered under one id, since nobody could tell which answer is whose.

use std::{collections::HashSet, fmt};

use bytes::Bytes;
use serde::{
    Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{
    ClientMessage, Method, ParseError, Request, RequestId, RpcError, codes,
    jsonrpc::{Envelope, is_array, text_of},
};

/// What a body holds.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// One message.
    One(ClientMessage),
    /// An array of them.
    Batch(Batch),
}

/// Messages that came together, in their order. At least one.
#[derive(Debug, Clone)]
pub struct Batch {
    members: Vec<Result<ClientMessage, BadMember>>,
}

/// A member of a batch that is refused by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct BadMember {
    /// Under which it is refused; none where none could be read.
    pub id: Option<RequestId>,
    /// Why.
    pub error: RpcError,
}

impl Incoming {
    /// Reads a body: one message, or a batch of at most `members_max`.
    ///
    /// # Errors
    /// Those of [`ClientMessage::parse`]; of a batch, what is wrong with the whole.
    pub fn parse(body: &Bytes, members_max: usize) -> Result<Self, ParseError> {
        let text = text_of(body)?;
        if !is_array(text) {
            return Envelope::read(text)?.into_message(body).map(Self::One);
        }
        let members = split(text, members_max)?
            .into_iter()
            .map(|member| read(member.get(), body))
            .collect();
        let batch = Batch { members };
        batch.check_ids()?;
        Ok(Self::Batch(batch))
    }
}

impl Batch {
    /// Each member in its order.
    #[must_use]
    pub fn into_members(self) -> Vec<Result<ClientMessage, BadMember>> {
        self.members
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "an empty batch is none")]
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The requests that are not refused yet.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.members.iter().filter_map(|member| match member {
            Ok(ClientMessage::Request(request)) => Some(request),
            _ => None,
        })
    }

    /// Whether there is anything to answer: a request, or a member that is refused.
    #[must_use]
    pub fn wants_answer(&self) -> bool {
        self.members
            .iter()
            .any(|member| matches!(member, Ok(ClientMessage::Request(_)) | Err(_)))
    }

    /// Shows each request to `judge`, and refuses those that it finds something wrong with.
    ///
    /// # Errors
    /// Those of `judge` that concern the whole; it is asked no further then.
    pub fn judge<E>(
        &mut self,
        mut judge: impl FnMut(&mut Request) -> Result<Result<(), RpcError>, E>,
    ) -> Result<(), E> {
        for member in &mut self.members {
            let Ok(ClientMessage::Request(request)) = member else {
                continue;
            };
            if let Err(error) = judge(request)? {
                let id = Some(request.id.clone());
                *member = Err(BadMember { id, error });
            }
        }
        Ok(())
    }

    fn check_ids(&self) -> Result<(), ParseError> {
        let mut seen = HashSet::new();
        let answered = self.members.iter().filter_map(|member| match member {
            Ok(ClientMessage::Request(request)) => Some(&request.id),
            Ok(_) => None,
            Err(bad) => bad.id.as_ref(),
        });
        for id in answered {
            if !seen.insert(id) {
                return Err(ParseError::NotMessage("two of the batch have the same id"));
            }
        }
        Ok(())
    }
}

/// One member. `initialize` can't be among others: nothing else is possible until it is answered
/// (2025-03-26, lifecycle).
fn read(member: &str, body: &Bytes) -> Result<ClientMessage, BadMember> {
    let bad = |id, error: ParseError| BadMember {
        id,
        error: error.to_rpc(),
    };
    // A struct would be read from an array too, member by member.
    if !member.starts_with('{') {
        let error = ParseError::NotMessage("a member of the batch is not an object");
        return Err(bad(None, error));
    }
    let envelope = Envelope::read(member).map_err(|error| bad(None, error))?;
    let id = envelope.id_to_refuse();
    match envelope.into_message(body) {
        Ok(ClientMessage::Request(request)) if request.method == Method::Initialize => {
            let text = "initialize can't be part of a batch";
            Err(BadMember {
                id: Some(request.id),
                error: RpcError::new(codes::INVALID_REQUEST, text),
            })
        }
        Ok(message) => Ok(message),
        Err(error) => Err(bad(id, error)),
    }
}

/// The members' texts. Of more than `max`, none is kept: an array of four million numbers costs what
/// it takes to walk through it.
fn split(text: &str, max: usize) -> Result<Vec<&RawValue>, ParseError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let walked = reader
        .deserialize_seq(AtMost(max))
        .and_then(|members| reader.end().map(|()| members));
    // Even a refused batch has to be JSON, or the code would be the wrong one.
    let members = walked.map_err(|_syntax| ParseError::NotJson)?;
    let members = members.ok_or(ParseError::BatchTooLong(max))?;
    if members.is_empty() {
        return Err(ParseError::NotMessage("the batch is empty"));
    }
    Ok(members)
}

struct AtMost(usize);

impl<'de> Visitor<'de> for AtMost {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while members.len() < self.0 {
            let Some(member) = array.next_element()? else {
                return Ok(Some(members));
            };
            members.push(member);
        }
        let mut is_whole = true;
        while array.next_element::<IgnoredAny>()?.is_some() {
            is_whole = false;
        }
        Ok(is_whole.then_some(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Incoming, ParseError> {
        Incoming::parse(&Bytes::copy_from_slice(body.as_bytes()), 3)
    }

    fn members(body: &str) -> Vec<Result<ClientMessage, BadMember>> {
        match parse(body).unwrap() {
            Incoming::Batch(batch) => batch.into_members(),
            Incoming::One(message) => panic!("no batch: {message:?}"),
        }
    }

    fn refused(body: &str) -> (Option<RequestId>, i32) {
        let bad = members(body).remove(0).unwrap_err();
        (bad.id, bad.error.code)
    }

    // T28
    #[test]
    fn members_keep_their_order_and_their_params() {
        let read = members(
            r#" [{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name": "x"}},
                {"jsonrpc":"2.0","method":"notifications/cancelled"},
                {"jsonrpc":"2.0","id":7,"result":{}}] "#,
        );

        let [Ok(request), Ok(told), Ok(answered)] = &read[..] else {
            panic!("{read:?}");
        };
        let ClientMessage::Request(request) = request else {
            panic!("{request:?}");
        };
        assert_eq!(
            request.params.as_ref().unwrap().as_bytes(),
            br#"{"name": "x"}"#
        );
        assert!(matches!(told, ClientMessage::Notification(_)));
        assert!(matches!(answered, ClientMessage::Response(_)));
    }

    #[test]
    fn a_bad_member_is_refused_under_its_own_id_and_spoils_no_other() {
        let one = Some(RequestId::Integer(1));
        for (body, id) in [
            ("[1]", None),
            ("[[]]", None),
            (r#"[["2.0",1,"ping",null,null,null]]"#, None),
            ("[{}]", None),
            (r#"[{"jsonrpc":"2.0","id":null,"method":"ping"}]"#, None),
            (r#"[{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}]"#, None),
            (r#"[{"jsonrpc":"1.0","id":1,"method":"ping"}]"#, one.clone()),
            (
                r#"[{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}]"#,
                one.clone(),
            ),
            (
                r#"[{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}]"#,
                one,
            ),
            // Meant as an answer: the id is one of ours.
            (r#"[{"jsonrpc":"2.0","id":1,"result":1,"error":1}]"#, None),
        ] {
            assert_eq!(refused(body), (id, codes::INVALID_REQUEST), "{body}");
        }
        let read = members(r#"[1,{"jsonrpc":"2.0","id":1,"method":"ping"}]"#);
        assert!(read[0].is_err() && read[1].is_ok());
    }

    // O06
    #[test]
    fn the_number_of_members_is_bounded_and_none_is_too_few() {
        assert!(parse("[1,2,3]").is_ok());
        for body in ["[1,2,3,4]", &format!("[{}1]", "1,".repeat(100_000))] {
            assert_eq!(parse(body).unwrap_err(), ParseError::BatchTooLong(3));
        }
        let empty = parse(" [ ] ").unwrap_err();
        assert_eq!(empty.to_rpc().code, codes::INVALID_REQUEST);
    }

    #[test]
    fn an_array_that_is_no_json_is_a_parse_error_however_long() {
        for body in [
            "[",
            "[1",
            "[1,]",
            "[1]]",
            "[1] 1",
            "[1,2,3,4",
            "[1,2,3,x]",
            "[{]",
        ] {
            assert_eq!(parse(body).unwrap_err(), ParseError::NotJson, "{body}");
        }
    }

    #[test]
    fn two_answers_under_one_id_are_none() {
        let ping = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        let bad = r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#;

        assert!(parse(&format!("[{},{}]", ping("1"), ping("\"1\""))).is_ok());
        for twice in [
            format!("[{},{}]", ping("1"), ping("1")),
            format!("[{bad},{}]", ping("1")),
        ] {
            let error = parse(&twice).unwrap_err().to_rpc();
            assert_eq!(error.code, codes::INVALID_REQUEST, "{twice}");
        }
    }
}
