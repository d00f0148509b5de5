//! What an inspection saw, in words: a line for each check.
//!
//! Everything here was written by strangers: it is quoted, with what a terminal would obey escaped,
//! and cut short.

use serde_json::Value;

use super::super::{
    Audiences, Check, IssuerConfig, Method, Principal,
    claims::{self, Claims},
    jwt::Jwt,
};
use crate::{scope::Scopes, time::Timestamp};

/// Most characters of one value that are shown.
const SHOWN_MAX: usize = 200;

/// What a check of a JWT saw.
pub(super) fn of_jwt(check: Check, jwt: &Jwt<'_>, rules: &IssuerConfig, now: Timestamp) -> String {
    match check {
        Check::Algorithm => {
            let allowed: Vec<_> = rules.algorithms.iter().map(|one| one.as_str()).collect();
            let found = member("alg", jwt.header("alg"));
            format!("{found}; allowed: {}", allowed.join(" "))
        }
        Check::Extensions => member("crit", jwt.header("crit")),
        Check::Type => {
            let found = member("typ", jwt.header("typ"));
            format!("{found}; allowed: {}", list(&rules.token_types))
        }
        Check::KeyId => member("kid", jwt.header("kid")),
        _ => of_claims(check, jwt.claims(), rules, now),
    }
}

/// What a check of claims saw.
pub(super) fn of_claims(
    check: Check,
    claims: &Claims,
    rules: &IssuerConfig,
    now: Timestamp,
) -> String {
    let places = &rules.claims;
    match check {
        Check::Issuer => {
            let found = member("iss", claims.get("iss"));
            format!("{found}; trusted: {}", rules.issuer)
        }
        Check::Expiry => date("exp", claims, now),
        Check::NotBefore => date("nbf", claims, now),
        Check::IssuedAt => date("iat", claims, now),
        Check::Subject => {
            let found = places.subject.find(claims);
            member(places.subject.as_str(), found)
        }
        Check::ClientId => {
            let mut found = places.client_id.iter();
            let found = found.find_map(|path| Some((path, path.find(claims)?)));
            match found {
                Some((path, value)) => member(path.as_str(), Some(value)),
                None => "no client id".to_owned(),
            }
        }
        _ => member("aud", claims.get("aud")),
    }
}

/// Which key signed, and which there are.
pub(super) fn keys(id: Option<&Value>, published: &[String]) -> String {
    format!("{}; published: {}", member("kid", id), list(published))
}

/// What was asked.
pub(super) fn endpoint(method: Method) -> &'static str {
    match method {
        Method::Userinfo => "the userinfo endpoint",
        _ => "the introspection endpoint",
    }
}

/// For whom the token is, and for whom it should be.
pub(super) fn audience(principal: &Principal, audiences: &Audiences) -> String {
    if principal.verified_by() == Method::Userinfo {
        return "userinfo proves none, so none is asked for".to_owned();
    }
    let ours: Vec<_> = audiences
        .of(principal.issuer())
        .map(str::to_owned)
        .collect();
    let found = list(principal.audiences());
    format!("for {found}; this server is {}", list(&ours))
}

/// What was granted, and what any request needs.
pub(super) fn scopes(granted: &Scopes, required: &Scopes) -> String {
    let or_none = |scopes: &Scopes| {
        if scopes.is_empty() {
            "none".to_owned()
        } else {
            text(&scopes.to_string())
        }
    };
    let (granted, required) = (or_none(granted), or_none(required));
    format!("granted: {granted}; every request needs: {required}")
}

/// A stranger's text, fit for a terminal.
pub(super) fn text(found: &str) -> String {
    format!("\"{}\"", cut(&found.replace(['"', '\\'], "'")))
}

/// The same without quotes around it.
fn cut(found: &str) -> String {
    let (shown, rest) = match found.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => (&found[..end], "…"),
        None => (found, ""),
    };
    let escape = |character: char| {
        let is_plain = matches!(character, '"' | '\'' | '\\');
        // Escapes what is not printable, direction marks too.
        let escaped = (!is_plain).then(|| character.escape_debug());
        let plain = is_plain.then_some(character);
        escaped.into_iter().flatten().chain(plain)
    };
    let mut text: String = shown.chars().flat_map(escape).collect();
    text.push_str(rest);
    text
}

fn member(name: &str, found: Option<&Value>) -> String {
    match found {
        None => format!("no {name}"),
        Some(Value::String(found)) => format!("{name} {}", text(found)),
        Some(other) => format!("{name} {}", cut(&other.to_string())),
    }
}

fn list(texts: &[String]) -> String {
    match texts {
        [] => "nobody and nothing".to_owned(),
        texts => {
            let texts: Vec<_> = texts.iter().take(10).map(|one| text(one)).collect();
            texts.join(" ")
        }
    }
}

fn date(name: &str, claims: &Claims, now: Timestamp) -> String {
    match claims::date_of(claims, name) {
        Some(at) => format!("{name} {}, {}", at.to_rfc3339(), from_now(at, now)),
        None => member(name, claims.get(name)),
    }
}

fn from_now(at: Timestamp, now: Timestamp) -> String {
    if at > now {
        format!("in {}", span(at.since(now).as_secs()))
    } else {
        format!("{} ago", span(now.since(at).as_secs()))
    }
}

/// In the largest unit that leaves at least two of it.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_is_quoted_and_cut_short() {
        assert_eq!(
            text("a\u{1b}[31m\nb\u{202e}"),
            r#""a\u{1b}[31m\nb\u{202e}""#
        );
        let long = text(&"ä".repeat(1_000));
        assert_eq!(long.chars().count(), SHOWN_MAX + 3, "with quotes and dots");
        assert!(long.ends_with("…\""));
    }

    #[test]
    fn a_date_is_shown_with_its_distance() {
        let now = Timestamp::from_unix_seconds(1_785_229_200);
        let shown = |exp: u64| {
            let claims = serde_json::json!({ "exp": exp });
            date("exp", claims.as_object().unwrap(), now)
        };

        assert_eq!(
            shown(1_785_229_200 + 600),
            "exp 2026-07-28T09:10:00Z, in 10 min"
        );
        assert_eq!(
            shown(1_785_229_200 - 90),
            "exp 2026-07-28T08:58:30Z, 90 s ago"
        );
        assert!(shown(1_785_229_200 + 3 * 86_400).ends_with("in 3 d"));
    }
}
