//! Which clients a rule is about: our own, those of others, or some by their ids.

use std::fmt;

use super::Pattern;

/// Whose an agent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// One of our own: its issuer's settings name it.
    FirstParty,
    /// Anybody else's, and one whose id nobody tells.
    ThirdParty,
}

/// A list of clients: `first-party`, `third-party`, patterns of client ids; `!` leaves out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clients {
    texts: Vec<String>,
    takes: Vec<Who>,
    leaves_out: Vec<Who>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Class(Class),
    Id(Pattern),
}

impl Class {
    /// The word for settings and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstParty => "first-party",
            Self::ThirdParty => "third-party",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Who {
    fn new(text: &str) -> Self {
        let classes = [Class::FirstParty, Class::ThirdParty];
        match classes.into_iter().find(|class| class.as_str() == text) {
            Some(class) => Self::Class(class),
            None => Self::Id(Pattern::new(text)),
        }
    }

    /// A class is never taken for an id: whoever registers a client may choose that.
    fn is(&self, class: Class, id: Option<&str>) -> bool {
        match self {
            Self::Class(ours) => *ours == class,
            // Everybody, and so also whom nobody names.
            Self::Id(pattern) if pattern.as_str() == "*" => true,
            Self::Id(pattern) => id.is_some_and(|id| pattern.fits(id)),
        }
    }
}

impl Clients {
    /// A list of these texts.
    #[must_use]
    pub fn new(texts: Vec<String>) -> Self {
        let (mut takes, mut leaves_out) = (Vec::new(), Vec::new());
        for text in &texts {
            match text.strip_prefix('!') {
                Some(text) => leaves_out.push(Who::new(text)),
                None => takes.push(Who::new(text)),
            }
        }
        Self {
            texts,
            takes,
            leaves_out,
        }
    }

    /// Whether a client of this class and id is meant.
    #[must_use]
    pub fn fit(&self, class: Class, id: Option<&str>) -> bool {
        let is = |who: &Who| who.is(class, id);
        (self.takes.is_empty() || self.takes.iter().any(is)) && !self.leaves_out.iter().any(is)
    }

    /// The texts it was made of.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// Whether a pattern of client ids would let in whoever registers a host for it: a client id that is a
/// URL (a client ID metadata document) proves its host, and nothing else.
pub(super) fn has_open_host(text: &str) -> bool {
    let text = text.strip_prefix('!').unwrap_or(text);
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    rest.split('/')
        .next()
        .is_some_and(|host| host.contains('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Clients {
        Clients::new(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn a_client_is_meant_by_its_class_or_its_id() {
        let (ours, theirs) = (Class::FirstParty, Class::ThirdParty);

        assert!(list(&["first-party"]).fit(ours, Some("web")));
        assert!(!list(&["first-party"]).fit(theirs, Some("web")));
        assert!(list(&["web", "mobile-*"]).fit(theirs, Some("mobile-2")));
        assert!(!list(&["third-party", "!partner"]).fit(theirs, Some("partner")));
        assert!(list(&["!first-party"]).fit(theirs, None));
        assert!(list(&["*"]).fit(theirs, None));
        assert!(!list(&["w*"]).fit(theirs, None));
    }

    // Whoever registers a client may choose its id, and so might choose the word of a class.
    #[test]
    fn an_id_is_never_taken_for_a_class() {
        assert!(!list(&["first-party"]).fit(Class::ThirdParty, Some("first-party")));
    }

    #[test]
    fn a_star_in_a_host_is_open_to_everybody() {
        for open in [
            "https://*.example.com/a",
            "https://example.com*",
            "!https://*/a",
        ] {
            assert!(has_open_host(open), "{open}");
        }
        for closed in ["https://example.com/*", "web-*", "*"] {
            assert!(!has_open_host(closed), "{closed}");
        }
    }
}
