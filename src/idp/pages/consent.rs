//! The consent page: who asks, for what, where the user will be sent, and two buttons.

use maud::{Markup, html};

use super::wording::{Wording, explain};
use crate::{
    idp::{
        User,
        interaction::{CONSENT_PATH, SIGN_IN_PATH},
        redirect_uri::Destination,
    },
    page,
    scope::{Scope, Scopes},
};

/// What the consent page shows.
#[derive(Debug)]
pub(in crate::idp) struct ConsentPage<'a> {
    pub(in crate::idp) transaction: &'a str,
    pub(in crate::idp) form_token: &'a str,
    /// As it calls itself.
    pub(in crate::idp) agent: &'a str,
    /// The host whose document describes it; none where it registered itself.
    pub(in crate::idp) publisher: Option<&'a str>,
    /// The host or app the user will be sent to.
    pub(in crate::idp) destination: Destination,
    /// What it wants to reach.
    pub(in crate::idp) resources: &'a [String],
    pub(in crate::idp) scopes: &'a Scopes,
    pub(in crate::idp) user: &'a User,
}

/// Asks whether the user agrees, and to what.
pub(in crate::idp) fn consent(shown: &ConsentPage<'_>) -> Markup {
    page::frame(
        &format!("Let {} act for you?", shown.agent),
        html! {
            h1 { "Let " (shown.agent) " act for you?" }
            p.note.warn #unverified { (doubt(shown)) }
            (facts(shown))
            form method="post" action=(CONSENT_PATH) {
                input type="hidden" name="transaction" value=(shown.transaction);
                input type="hidden" name="form_token" value=(shown.form_token);
                (scopes(shown))
                div.choices {
                    button type="submit" name="decision" value="deny" { "Deny" }
                    button.primary type="submit" name="decision" value="allow"
                        aria-describedby="unverified" { "Allow" }
                }
            }
        },
    )
}

/// How far what it says of itself can be believed.
fn doubt(shown: &ConsentPage<'_>) -> Markup {
    html! {
        @match shown.publisher {
            None => {
                strong { "Not verified." }
                " This agent registered itself; anyone can use this name. \
                 Allow it only if you just started it yourself."
            }
            // Everybody knows where the document is, and any program here may wait for the answer.
            Some(publisher) if shown.destination.is_on_this_device() => {
                strong { "It says it is from " (publisher) "." }
                " Any program on this computer can say so. \
                 Allow it only if you trust that site and just started the agent yourself."
            }
            Some(publisher) => {
                strong { "It is from " (publisher) "." }
                " That site gave it its name, and nobody else has checked it. \
                 Allow it only if you trust that site and just started the agent yourself."
            }
        }
    }
}

fn facts(shown: &ConsentPage<'_>) -> Markup {
    let other_account = format!("{SIGN_IN_PATH}?transaction={}", shown.transaction);
    html! {
        dl.facts {
            div {
                dt { "You are signed in as" }
                dd {
                    (shown.user.name) " "
                    span.small.quiet { "(" (shown.user.email) ")" }
                    br;
                    a.small href=(other_account) { "Use another account" }
                }
            }
            @if !shown.resources.is_empty() {
                div {
                    dt { "It wants to reach" }
                    @for resource in shown.resources { dd { (resource) } }
                }
            }
            div {
                dt { "You will be sent to" }
                dd {
                    (shown.destination.name) " "
                    @if let Some(remark) = shown.destination.remark {
                        span.small.quiet { "(" (remark) ")" }
                    }
                }
            }
        }
    }
}

fn scopes(shown: &ConsentPage<'_>) -> Markup {
    html! {
        @if shown.scopes.is_empty() {
            p { "It asks for nothing about you, only to reach the server in your name." }
        } @else {
            fieldset {
                legend { "It asks to" }
                ul.scopes role="list" {
                    @for scope in in_reading_order(shown.scopes) {
                        li { (line(scope, &explain(scope, shown.user))) }
                    }
                }
            }
        }
    }
}

/// A scope with its box; `openid` has none, because it is not optional.
fn line(scope: &Scope, wording: &Wording) -> Markup {
    let words = html! {
        span {
            b { @if wording.unknown { code { (wording.title) } } @else { (wording.title) } }
            span.quiet.small { (wording.detail) }
        }
    };
    html! {
        @if scope.as_str() == "openid" {
            div.fixed {
                svg.tick viewBox="0 0 20 20" aria-hidden="true" focusable="false" {
                    path d="M4.5 10.5 8.5 14.5 16 6" {}
                }
                (words)
            }
        } @else {
            label {
                input type="checkbox" name="scope" value=(scope) checked;
                (words)
            }
        }
    }
}

/// Who you are first, then what is known, then what is not.
fn in_reading_order(scopes: &Scopes) -> Vec<&Scope> {
    let rank = |scope: &&Scope| match scope.as_str() {
        "openid" => 0,
        "profile" => 1,
        "email" => 2,
        "offline_access" => 4,
        _ => 3,
    };
    let mut ordered: Vec<&Scope> = scopes.iter().collect();
    ordered.sort_by_key(rank);
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idp::redirect_uri::destination;

    fn shown(agent: &str, scopes: &str) -> String {
        published(agent, None, "http://127.0.0.1:5000/cb", scopes)
    }

    fn published(agent: &str, publisher: Option<&str>, redirect_uri: &str, scopes: &str) -> String {
        consent(&ConsentPage {
            transaction: "t",
            form_token: "f",
            agent,
            publisher,
            destination: destination(redirect_uri),
            resources: &["http://127.0.0.1:3001/mcp".to_owned()],
            scopes: &scopes.parse().unwrap(),
            user: &User::new("demo", "demo", "Demo User", "demo@example.com"),
        })
        .into_string()
    }

    #[test]
    fn every_scope_but_openid_has_a_box_that_is_ticked() {
        let page = shown("Agent", "openid profile mcp:tools");

        for scope in ["profile", "mcp:tools"] {
            let ticked =
                format!("<input type=\"checkbox\" name=\"scope\" value=\"{scope}\" checked>");
            assert!(page.contains(&ticked), "{scope}: {page}");
        }
        assert!(!page.contains("value=\"openid\""));
        assert!(page.contains("Know who you are"));
    }

    /// R11
    #[test]
    fn a_famous_name_is_shown_as_unverified_with_its_destination() {
        let page = shown("Claude", "openid");

        assert!(page.contains("Not verified."));
        assert!(page.contains("127.0.0.1:5000"));
    }

    #[test]
    fn the_host_of_a_document_is_named_beside_what_the_agent_calls_itself() {
        for (redirect_uri, said) in [
            ("https://evil.example/cb", "It is from evil.example."),
            (
                "http://localhost:5000/cb",
                "It says it is from evil.example.",
            ),
            ("com.example.app:/cb", "It says it is from evil.example."),
        ] {
            let page = published("Claude", Some("evil.example"), redirect_uri, "openid");

            assert!(page.contains(&format!("<strong>{said}</strong>")), "{page}");
            assert!(!page.contains("registered itself"));
        }
    }

    /// C17
    #[test]
    fn a_name_and_a_scope_are_inert() {
        let page = shown("<script>alert(1)</script>", "<img/src=x>");

        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
    }
}
