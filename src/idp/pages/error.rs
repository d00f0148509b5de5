//! The error page: what happened and what to do, without details that help nobody.

use maud::{Markup, html};

use crate::{idp::error::PageError, page};

/// Tells a person what happened.
pub(in crate::idp) fn error(error: &PageError) -> Markup {
    let (title, what, advice) = words(error);
    page::frame(
        title,
        html! {
            h1 { (title) }
            p { (what) }
            @if let PageError::ClientDocument(why) = error {
                p.note { "For whoever builds it: " (why) "." }
            }
            p.quiet { (advice) }
        },
    )
}

/// Title, what happened, what to do.
const fn words(error: &PageError) -> (&'static str, &'static str, &'static str) {
    match error {
        PageError::UnknownClient => (
            "This agent is not known here",
            "The link that brought you here names an agent that is not registered with this \
             server. Registrations are forgotten when the server restarts.",
            "Go back to the agent, make it forget this server, and connect again.",
        ),
        PageError::ClientDocument(_) => (
            "This agent can’t be looked up",
            "It goes by a web address, where a document should say what it is. There is none that \
             can be used, so you were not sent on.",
            "Go back to the agent and connect again.",
        ),
        PageError::UnknownRedirectUri => (
            "This link can’t be trusted",
            "It asks to send you to an address that the agent did not register. \
             To be safe, you were not sent there.",
            "Go back to the agent and connect again. If it happens again, don’t use it.",
        ),
        PageError::TransactionGone => (
            "This sign-in is over",
            "It was finished, took too long, or was begun in another browser. \
             Nothing was shared just now.",
            "Go back to the agent and connect again.",
        ),
        PageError::ForeignForm => (
            "This form did not come from here",
            "Another site may have tried to answer in your name. Nothing was shared.",
            "Go back to the agent and connect again.",
        ),
        PageError::TooManySignIns { .. } => (
            "Too many wrong passwords",
            "To keep guessers out, nobody can sign in for a while.",
            "Wait a quarter of an hour and try again.",
        ),
        PageError::Unreadable => (
            "That did not arrive in one piece",
            "The request could not be read.",
            "Go back and try again.",
        ),
        PageError::NotFound => (
            "Nothing here",
            "There is no page at this address.",
            "If an agent sent you here, connect again from there.",
        ),
        PageError::Unavailable => (
            "Too busy right now",
            "The server holds as many sign-ins as it can.",
            "Wait a minute and try again.",
        ),
        PageError::Internal => (
            "Something went wrong on our side",
            "The server could not finish this step. Nothing was shared.",
            "Go back to the agent and connect again.",
        ),
    }
}
