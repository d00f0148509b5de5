//! Input that a server wants before it answers (2026-07-28, multi round-trip requests). Pure.
//!
//! `stateless` gathers the answers and sends the request again with them. What the server wants kept
//! for it goes back as it came, unread.

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::agent::{
    document::{Document, Ordered},
    error::AgentError,
};

/// Most questions of one round.
const QUESTIONS_MAX: usize = 32;

/// What a server wants before it answers.
#[derive(Debug)]
pub(super) struct InputRequired {
    /// Key, method and params of each question, in the server's order.
    pub(super) questions: Vec<(String, String, Document)>,
    state: Option<Value>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "inputRequests")]
    requests: Option<Ordered<Question>>,
    #[serde(rename = "requestState")]
    state: Option<Value>,
}

#[derive(Deserialize)]
struct Question {
    method: String,
    params: Option<Box<RawValue>>,
}

impl InputRequired {
    /// Reads a result; none where it is the answer itself.
    pub(super) fn of(result: &Document, method: &str) -> Result<Option<Self>, AgentError> {
        let kind = result.value().get("resultType").and_then(Value::as_str);
        // A result that does not say what it is, is the answer (2026-07-28, basic).
        if kind != Some("input_required") {
            return Ok(None);
        }
        let unreadable = |why: String| AgentError::Unreadable {
            method: method.to_owned(),
            why,
        };
        let wire: Wire = result
            .read()
            .map_err(|error| unreadable(error.to_string()))?;
        let requests = wire
            .requests
            .map_or_else(Vec::new, |Ordered(requests)| requests);
        if requests.is_empty() && wire.state.is_none() {
            return Err(unreadable(
                "it wants input and does not say which".to_owned(),
            ));
        }
        if requests.len() > QUESTIONS_MAX {
            let why = format!("it wants more than {QUESTIONS_MAX} inputs at once");
            return Err(unreadable(why));
        }
        let question = |(key, question): (String, Question)| {
            let params = match question.params {
                Some(text) => Document::new(text).map_err(|error| unreadable(error.to_string()))?,
                None => Document::from(Value::Null),
            };
            Ok((key, question.method, params))
        };
        Ok(Some(Self {
            questions: requests
                .into_iter()
                .map(question)
                .collect::<Result<_, _>>()?,
            state: wire.state,
        }))
    }

    /// The params of the next round: those of the first, and what was wanted.
    pub(super) fn answered(
        self,
        params: &Map<String, Value>,
        answers: Map<String, Value>,
    ) -> Map<String, Value> {
        let mut params = params.clone();
        if !answers.is_empty() {
            params.insert("inputResponses".to_owned(), answers.into());
        }
        if let Some(state) = self.state {
            params.insert("requestState".to_owned(), state);
        }
        params
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn state_goes_back_as_it_came_and_only_where_there_is_some() {
        let first = Map::from_iter([("name".to_owned(), json!("a"))]);
        for (state, back) in [(json!("\u{0}opaque"), true), (Value::Null, false)] {
            let mut result = json!({
                "resultType": "input_required",
                "inputRequests": {"who": {"method": "roots/list"}},
            });
            if back {
                result["requestState"] = state.clone();
            }
            let wanted = InputRequired::of(&result.into(), "tools/call")
                .unwrap()
                .unwrap();
            let answers = Map::from_iter([("who".to_owned(), json!({"roots": []}))]);

            let params = wanted.answered(&first, answers);

            assert_eq!(params.get("requestState"), back.then_some(&state));
            assert_eq!(params["inputResponses"]["who"], json!({"roots": []}));
            assert_eq!(params["name"], "a");
        }
    }

    #[test]
    fn a_result_without_a_type_is_the_answer() {
        let result = json!({"inputRequests": {}, "content": []}).into();

        assert!(InputRequired::of(&result, "tools/call").unwrap().is_none());
    }

    #[test]
    fn input_that_is_not_named_can_not_be_given() {
        let result = json!({"resultType": "input_required"}).into();

        assert!(InputRequired::of(&result, "tools/call").is_err());
    }
}
