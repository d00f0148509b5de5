//! One agent: what it is, its secrets, its users, what to paste where; and whether to delete it.

use maud::{Markup, html};

use super::{Around, wording};
use crate::{
    portal::{form::Kind, session::What},
    registration::{Client, GrantingUsers, NamedSecret, SECRETS_MAX},
    setups::{AgentSetup, agent_setups},
    units::PublicUrl,
};

/// What an agent's page shows.
#[derive(Debug)]
pub(in crate::portal) struct AgentPage<'a> {
    pub(in crate::portal) around: Around<'a>,
    pub(in crate::portal) url: &'a PublicUrl,
    /// Where its users sign in, as the agent is told.
    pub(in crate::portal) issuer: &'a str,
    pub(in crate::portal) agent: &'a Client,
    pub(in crate::portal) secrets: &'a [NamedSecret],
    pub(in crate::portal) note: Option<&'a What>,
}

/// An agent's own page.
pub(in crate::portal) fn agent(shown: &AgentPage<'_>) -> Markup {
    let AgentPage { around, agent, .. } = shown;
    let name = name(agent);
    around.frame(
        name,
        &[around.all()],
        &html! {
            h1 { (name) }
            @if agent.disabled {
                p.note.bad {
                    strong { "This agent is shut out." }
                    " Nobody can sign in with it. Ask whoever runs this server why."
                }
            }
            @if let Some(note) = shown.note { (said(agent, note)) }
            (facts(shown))
            div.actions {
                a.button href=(around.agent_path(&agent.id, "/edit")) { "Change" }
                a.button href=(around.agent_path(&agent.id, "/users")) { "Users" }
                a.button.danger href=(around.agent_path(&agent.id, "/delete")) { "Delete" }
            }
            @if agent.details.is_confidential() { (secrets(shown)) }
            h2 { "Calls" }
            p.quiet {
                "Calls are not counted for each agent here. The operator of this server finds every call in \
                 its audit log, by the client id."
            }
            h2 { "Connect it" }
            p {
                "Clients that find out by themselves where to sign in need the address and the client id:"
            }
            @for setup in agent_setups(shown.url, &agent.id, agent.details.is_confidential()) {
                (paste(agent, &setup))
            }
        },
    )
}

fn name(agent: &Client) -> &str {
    let name = agent.details.name.as_deref();
    name.unwrap_or("An agent without a name")
}

fn said(agent: &Client, note: &What) -> Markup {
    html! {
        @match note {
            What::Secret { agent: of, secret } if *of == agent.id => div.note.good role="status" {
                strong { "Copy this secret now." } " It is shown this once, and nobody can look it up later."
                pre.secret { code { (secret) } }
                "Keep it on your server. Who has it can act as your agent."
            },
            What::Registered => p.note.good role="status" {
                strong { "Registered." } " Its client id is below, with what to paste where."
            },
            What::Changed => p.note.good role="status" {
                strong { "Saved." } " Servers know within a minute; users are asked anew where it wants more."
            },
            What::SecretEnded => p.note.good role="status" {
                strong { "Ended." } " That secret is refused from now on."
            },
            What::Secret { .. } | What::Deleted => {},
        }
    }
}

fn facts(shown: &AgentPage<'_>) -> Markup {
    let details = &shown.agent.details;
    let links = [
        ("Home page", &details.links.home),
        ("Logo", &details.links.logo),
        ("Terms of use", &details.links.terms),
        ("Privacy policy", &details.links.privacy),
    ];
    html! {
        dl.facts {
            (fact("Client id", &html! { code { (shown.agent.id) } }))
            (fact("Where it runs", &html! { (wording::kind(Kind::of(details))) }))
            (fact("Users are sent back to", &html! {
                @for uri in &details.redirect_uris { div { code { (uri.as_str()) } } }
            }))
            (fact("It may ask users for", &html! {
                @for scope in details.scopes.iter() {
                    div { (wording::scope(scope)) " " code { (scope) } }
                }
            }))
            (fact("Users are asked about", &html! {
                (details.display_name())
                div.small.quiet { "Nobody has checked what you say of it, and they are told so." }
            }))
            (fact("MCP server", &html! { code { (shown.url.join("/mcp")) } }))
            (fact("Authorization server", &html! { code { (shown.issuer) } }))
            @for (name, link) in links {
                @if let Some(link) = link {
                    (fact(name, &html! { a href=(link) rel="noopener noreferrer nofollow" { (link) } }))
                }
            }
            (fact("Registered", &html! { (wording::day(details.registered_at)) }))
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn secrets(shown: &AgentPage<'_>) -> Markup {
    let AgentPage {
        around,
        agent,
        secrets,
        ..
    } = shown;
    let is_full = secrets.len() >= SECRETS_MAX;
    html! {
        h2 #secrets { "Secrets" }
        @if is_full {
            p {
                "Both are good. Once your agent uses the newer one everywhere, end the older one."
            }
        } @else {
            p {
                "To replace the secret without a break: make a second one, move your agent over to it, then \
                 end the first. Both are good meanwhile."
            }
        }
        ul.secrets role="list" {
            @for (at, secret) in secrets.iter().enumerate() {
                @let which = match (is_full, at) {
                    (false, _) => "In use",
                    (true, 0) => "Older one",
                    (true, _) => "Newer one",
                };
                li {
                    div {
                        strong { (which) }
                        div.small.quiet {
                            (secret.name)
                            @if let Some(made_at) = secret.made_at { ", made " (wording::minute(made_at)) }
                        }
                    }
                    @if is_full {
                        form method="post" action=(around.agent_path(&agent.id, "/end-secret")) {
                            (around.token())
                            input type="hidden" name="secret" value=(secret.name);
                            button.danger type="submit" { "End the " (which.to_lowercase()) }
                        }
                    }
                }
            }
        }
        @if !is_full {
            form.alone method="post" action=(around.agent_path(&agent.id, "/secrets")) {
                (around.token())
                button type="submit" { "Make a second secret" }
            }
        }
    }
}

/// What to paste, and whether the client's redirect URI is among the agent's.
fn paste(agent: &Client, setup: &AgentSetup) -> Markup {
    let missing = setup.redirect_uri.filter(|uri| !agent.may_redirect_to(uri));
    html! {
        section.setup {
            h3 { (setup.setup.client) span.quiet.small { (setup.setup.place) } }
            pre { code { (setup.setup.snippet) } }
            @if let Some(missing) = missing {
                p.small.quiet { "Needs the redirect URI " code { (missing) } ", which is not among yours yet." }
            }
        }
    }
}

/// Who lets an agent act for them.
pub(in crate::portal) fn users(
    around: Around<'_>,
    agent: &Client,
    granting: &GrantingUsers,
) -> Markup {
    let users = &granting.users;
    around.frame(
        &format!("Users of {}", name(agent)),
        &[around.all(), (name(agent), around.agent_path(&agent.id, ""))],
        &html! {
            h1 { "Users of " (name(agent)) }
            @if users.is_empty() {
                div.empty {
                    p { strong { "Nobody lets this agent act for them now." } }
                    p.quiet { "Once a user has agreed, they stand here by the id that your agent knows them by." }
                }
            } @else {
                p {
                    (users.len()) @if users.len() == 1 { " user lets" } @else { " users let" }
                    " it act for them. They are named by the id (" code { "sub" } ") that your agent knows \
                     them by; who they are, only they can tell it."
                }
                ul.users role="list" {
                    @for user in users {
                        li {
                            code { (user.subject) }
                            @if let Some(until) = user.until {
                                span.small.quiet { " until " (wording::day(until)) }
                            }
                        }
                    }
                }
            }
            @if granting.not_asked > 0 {
                p.note {
                    (granting.not_asked) " accounts of this service could not be asked in time, so there may be \
                     more."
                }
            }
        },
    )
}

/// Asks whether an agent is to be deleted.
pub(in crate::portal) fn delete(around: Around<'_>, agent: &Client) -> Markup {
    let page = around.agent_path(&agent.id, "");
    around.frame(
        &format!("Delete {}?", name(agent)),
        &[around.all(), (name(agent), page.clone())],
        &html! {
            h1 { "Delete " (name(agent)) "?" }
            p {
                "Its users are cut off at once, and its client id and secrets are good for nothing any more. \
                 This can’t be undone: registered again, it has another client id, and every user is asked \
                 again."
            }
            form.actions method="post" action=(around.agent_path(&agent.id, "/delete")) {
                (around.token())
                button.danger type="submit" { "Delete it" }
                a.button href=(page) { "Keep it" }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        oauth::{
            client_metadata::AuthenticationMethod,
            redirect_uri::{ApplicationType, RedirectUri},
        },
        registration::{Links, NewClient, Origin},
        scope::Scopes,
        time::Timestamp,
    };

    const EVIL: &str = "\"'><script>alert(1)</script>";

    // C17: whatever an operator wrote into the registrar's Console.
    #[test]
    fn every_text_of_an_agent_is_inert() {
        let uri = RedirectUri::check("https://a.example/?<b>", ApplicationType::Web).unwrap();
        let evil = || Some(EVIL.to_owned());
        let client = Client {
            id: EVIL.to_owned(),
            details: NewClient {
                name: evil(),
                redirect_uris: vec![uri],
                application_type: ApplicationType::Web,
                authentication: AuthenticationMethod::Basic,
                refreshes: true,
                scopes: Scopes::none(),
                software_id: evil(),
                contact: evil(),
                links: Links {
                    home: evil(),
                    logo: evil(),
                    terms: evil(),
                    privacy: evil(),
                },
                owner: evil(),
                origin: Origin::Portal,
                registered_at: Timestamp::from_unix_seconds(0),
            },
            disabled: true,
        };
        let around = Around {
            base: "",
            name: EVIL,
            form_token: EVIL,
        };
        let secret = NamedSecret {
            name: EVIL.to_owned(),
            made_at: None,
        };
        let note = What::Secret {
            agent: EVIL.to_owned(),
            secret: EVIL.to_owned(),
        };
        let page = agent(&AgentPage {
            around,
            url: &"https://mcp.example.com".parse().unwrap(),
            issuer: EVIL,
            agent: &client,
            secrets: &[secret.clone(), secret],
            note: Some(&note),
        });
        let pages = [
            page,
            delete(around, &client),
            users(around, &client, &GrantingUsers::default()),
            super::super::list(around, &[client], Some(1), None),
        ];
        for page in pages {
            let page = page.into_string();
            assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        }
    }
}
