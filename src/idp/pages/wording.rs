//! Scopes in plain words.

use crate::{idp::User, scope::Scope};

/// A scope as people read it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wording {
    /// What the agent may do, completing "It asks to".
    pub(super) title: String,
    /// What exactly that shares or allows, for this user.
    pub(super) detail: String,
    /// Whether the title is the scope itself, because nobody told us what it means.
    pub(super) unknown: bool,
}

/// What a scope means for this user.
pub(super) fn explain(scope: &Scope, user: &User) -> Wording {
    let known = |title: &str, detail: String| Wording {
        title: title.to_owned(),
        detail,
        unknown: false,
    };
    match scope.as_str() {
        "openid" => known(
            "Know who you are",
            "An account number that stays the same. Always part of signing in.".to_owned(),
        ),
        "profile" => known(
            "See your name",
            format!("{} (user name {})", user.name, user.username),
        ),
        "email" => known("See your email address", user.email.clone()),
        "offline_access" => known(
            "Stay connected when you are away",
            "It can renew its access without asking you each time.".to_owned(),
        ),
        other => Wording {
            title: other.to_owned(),
            detail: "A permission of the server it wants to reach.".to_owned(),
            unknown: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(scope: &str) -> Wording {
        let user = User::new("demo", "demo", "Demo User", "demo@example.com");
        explain(&scope.parse().unwrap(), &user)
    }

    #[test]
    fn the_user_sees_what_would_be_shared() {
        assert_eq!(explained("profile").detail, "Demo User (user name demo)");
        assert_eq!(explained("email").detail, "demo@example.com");
    }

    #[test]
    fn an_unknown_scope_is_shown_as_it_is() {
        let wording = explained("mcp:tools");

        assert!(wording.unknown);
        assert_eq!(wording.title, "mcp:tools");
    }
}
