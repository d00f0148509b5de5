//! The page for people who come to the provider by themselves.

use maud::{Markup, html};

use crate::{idp::User, page};

/// What the home page shows.
#[derive(Debug)]
pub(in crate::idp) struct HomePage<'a> {
    pub(in crate::idp) issuer: &'a str,
    /// Who is signed in in this browser.
    pub(in crate::idp) user: Option<&'a User>,
}

/// Says what this is and who is signed in.
pub(in crate::idp) fn home(shown: &HomePage<'_>) -> Markup {
    page::frame(
        "Development sign-in",
        html! {
            @if let Some(user) = shown.user {
                h1 { "You are signed in" }
                p { "as " strong { (user.name) } " (" (user.email) "). There is nothing to do here." }
                p.quiet {
                    "Agents send you here when they want to act for you. "
                    "Signing out does not end what you have already allowed."
                }
                form method="post" action="/oidc/session/end" {
                    button.full type="submit" { "Sign out" }
                }
            } @else {
                h1 { "Nothing to do here" }
                p { "This is the sign-in of a development server on your own computer." }
                p.quiet {
                    "Agents send you here when they want to act for you. "
                    "Connect one to the server, and it will open this page by itself."
                }
            }
            dl.facts {
                div {
                    dt { "Issuer" }
                    dd { (shown.issuer) }
                }
            }
        },
    )
}
