//! Tools that ask as rmcp has it from 2026-07-28 on: they end with what they want to know, and are
//! called again with the answers.

#![expect(clippy::unnecessary_wraps, reason = "the last line of a tool")]

use std::collections::BTreeMap;

use rmcp::{
    ErrorData, RoleServer,
    handler::server::tool::{InputResponses, RequestState},
    model::{
        CallToolResponse, CallToolResult, ContentBlock, CreateMessageRequest, CreateMessageResult,
        ElicitRequest, InputRequest, InputRequiredResult, ListRootsRequest, ListRootsResult,
    },
    service::RequestContext,
    tool, tool_router,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    Fixture,
    asking::{form, line, question, text_of},
};

type Answer = Result<CallToolResponse, ErrorData>;

/// What the client has answered so far, by the key it was asked under.
struct Answers(BTreeMap<String, Value>);

#[tool_router(router = rounds, vis = "pub(crate)")]
impl Fixture {
    /// Asks for a name.
    #[tool]
    fn test_input_required_result_elicitation(&self, answers: InputResponses) -> Answer {
        let answers = Answers::from(answers);
        match answers.field("user_name", "name") {
            Some(name) => said(format!("Hello, {name}!")),
            None => wanted([("user_name", text("What is your name?", "name")?)], None),
        }
    }

    /// Asks the client's model.
    #[tool]
    fn test_input_required_result_sampling(&self, answers: InputResponses) -> Answer {
        match Answers::from(answers).model("capital_question") {
            Some(capital) => said(capital),
            None => wanted([("capital_question", capital())], None),
        }
    }

    /// Asks for folders.
    #[tool]
    fn test_input_required_result_list_roots(&self, answers: InputResponses) -> Answer {
        match Answers::from(answers).folders() {
            Some(uris) => said(format!("Folders: {}", uris.join(", "))),
            None => wanted([("client_roots", folders())], None),
        }
    }

    /// Asks for a yes.
    #[tool]
    fn test_input_required_result_request_state(
        &self,
        answers: InputResponses,
        state: RequestState,
    ) -> Answer {
        confirm(&answers.into(), state)
    }

    /// Asks for a yes.
    #[tool]
    fn test_input_required_result_tampered_state(
        &self,
        answers: InputResponses,
        state: RequestState,
    ) -> Answer {
        confirm(&answers.into(), state)
    }

    /// Asks all at once.
    #[tool]
    fn test_input_required_result_multiple_inputs(&self, answers: InputResponses) -> Answer {
        let answers = Answers::from(answers);
        let (name, greeting) = (
            answers.field("user_name", "name"),
            answers.model("greeting"),
        );
        let (Some(name), Some(greeting), Some(uris)) = (name, greeting, answers.folders()) else {
            let greeting = CreateMessageRequest::new(question("Generate a greeting", 50));
            let all = [
                ("user_name", text("What is your name?", "name")?),
                ("greeting", InputRequest::CreateMessage(greeting)),
                ("client_roots", folders()),
            ];
            return wanted(all, Some("all at once".to_owned()));
        };
        said(format!(
            "{greeting} {name} works in {} folders.",
            uris.len()
        ))
    }

    /// Asks twice. The first answer travels in the state.
    #[tool]
    fn test_input_required_result_multi_round(
        &self,
        answers: InputResponses,
        RequestState(state): RequestState,
    ) -> Answer {
        let answers = Answers::from(answers);
        let name = state.or_else(|| answers.field("step1", "name"));
        let Some(name) = name else {
            return wanted(
                [("step1", text("Step 1: What is your name?", "name")?)],
                None,
            );
        };
        if let Some(color) = answers.field("step2", "color") {
            return said(format!("{name} likes {color}."));
        }
        let color = text("Step 2: What is your favorite color?", "color")?;
        wanted([("step2", color)], Some(name))
    }

    /// Asks what it may.
    #[tool]
    fn test_input_required_result_capabilities(
        &self,
        answers: InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Answer {
        let answers = Answers::from(answers);
        let client = context.client_capabilities().unwrap_or_default();
        let mut wishes = Vec::new();
        if client.sampling.is_some() && answers.model("capital_question").is_none() {
            wishes.push(("capital_question", capital()));
        }
        if client.elicitation.is_some() && answers.field("user_name", "name").is_none() {
            wishes.push(("user_name", text("What is your name?", "name")?));
        }
        if client.roots.is_some() && answers.folders().is_none() {
            wishes.push(("client_roots", folders()));
        }
        if wishes.is_empty() {
            return said("Everything that may be asked is answered.");
        }
        wanted(wishes, None)
    }
}

/// The state says that the question was asked by this tool.
fn confirm(answers: &Answers, RequestState(state): RequestState) -> Answer {
    const ASKED: &str = "asked for a yes";
    match (state.as_deref(), answers.0.get("confirm")) {
        (Some(ASKED), Some(answer)) if answer["content"]["ok"] == true => said("state-ok"),
        (Some(ASKED), Some(_)) => said("not confirmed"),
        _ => {
            let schema = json!({
                "type": "object",
                "properties": { "ok": { "type": "boolean" } },
                "required": ["ok"],
            });
            let asked = ElicitRequest::new(form("Please confirm", schema)?);
            let asked = InputRequest::Elicitation(asked);
            wanted([("confirm", asked)], Some(ASKED.to_owned()))
        }
    }
}

fn said(text: impl Into<String>) -> Answer {
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
}

fn wanted(
    wishes: impl IntoIterator<Item = (&'static str, InputRequest)>,
    state: Option<String>,
) -> Answer {
    let wishes = wishes.into_iter().map(|(key, wish)| (key.to_owned(), wish));
    Ok(InputRequiredResult::new(Some(wishes.collect()), state).into())
}

/// A form of one line.
fn text(message: &str, field: &str) -> Result<InputRequest, ErrorData> {
    let asked = ElicitRequest::new(form(message, line(field))?);
    Ok(InputRequest::Elicitation(asked))
}

fn capital() -> InputRequest {
    let asked = question("What is the capital of France?", 100);
    InputRequest::CreateMessage(CreateMessageRequest::new(asked))
}

fn folders() -> InputRequest {
    InputRequest::ListRoots(ListRootsRequest::default())
}

impl From<InputResponses> for Answers {
    fn from(InputResponses(answers): InputResponses) -> Self {
        Self(answers.unwrap_or_default())
    }
}

impl Answers {
    /// What the user wrote into one line of a form.
    fn field(&self, key: &str, field: &str) -> Option<String> {
        let text = self.0.get(key)?["content"][field].as_str()?;
        Some(text.to_owned())
    }

    fn model(&self, key: &str) -> Option<String> {
        self.read::<CreateMessageResult>(key)
            .map(|answer| text_of(&answer))
    }

    fn folders(&self) -> Option<Vec<String>> {
        let answer: ListRootsResult = self.read("client_roots")?;
        Some(answer.roots.into_iter().map(|root| root.uri).collect())
    }

    fn read<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_value(self.0.get(key)?.clone()).ok()
    }
}
