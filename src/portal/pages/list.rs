//! A developer's agents.

use maud::{Markup, html};

use super::{Around, wording};
use crate::{
    portal::{form::Kind, session::What},
    registration::Client,
};

/// All of them, or what to do where there is none. `may_have` is how many there may be; nothing where
/// nobody may register.
pub(in crate::portal) fn list(
    around: Around<'_>,
    agents: &[Client],
    may_have: Option<usize>,
    note: Option<&What>,
) -> Markup {
    let new = around.path("/developers/new");
    let has_room = may_have.is_some_and(|may_have| agents.len() < may_have);
    around.frame(
        "Your agents",
        &[],
        &html! {
            h1 { "Your agents" }
            @if note == Some(&What::Deleted) {
                p.note.good role="status" {
                    "Deleted. Its tokens are refused from now on, and nobody can sign in with it."
                }
            }
            @if agents.is_empty() {
                div.empty {
                    p { strong { "You have no agent yet." } }
                    @if has_room {
                        p.quiet {
                            "Register one to get a client id. With it, your program can ask users of this \
                             server to let it act for them."
                        }
                        a.button.primary href=(new) { "Register your first agent" }
                    }
                }
            } @else {
                ul.agents role="list" {
                    @for agent in agents { li { (line(around, agent)) } }
                }
                @if has_room {
                    a.button.primary href=(new) { "Register an agent" }
                }
            }
            @match may_have {
                None => p.note {
                    "Agents of this server are registered by its operator: ask whoever runs it. Those you \
                     have are yours to look after."
                },
                Some(may_have) if !has_room => p.note {
                    "You have all " (may_have) " agents that one developer may have. Delete one that you no \
                     longer need, or ask whoever runs this server."
                },
                Some(may_have) if !agents.is_empty() => p.small.quiet.after {
                    (agents.len()) " of " (may_have) " agents"
                },
                Some(_) => {},
            }
        },
    )
}

fn line(around: Around<'_>, agent: &Client) -> Markup {
    let details = &agent.details;
    html! {
        a href=(around.agent_path(&agent.id, "")) {
            strong { (details.name.as_deref().unwrap_or("An agent without a name")) }
        }
        @if agent.disabled { " " span.badge.bad { "Shut out" } }
        div.small.quiet {
            (wording::kind(Kind::of(details))) ", since " (wording::day(details.registered_at))
        }
        div.small { code { (agent.id) } }
    }
}
