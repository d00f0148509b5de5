//! The sign-in page.

use maud::{Markup, html};

use crate::{idp::interaction::SIGN_IN_PATH, page};

/// What the sign-in page shows.
#[derive(Debug)]
pub(in crate::idp) struct SignInPage<'a> {
    pub(in crate::idp) transaction: &'a str,
    pub(in crate::idp) form_token: &'a str,
    /// Who sent the user here, by its own account.
    pub(in crate::idp) agent: &'a str,
    pub(in crate::idp) official: bool,
    /// The host whose document describes the agent.
    pub(in crate::idp) publisher: Option<&'a str>,
    /// What was typed before, or the client's hint.
    pub(in crate::idp) username: &'a str,
    /// Whether name and password were just refused.
    pub(in crate::idp) failed: bool,
    /// The demo user's name and password.
    pub(in crate::idp) hint: Option<(&'a str, &'a str)>,
}

/// Asks for name and password.
pub(in crate::idp) fn sign_in(shown: &SignInPage<'_>) -> Markup {
    let described_by = shown.failed.then_some("sign-in-error");
    let invalid = shown.failed.then_some("true");
    // After a refusal the password is to be typed again, not the name.
    let name_known = !shown.username.is_empty();
    let title = if shown.failed {
        "Error: sign in"
    } else {
        "Sign in"
    };
    page::frame(
        title,
        html! {
            h1 { "Sign in" }
            p.quiet {
                @if shown.official {
                    "to continue to " strong { (shown.agent) } "."
                } @else {
                    "An agent "
                    @if let Some(publisher) = shown.publisher { "of " strong { (publisher) } " " }
                    "that calls itself " strong { (shown.agent) }
                    " wants to act for you. Nothing is shared until you agree on the next page."
                }
            }
            @if shown.failed {
                p.note.bad #sign-in-error role="alert" {
                    "That user name and password don’t match, or there were too many tries. \
                     Check both and try again."
                }
            }
            form method="post" action=(SIGN_IN_PATH) {
                input type="hidden" name="transaction" value=(shown.transaction);
                input type="hidden" name="form_token" value=(shown.form_token);
                label.name for="username" { "User name" }
                input #username type="text" name="username" value=(shown.username)
                    autocomplete="username" autocapitalize="none" spellcheck="false" required
                    autofocus[!name_known] aria-invalid=[invalid] aria-describedby=[described_by];
                label.name for="password" { "Password" }
                input #password type="password" name="password"
                    autocomplete="current-password" required
                    autofocus[name_known] aria-invalid=[invalid] aria-describedby=[described_by];
                button.primary.full type="submit" { "Sign in" }
            }
            @if let Some((username, password)) = shown.hint {
                p.note {
                    "This is a development server on your own computer. Sign in as "
                    code { (username) } " with the password " code { (password) } "."
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(agent: &str, username: &str, failed: bool) -> String {
        sign_in(&SignInPage {
            transaction: "t",
            form_token: "f",
            agent,
            official: false,
            publisher: None,
            username,
            failed,
            hint: None,
        })
        .into_string()
    }

    /// C17
    #[test]
    fn a_name_and_a_hint_are_inert() {
        let page = shown(
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            false,
        );

        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
    }

    #[test]
    fn a_refusal_is_announced_and_tied_to_both_fields() {
        let page = shown("Agent", "demo", true);

        assert!(page.contains("role=\"alert\""));
        assert_eq!(
            page.matches("aria-describedby=\"sign-in-error\"").count(),
            2
        );
    }
}
