//! Kinds, scopes and dates in plain words.

use maud::{Markup, html};

use crate::{portal::form::Kind, scope::Scope, time::Timestamp};

pub(super) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::App => "App on its users’ devices",
        Kind::Server => "Service on a server",
    }
}

/// What a scope lets an agent do, where that is known here.
pub(super) fn scope(scope: &Scope) -> &'static str {
    match scope.as_str() {
        "openid" => "Know which user it acts for",
        "profile" => "See the user’s name",
        "email" => "See the user’s email address",
        "phone" => "See the user’s phone number",
        "address" => "See the user’s address",
        "roles" => "See the user’s roles",
        "offline_access" => "Stay connected without asking each time",
        _ => "A permission of this server",
    }
}

/// A day, as `2026-07-28`.
pub(super) fn day(moment: Timestamp) -> Markup {
    let moment = moment.to_rfc3339();
    html! { time datetime=(moment) { (moment.split('T').next().unwrap_or_default()) } }
}

/// To the minute, as `2026-07-28 09:30 UTC`.
pub(super) fn minute(moment: Timestamp) -> Markup {
    let whole = moment.to_rfc3339();
    let shown = whole.replace('T', " ");
    html! { time datetime=(whole) { (shown.get(..16).unwrap_or(&shown)) " UTC" } }
}
