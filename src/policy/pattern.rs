//! Names with `*`, in lists that may leave some out with `!`.

use std::fmt;

/// A name, in which each `*` stands for any characters, or none. To the character else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

/// A list of patterns. Those that begin with `!` leave out again; a list of such alone takes all else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns {
    texts: Vec<String>,
    takes: Vec<Pattern>,
    leaves_out: Vec<Pattern>,
}

impl Pattern {
    /// A pattern of this text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Whether `name` is one it stands for.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return *self.0 == *name;
        };
        let Some(mut name) = name.strip_prefix(first) else {
            return false;
        };
        // Between two stars the earliest place is as good as any, so nothing is tried twice.
        let mut parts = rest.split('*');
        let last = parts.next_back().unwrap_or_default();
        for part in parts {
            match name.split_once(part) {
                Some((_, after)) => name = after,
                None => return false,
            }
        }
        name.ends_with(last)
    }

    /// Whether it stands for one name only.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// The text it was made of.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Patterns {
    /// A list of these texts.
    #[must_use]
    pub fn new(texts: Vec<String>) -> Self {
        let (mut takes, mut leaves_out) = (Vec::new(), Vec::new());
        for text in &texts {
            match text.strip_prefix('!') {
                Some(text) => leaves_out.push(Pattern::new(text)),
                None => takes.push(Pattern::new(text)),
            }
        }
        Self {
            texts,
            takes,
            leaves_out,
        }
    }

    /// Whether one of `names` is taken, and none of them left out.
    #[must_use]
    pub fn fit(&self, names: &[&str]) -> bool {
        let any = |patterns: &[Pattern]| {
            let mut names = names.iter();
            names.any(|name| patterns.iter().any(|pattern| pattern.fits(name)))
        };
        (self.takes.is_empty() || any(&self.takes)) && !any(&self.leaves_out)
    }

    /// What is taken.
    #[must_use]
    pub fn takes(&self) -> &[Pattern] {
        &self.takes
    }

    /// The texts it was made of.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain meaning, slow.
    fn stands_for(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|at| stands_for(rest, &name[at..])),
            Some((byte, rest)) => name.first() == Some(byte) && stands_for(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_star_stands_for_any_characters(pattern in "[ab*]{0,6}", name in "[ab]{0,8}") {
            let expected = stands_for(pattern.as_bytes(), name.as_bytes());

            prop_assert_eq!(Pattern::new(&pattern).fits(&name), expected);
        }
    }

    fn list(texts: &[&str]) -> Patterns {
        Patterns::new(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn what_is_left_out_wins() {
        assert!(list(&["notes_*"]).fit(&["notes_read"]));
        assert!(!list(&["notes_*", "!notes_write"]).fit(&["notes_write"]));
        assert!(list(&["!notes_write"]).fit(&["other"]));
        assert!(!list(&["!notes_write"]).fit(&["notes_write"]));
        // Of several names, as roles are, one that is left out is enough.
        assert!(!list(&["*", "!guest"]).fit(&["admin", "guest"]));
        assert!(list(&["!guest"]).fit(&[]));
        assert!(!list(&["*"]).fit(&[]));
    }
}
