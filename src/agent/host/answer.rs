//! A server's question, read and answered. One road for every protocol version: `wire::desk` answers
//! requests by it, `wire::rounds` the input requests of 2026-07-28.

use std::collections::HashSet;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use url::Url;

use super::{Answer, Form, FormQuestion, Host, Question, UrlQuestion};
use crate::{
    agent::{document::Document, oauth::safe_url, said::Said, wire::RpcError},
    protocol::codes,
    units::HumanDuration,
};

/// Most of one connection's questions that are answered; each may cost a person time or a model money.
const QUESTIONS_MAX: usize = 1000;

/// What a connection remembers of its server's questions.
#[derive(Debug)]
pub(in crate::agent) struct Asked {
    host: Host,
    server: Url,
    answer_deadline: HumanDuration,
    /// Pages the user agreed to visit.
    visited: HashSet<String>,
    count: usize,
}

/// An answer on its way: a result, or why there is none.
pub(in crate::agent) type Answering = BoxFuture<'static, Result<Value, RpcError>>;

impl Asked {
    pub(in crate::agent) fn new(host: Host, server: Url, answer_deadline: HumanDuration) -> Self {
        Self {
            host,
            server,
            answer_deadline,
            visited: HashSet::new(),
            count: 0,
        }
    }

    pub(in crate::agent) const fn host(&self) -> &Host {
        &self.host
    }

    /// Finds out who answers.
    ///
    /// # Errors
    /// What the server is told instead: the method is not offered, or its params can't be read.
    pub(in crate::agent) fn answer(
        &mut self,
        method: &str,
        params: Document,
    ) -> Result<Answering, RpcError> {
        self.count += 1;
        if self.count > QUESTIONS_MAX {
            let text = "this client answers no more questions";
            return Err(RpcError::ours(codes::INVALID_REQUEST, text));
        }
        match method {
            "roots/list" if !self.host.roots.is_empty() => {
                let roots = self.host.roots.iter();
                let roots: Vec<_> = roots
                    .map(|root| json!({"uri": root.uri.as_str(), "name": root.name}))
                    .collect();
                Ok(Box::pin(async move { Ok(json!({ "roots": roots })) }))
            }
            "sampling/createMessage" => self.sample(params),
            "elicitation/create" => self.elicit(&params),
            _ => Err(not_offered(method)),
        }
    }

    fn sample(&self, params: Document) -> Result<Answering, RpcError> {
        let Some(model) = &self.host.sampling else {
            return Err(not_offered("sampling/createMessage"));
        };
        if params.value().get("tools").is_some() {
            // Declared by `sampling.tools`, which we do not (2025-11-25, sampling).
            let text = "this client's model uses no tools";
            return Err(RpcError::ours(codes::INVALID_PARAMS, text));
        }
        let answer = model(params.into_value());
        let within = self.answer_deadline;
        Ok(Box::pin(async move {
            match timeout(within.get(), answer).await {
                Ok(Ok(result)) => Ok(result),
                // As the specification's example of a rejected request (2025-11-25, sampling).
                Ok(Err(refused)) => Err(RpcError::ours(-1, &refused.0)),
                Err(_elapsed) => Err(RpcError::ours(-1, "the model did not answer in time")),
            }
        }))
    }

    fn elicit(&mut self, params: &Document) -> Result<Answering, RpcError> {
        let Some(ask) = self.host.elicitation.clone() else {
            return Err(not_offered("elicitation/create"));
        };
        let question = self.question(params)?;
        let form = match &question {
            Question::Form(question) => Some(question.form.clone()),
            Question::Url(question) => {
                self.visited.insert(question.url.to_string());
                None
            }
        };
        let answer = ask(question);
        let within = self.answer_deadline;
        Ok(Box::pin(async move {
            let answer = timeout(within.get(), answer).await;
            Ok(written(answer.unwrap_or(Answer::Cancel), form.as_ref()))
        }))
    }

    fn question(&self, params: &Document) -> Result<Question, RpcError> {
        let unreadable = |why: &str| RpcError::ours(codes::INVALID_PARAMS, why);
        let text = |key: &str| params.value().get(key).and_then(Value::as_str);
        let server = authority(&self.server);
        let message = text("message").unwrap_or_default().to_owned();
        match text("mode").unwrap_or("form") {
            "form" => Ok(Question::Form(FormQuestion {
                server,
                message,
                form: Form::of_params(params).map_err(|why| unreadable(&why))?,
            })),
            "url" => {
                let url = text("url").ok_or_else(|| unreadable("there is no url"))?;
                let url = safe_url::checked("the page", url, &self.server)
                    .map_err(|error| unreadable(&error.to_string()))?;
                Ok(Question::Url(UrlQuestion {
                    server,
                    message,
                    again: self.visited.contains(url.as_str()),
                    url,
                }))
            }
            other => {
                let mode = Said::new(other);
                Err(unreadable(&format!(
                    "questions of mode {mode} are not known"
                )))
            }
        }
    }
}

/// `ElicitResult`. Values that don't fit the form are no answer to it.
fn written(answer: Answer, form: Option<&Form>) -> Value {
    match (answer, form) {
        (Answer::Accept(values), Some(form)) if form.check(&values).is_ok() => {
            json!({"action": "accept", "content": values})
        }
        (Answer::Accept(values), None) if values == Map::new() => json!({"action": "accept"}),
        (Answer::Decline, _) => json!({"action": "decline"}),
        (Answer::Accept(_) | Answer::Cancel, _) => json!({"action": "cancel"}),
    }
}

fn not_offered(method: &str) -> RpcError {
    let method = Said::new(method);
    RpcError::ours(
        codes::METHOD_NOT_FOUND,
        &format!("this client does not offer {method}"),
    )
}

/// Host and port, as people read them.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
