//! The form of an agent, new or changed: every mistake beside its field, nothing that was typed lost.

use std::time::Duration;

use maud::{Markup, PreEscaped, html};

use super::{Around, wording};
use crate::{
    page,
    portal::form::{AgentForm, Field, Kind, Mistakes, is_of_the_protocol},
    scope::{Scope, Scopes},
};

/// What the form shows.
#[derive(Debug)]
pub(in crate::portal) struct FormPage<'a> {
    pub(in crate::portal) base: &'a str,
    /// Nobody is signed in any more where there is none.
    pub(in crate::portal) around: Option<Around<'a>>,
    pub(in crate::portal) form: &'a AgentForm,
    pub(in crate::portal) mistakes: &'a Mistakes,
    pub(in crate::portal) trouble: Option<Trouble>,
    /// The one that is changed; none for a new one.
    pub(in crate::portal) agent: Option<&'a str>,
    pub(in crate::portal) scopes: &'a Scopes,
}

/// Why what was sent is not done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::portal) enum Trouble {
    /// Some fields are wrong.
    Mistakes,
    /// The session has ended meanwhile.
    SignedOut,
    /// The page is of another session.
    Stale,
    /// Nobody may register here.
    Closed,
    /// Too many registrations of late.
    TooMany(Duration),
    /// There are as many agents as there may be.
    Full,
    /// This developer has as many as one may have.
    FullForDeveloper,
    /// Registrations are only tried here.
    DryRun,
    /// Whoever keeps the agents can't be asked.
    Unavailable(Option<Duration>),
    /// Ours.
    Internal,
}

impl Trouble {
    /// As the audit log calls it.
    pub(in crate::portal) const fn code(self) -> &'static str {
        match self {
            Self::Mistakes => "mistakes",
            Self::SignedOut => "signed_out",
            Self::Stale => "stale_form",
            Self::Closed => "access_denied",
            Self::TooMany(_) => "too_many",
            Self::Full => "full",
            Self::FullForDeveloper => "full_for_developer",
            Self::DryRun => "dry_run",
            Self::Unavailable(_) => "temporarily_unavailable",
            Self::Internal => "server_error",
        }
    }
}

/// Asks what an agent is.
pub(in crate::portal) fn form(shown: &FormPage<'_>) -> Markup {
    let heading = if shown.agent.is_some() {
        "Change your agent"
    } else {
        "Register an agent"
    };
    let title = if shown.trouble.is_some() {
        format!("Error: {heading}")
    } else {
        heading.to_owned()
    };
    let body = html! {
        h1 { (heading) }
        @if let Some(trouble) = shown.trouble { (said(shown, trouble)) }
        (fields(shown))
    };
    match shown.around {
        Some(around) => {
            let mut above = vec![around.all()];
            if let Some(id) = shown.agent {
                above.push(("Agent", around.agent_path(id, "")));
            }
            around.frame(&title, &above, &body)
        }
        None => page::wide_frame(&title, shown.base, body),
    }
}

fn said(shown: &FormPage<'_>, trouble: Trouble) -> Markup {
    html! {
        div.note.bad role="alert" {
            @match trouble {
                Trouble::Mistakes => {
                    strong { "Nothing was saved yet. Please look at:" }
                    ul {
                        @for field in shown.mistakes.fields() {
                            li { a href={ "#" (field.as_str()) } { (label(field)) } }
                        }
                    }
                }
                Trouble::SignedOut => {
                    strong { "You are no longer signed in." } " Nothing is lost: "
                    a href={ (shown.base) "/developers/sign-in" } target="_blank" rel="noopener" {
                        "sign in in a new tab"
                    }
                    ", then come back here and send this form again."
                }
                Trouble::Stale => {
                    strong { "You have signed in anew since this form was opened." }
                    " Nothing is lost, and nothing was saved: look it over and send it again."
                }
                Trouble::Closed => {
                    strong { "Agents of this server are registered by its operator." }
                    " Ask whoever runs it."
                }
                Trouble::TooMany(after) => {
                    strong { "Too many agents were registered just now." }
                    " Nothing is lost: send this form again in " (in_words(after)) "."
                }
                Trouble::Full => {
                    strong { "This server takes no more agents." }
                    " Ask whoever runs it to make room, then send this form again."
                }
                Trouble::FullForDeveloper => {
                    strong { "You have as many agents as one developer may have." }
                    " Delete one that you no longer need, then send this form again."
                }
                Trouble::DryRun => {
                    strong { "Your agent is fine, but this server only tries registrations out." }
                    " Nothing was registered."
                }
                Trouble::Unavailable(after) => {
                    strong { "This could not be saved just now." }
                    " Nothing is lost: send this form again in "
                    (in_words(after.unwrap_or(Duration::from_secs(60)))) "."
                }
                Trouble::Internal => {
                    strong { "Something went wrong here, and nothing was saved." }
                    " Send this form again; if it stays like this, tell whoever runs this server."
                }
            }
        }
    }
}

fn in_words(after: Duration) -> String {
    match after.as_secs().max(1) {
        seconds @ 1..=90 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds.div_ceil(60)),
    }
}

const fn label(field: Field) -> &'static str {
    match field {
        Field::Name => "Name",
        Field::Kind => "Where it runs",
        Field::RedirectUris => "Redirect URIs",
        Field::Home => "Home page",
        Field::Logo => "Logo",
        Field::Terms => "Terms of use",
        Field::Privacy => "Privacy policy",
        Field::Scopes => "What it may ask users for",
    }
}

fn fields(shown: &FormPage<'_>) -> Markup {
    let FormPage { base, form, .. } = shown;
    let (action, back) = match shown.agent {
        Some(id) => {
            let page = format!("{base}/developers/agents/{id}");
            (format!("{page}/edit"), page)
        }
        None => (
            format!("{base}/developers/new"),
            format!("{base}/developers"),
        ),
    };
    html! {
        form method="post" action=(action) novalidate {
            @if let Some(around) = shown.around { (around.token()) }
            (text(shown, Field::Name, "text", &form.name, html! {
                "What users read when your agent asks to act for them."
            }))
            (kinds(shown))
            (redirect_uris(shown))
            (scopes(shown))
            (links(shown))
            div.actions {
                button.primary type="submit" {
                    @if shown.agent.is_some() { "Save" } @else { "Register" }
                }
                a.button href=(back) { "Cancel" }
            }
        }
    }
}

/// Hint and mistake of a field, and what ties them to its input.
struct Aside<'a> {
    described_by: String,
    mistake: Option<&'a str>,
    invalid: Option<&'static str>,
}

impl<'a> Aside<'a> {
    fn of(shown: &'a FormPage<'_>, field: Field) -> Self {
        let (name, mistake) = (field.as_str(), shown.mistakes.of(field));
        Self {
            described_by: match mistake {
                Some(_) => format!("{name}-mistake {name}-hint"),
                None => format!("{name}-hint"),
            },
            mistake,
            invalid: mistake.map(|_| "true"),
        }
    }

    fn mistake(&self, field: Field) -> Markup {
        html! {
            @if let Some(mistake) = self.mistake {
                p.mistake id={ (field.as_str()) "-mistake" } { (mistake) }
            }
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a hint is written in the call and used nowhere else"
)]
fn text(shown: &FormPage<'_>, field: Field, kind: &str, value: &str, hint: Markup) -> Markup {
    let (aside, name) = (Aside::of(shown, field), field.as_str());
    html! {
        label.name for=(name) { (label(field)) }
        p.hint id={ (name) "-hint" } { (hint) }
        (aside.mistake(field))
        input id=(name) type=(kind) name=(name) value=(value) autocomplete="off"
            aria-invalid=[aside.invalid] aria-describedby=(aside.described_by);
    }
}

fn kinds(shown: &FormPage<'_>) -> Markup {
    let aside = Aside::of(shown, Field::Kind);
    let chosen = shown.form.kind();
    if shown.agent.is_some() {
        let kind = chosen.map(wording::kind);
        return html! {
            // Sent along, so that the form can be shown once more as it is.
            input type="hidden" name=(Field::Kind.as_str()) value=(shown.form.kind);
            p.name { (label(Field::Kind)) }
            p { (kind.unwrap_or_default()) span.quiet { " – this stays as it is." } }
        };
    }
    let option = |kind: Kind, words: &str, id: Option<&str>| {
        html! {
            label {
                input id=[id] type="radio" name=(Field::Kind.as_str()) value=(kind.as_str())
                    checked[chosen == Some(kind)] aria-invalid=[aside.invalid];
                span { b { (wording::kind(kind)) } span.quiet.small { (words) } }
            }
        }
    };
    html! {
        fieldset.group aria-describedby=[aside.mistake.map(|_| "kind-mistake")] {
            legend { (label(Field::Kind)) }
            (aside.mistake(Field::Kind))
            ul.scopes role="list" {
                li { (option(Kind::App, "A desktop or phone app, a command line, an editor. It can’t keep a \
                    secret, so it gets none.", Some("kind"))) }
                li { (option(Kind::Server, "A website or a hosted agent. It gets a secret, which stays on your \
                    server.", None)) }
            }
        }
    }
}

fn redirect_uris(shown: &FormPage<'_>) -> Markup {
    let field = Field::RedirectUris;
    let (aside, name) = (Aside::of(shown, field), field.as_str());
    // A line break right after the tag is not part of the text, so one is put there for it to be.
    html! {
        label.name for=(name) { (label(field)) }
        p.hint id={ (name) "-hint" } {
            "Where users are sent back to your agent, one on each line: "
            code { "https://…" } ", or for an app "
            code { "http://127.0.0.1/callback" } " (any port) or a scheme such as "
            code { "com.example.app:/callback" } "."
        }
        (aside.mistake(field))
        textarea id=(name) name=(name) rows="4" spellcheck="false" autocapitalize="none"
            autocomplete="off" aria-invalid=[aside.invalid] aria-describedby=(aside.described_by) {
            (PreEscaped("\n")) (shown.form.redirect_uris)
        }
    }
}

fn scopes(shown: &FormPage<'_>) -> Markup {
    let aside = Aside::of(shown, Field::Scopes);
    let chosen = |scope: &Scope| shown.form.scopes.contains(&scope.to_string());
    let optional: Vec<&Scope> = shown
        .scopes
        .iter()
        .filter(|scope| !is_of_the_protocol(scope))
        .collect();
    html! {
        @if !optional.is_empty() {
            fieldset.group #scope aria-describedby=(aside.described_by) {
                legend { (label(Field::Scopes)) }
                p.hint id="scope-hint" { "The most that it may ever be granted. Users trust what asks for little." }
                (aside.mistake(Field::Scopes))
                ul.scopes role="list" {
                    @for scope in optional {
                        li {
                            label {
                                input type="checkbox" name=(Field::Scopes.as_str()) value=(scope)
                                    checked[chosen(scope)];
                                span {
                                    b { (wording::scope(scope)) }
                                    code.small { (scope) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Out of the way until they are wanted: none has to be given.
fn links(shown: &FormPage<'_>) -> Markup {
    let form = shown.form;
    let all = [
        (Field::Home, &form.home, "What your agent is."),
        (
            Field::Logo,
            &form.logo,
            "A picture that browsers of your users load from you.",
        ),
        (Field::Terms, &form.terms, "Shown to users who are asked."),
        (
            Field::Privacy,
            &form.privacy,
            "What you do with their data. Shown too.",
        ),
    ];
    let is_open = all
        .iter()
        .any(|(field, value, _)| !value.is_empty() || shown.mistakes.of(*field).is_some());
    html! {
        details.group open[is_open] {
            summary { "Links and logo " span.quiet { "(optional)" } }
            @for (field, value, hint) in all {
                (text(shown, field, "url", value, html! { (hint) }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(change: impl FnOnce(&mut AgentForm), mistakes: &Mistakes) -> String {
        let scopes = "openid profile mcp:tools".parse().unwrap();
        let mut typed = AgentForm::empty(&scopes);
        change(&mut typed);
        form(&FormPage {
            base: "/ai",
            around: Some(Around {
                base: "/ai",
                name: "Alice",
                form_token: "f",
            }),
            form: &typed,
            mistakes,
            trouble: Some(Trouble::Mistakes),
            agent: None,
            scopes: &scopes,
        })
        .into_string()
    }

    // C17
    #[test]
    fn what_was_typed_is_shown_again_and_is_inert() {
        let evil = "\"></textarea><script>alert(1)</script><img src=x onerror=alert(1)>";
        let page = shown(
            |form| {
                for field in [
                    &mut form.name,
                    &mut form.kind,
                    &mut form.redirect_uris,
                    &mut form.home,
                    &mut form.logo,
                    &mut form.terms,
                    &mut form.privacy,
                ] {
                    evil.clone_into(field);
                }
                form.scopes.push(evil.to_owned());
            },
            &Mistakes::default(),
        );

        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
        assert_eq!(page.matches("</textarea>").count(), 1);
        assert!(page.matches("&lt;script&gt;").count() >= 6, "{page}");
    }

    #[test]
    fn a_mistake_stands_at_its_field_and_is_tied_to_it() {
        let mut mistakes = Mistakes::default();
        mistakes.add(Field::Logo, "Enter a whole address.");
        let page = shown(|_| (), &mistakes);

        assert!(
            page.contains("<p class=\"mistake\" id=\"logo-mistake\">Enter a whole address.</p>")
        );
        assert!(page.contains("aria-invalid=\"true\" aria-describedby=\"logo-mistake logo-hint\""));
        assert!(page.contains("<details class=\"group\" open>"), "{page}");
        assert!(page.contains("<a href=\"#logo\">Logo</a>"));
    }
}
