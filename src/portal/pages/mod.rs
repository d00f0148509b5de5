//! The portal's pages as pure state → HTML.
//!
//! Every text that came from outside goes through maud's escaping; there is no other way in. Links of
//! developers are https alone (`form`), and lead away without telling from where.

mod agent;
mod form;
mod list;
mod wording;

use maud::{Markup, html};

pub(super) use self::{
    agent::{AgentPage, agent, delete, users},
    form::{FormPage, Trouble, form},
    list::list,
};
use super::{error::Halt, guard::FORM_TOKEN};
use crate::page;

/// What stands around every page of a developer who is signed in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) base: &'a str,
    /// Who is signed in.
    pub(super) name: &'a str,
    pub(super) form_token: &'a str,
}

impl Around<'_> {
    fn path(&self, page: &str) -> String {
        format!("{}{page}", self.base)
    }

    fn agent_path(&self, id: &str, step: &str) -> String {
        format!("{}/developers/agents/{id}{step}", self.base)
    }

    /// What makes a form this session's.
    fn token(&self) -> Markup {
        html! { input type="hidden" name=(FORM_TOKEN) value=(self.form_token); }
    }

    /// A page below the list; `above` are the pages between, each with its path.
    fn frame(&self, title: &str, above: &[(&str, String)], body: &Markup) -> Markup {
        page::wide_frame(
            title,
            self.base,
            html! {
                @if !above.is_empty() {
                    nav.above aria-label="Where you are" {
                        span aria-hidden="true" { "←" }
                        @for (at, (name, path)) in above.iter().enumerate() {
                            @if at > 0 { span aria-hidden="true" { "/" } }
                            a href=(path) { (name) }
                        }
                    }
                }
                (body)
                footer.account {
                    span { "Signed in as " strong { (self.name) } }
                    form method="post" action=(self.path("/developers/sign-out")) {
                        (self.token())
                        button.quiet-button type="submit" { "Sign out" }
                    }
                }
            },
        )
    }

    /// The list, as the page above.
    fn all(&self) -> (&'static str, String) {
        ("Your agents", self.path("/developers"))
    }
}

/// The first page of somebody who is not signed in.
pub(super) fn welcome(base: &str, sign_in: &str, issuer: &str) -> Markup {
    page::wide_frame(
        "For developers",
        base,
        html! {
            h1 { "Bring your agent here" }
            p {
                "Register an agent, and users of this server can let it act for them: they sign in, read \
                 what it asks for, and agree or not."
            }
            ol.steps {
                li { "Sign in, with the account you have at this service." }
                li { "Say what your agent is called and where its users are sent back to." }
                li { "Paste its client id into your program, or into the client you use." }
            }
            a.button.primary href=(sign_in) { "Sign in" }
            p.small.quiet.after { "You sign in at " (host(issuer)) "." }
        },
    )
}

/// After signing out.
pub(super) fn signed_out(base: &str, issuer: &str, end_session: Option<&str>) -> Markup {
    page::wide_frame(
        "Signed out",
        base,
        html! {
            h1 { "You are signed out" }
            p {
                "You may still be signed in at " (host(issuer)) ": on a shared computer, sign out "
                @if let Some(end_session) = end_session {
                    a href=(end_session) rel="noreferrer" { "there too" }
                } @else { "there too" }
                "."
            }
            a.button href={ (base) "/developers" } { "Back to the first page" }
        },
    )
}

/// What stands in the way, and what to do.
pub(super) fn halted(base: &str, halt: &Halt) -> Markup {
    let (title, what, next) = match halt {
        Halt::SignedOut(_) => (
            "Sign in first",
            "This page is for developers who are signed in.",
            "Sign in",
        ),
        Halt::NotFound => (
            "There is no such agent",
            "It was deleted, or it is not yours.",
            "Your agents",
        ),
        Halt::ForeignForm => (
            "This form did not come from here",
            "Another site may have tried to act in your name. Nothing was changed.",
            "Your agents",
        ),
        Halt::StaleForm => (
            "This page was too old",
            "You have signed in anew or signed out since it was opened. Nothing was changed: open it \
             again and repeat the step.",
            "Your agents",
        ),
        Halt::Unreadable => (
            "This did not arrive as it should",
            "The form can't be read, or is larger than forms here are. Nothing was changed.",
            "Your agents",
        ),
        Halt::SignInGone => (
            "This sign-in has ended",
            "It took longer than ten minutes, was finished before, or began in another browser.",
            "Begin again",
        ),
        Halt::SignInRefused => (
            "You were not signed in",
            "You cancelled, or your account may not use this application.",
            "Begin again",
        ),
        Halt::Unavailable(_) => (
            "This is not possible just now",
            "The service that keeps agents and accounts does not answer. Nothing was lost; try again in \
             a minute.",
            "Try again",
        ),
        Halt::Internal => (
            "Something went wrong here",
            "Try again; if it stays like this, tell whoever runs this server.",
            "Your agents",
        ),
    };
    page::wide_frame(
        title,
        base,
        html! {
            h1 { (title) }
            p { (what) }
            a.button href={ (base) "/developers" } { (next) }
        },
    )
}

/// The host of an issuer, for people.
fn host(issuer: &str) -> String {
    let url = url::Url::parse(issuer).ok();
    let host = url.as_ref().and_then(url::Url::host_str);
    let port = url.as_ref().and_then(url::Url::port);
    match (host, port) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => issuer.to_owned(),
    }
}
