//! Usher's mark, a door ajar: once as the page's icon, once inside the page in the text's colours.

use maud::{Markup, html};

/// For the browser's tab: its own colours, since it can't take the page's.
pub(super) const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#4338ca"/><path d="M9 25V8a1.5 1.5 0 0 1 1.5-1.5h11A1.5 1.5 0 0 1 23 8v17" fill="none" stroke="#fff" stroke-width="2" stroke-linecap="round"/><path d="M10 8.2 18 11v14.6a.8.8 0 0 1-1 .8L10 25z" fill="#fff"/><circle cx="15.4" cy="18.4" r="1.1" fill="#4338ca"/></svg>"##;

/// Beside the name in a page's header. Says nothing to a screen reader: the name stands next to it.
pub(super) fn inline() -> Markup {
    html! {
        svg.mark viewBox="0 0 32 32" aria-hidden="true" focusable="false" {
            rect.mark-ground width="32" height="32" rx="8" {}
            path.mark-frame d="M9 25V8a1.5 1.5 0 0 1 1.5-1.5h11A1.5 1.5 0 0 1 23 8v17"
                fill="none" stroke-width="2" stroke-linecap="round" {}
            path.mark-leaf d="M10 8.2 18 11v14.6a.8.8 0 0 1-1 .8L10 25z" {}
            circle.mark-ground cx="15.4" cy="18.4" r="1.1" {}
        }
    }
}
