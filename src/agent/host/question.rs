//! What a server wants to know from the user, and what the user may say (elicitation).

use serde_json::{Map, Value};
use url::Url;

use super::Form;

/// A question to the user.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Question {
    /// Values, typed here.
    Form(FormQuestion),
    /// A page to visit; what happens there is not ours to see.
    Url(UrlQuestion),
}

/// A question whose answer goes through us (form mode).
#[derive(Debug, Clone)]
pub struct FormQuestion {
    /// Host and port of the server that asks.
    pub server: String,
    /// Why it asks, in its words: a stranger's text, not yet fit for a terminal.
    pub message: String,
    /// What it wants to know.
    pub form: Form,
}

/// A question that is answered on a page of the server's choice (URL mode, from 2025-11-25).
#[derive(Debug, Clone)]
pub struct UrlQuestion {
    /// Host and port of the server that asks.
    pub server: String,
    /// Why it asks, in its words: a stranger's text, not yet fit for a terminal.
    pub message: String,
    /// Where to go; `https`, or `http` on this machine. To be shown whole, and opened only once the
    /// user has agreed.
    pub url: Url,
    /// Whether the user agreed to this page before in the same call, and the server still waits.
    pub again: bool,
}

/// What the user says to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Yes: a form's values, nothing for a page.
    Accept(Map<String, Value>),
    /// No.
    Decline,
    /// Neither: the question was put away.
    Cancel,
}
