//! What a page of ours looks like: the frame around it, the stylesheet, the mark, the headers.
//!
//! The provider's pages (`idp`) and Usher's home page use it. It promises that a page is readable on
//! a phone, in light and in dark, and loads nothing from elsewhere: one stylesheet and one mark, both
//! in [`ASSETS`], which whoever serves a page serves too, below the same path. No script, no inline style, so that
//! [`content_security_policy`] can forbid both.

mod mark;

use maud::{DOCTYPE, Markup, html};

/// The one stylesheet of all pages.
pub const STYLESHEET: &str = include_str!("style.css");

/// Where every server with pages serves [`STYLESHEET`].
pub const STYLESHEET_PATH: &str = "/assets/usher.css";

/// Where every server with pages serves the mark, as the page's icon.
pub const ICON_PATH: &str = "/assets/usher.svg";

/// A file that pages need, to be served as it is.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Absolute path on the server, below the page's base.
    pub path: &'static str,
    /// Media type.
    pub content_type: &'static str,
    /// The content.
    pub body: &'static str,
}

/// All that a page loads. May be cached: `Cache-Control: max-age=300`.
pub const ASSETS: [Asset; 2] = [
    Asset {
        path: STYLESHEET_PATH,
        content_type: "text/css; charset=utf-8",
        body: STYLESHEET,
    },
    Asset {
        path: ICON_PATH,
        content_type: "image/svg+xml",
        body: mark::ICON,
    },
];

/// Headers of every page besides its `Content-Security-Policy`, as name and value: not kept, not
/// framed, not sniffed, and no address of ours told to the next site.
pub const HEADERS: [(&str, &str); 5] = [
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
];

/// A whole page. `title` is read out first by a screen reader, so it says what the page is for;
/// ` · Usher` is added. `body` begins with the page's only `h1`.
#[must_use]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a body is written in the call and used nowhere else"
)]
pub fn frame(title: &str, body: Markup) -> Markup {
    framed(title, "card", "", &body)
}

/// The same with its assets below the path `base`, which is empty at an origin's root.
#[must_use]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a body is written in the call and used nowhere else"
)]
pub fn frame_below(title: &str, base: &str, body: Markup) -> Markup {
    framed(title, "card", base, &body)
}

/// The same, wider: for a page that shows lines of code rather than a form. Its assets are below the
/// path `base`, which is empty at an origin's root.
#[must_use]
#[expect(
    clippy::needless_pass_by_value,
    reason = "a body is written in the call and used nowhere else"
)]
pub fn wide_frame(title: &str, base: &str, body: Markup) -> Markup {
    framed(title, "card wide", base, &body)
}

fn framed(title: &str, class: &str, base: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Usher" }
                link rel="stylesheet" href={ (base) (STYLESHEET_PATH) };
                link rel="icon" type="image/svg+xml" href={ (base) (ICON_PATH) };
            }
            body {
                header.brand { (mark::inline()) span { "Usher" } }
                main class=(class) { (body) }
            }
        }
    }
}

/// The policy of a page: only our own stylesheet and mark, no script, no frame, no base.
///
/// `form_targets` are the sources to which the page's forms may lead besides our own origin.
/// Chromium holds a form's whole chain of redirects to `form-action`, so the page before a redirect
/// to a client has to name that client's origin (`http://127.0.0.1:5000`) or scheme (`cursor:`).
#[must_use]
pub fn content_security_policy(form_targets: &[String]) -> String {
    let mut policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
                      frame-ancestors 'none'; form-action 'self'"
        .to_owned();
    for target in form_targets.iter().filter(|target| is_source(target)) {
        policy.push(' ');
        policy.push_str(target);
    }
    policy
}

/// A source can't end the directive or begin another one, whatever a client registered.
fn is_source(target: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":/.-_+[]".contains(&byte);
    // Any port of one host, but never any host.
    let target = target.strip_suffix(":*").unwrap_or(target);
    !target.is_empty() && target.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_escaped() {
        let page = frame("<script>", html! {}).into_string();

        assert!(page.contains("<title>&lt;script&gt; · Usher</title>"));
    }

    #[test]
    fn a_form_target_can_not_add_a_directive() {
        let policy = content_security_policy(&["https://a; script-src *".to_owned()]);

        assert!(policy.ends_with("form-action 'self'"), "{policy}");
    }

    #[test]
    fn a_form_may_lead_to_the_clients_origin() {
        let policy = content_security_policy(&["http://127.0.0.1:5000".to_owned()]);

        assert!(policy.ends_with("form-action 'self' http://127.0.0.1:5000"));
    }

    #[test]
    fn the_stylesheet_loads_nothing() {
        assert!(!STYLESHEET.contains("url(") && !STYLESHEET.contains("@import"));
    }
}
