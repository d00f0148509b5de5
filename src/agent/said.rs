//! Text of the other side, made fit for a terminal.
//!
//! A server's text ends where an escape sequence would be obeyed, and where a character that can't be
//! seen would hide or turn around what stands beside it. Errors and events hold a [`Said`], which is
//! one short line; whoever shows a longer text makes it [`plain`] first.

use std::fmt;

/// What the other side said, fit to be shown: no control characters, at most [`Said::CHARS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(String);

impl Said {
    /// Characters kept; the rest is cut off.
    pub const CHARS_MAX: usize = 300;

    /// Makes a stranger's text fit to be shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let shown = |character: &char| !character.is_control() && !is_invisible(*character);
        let mut kept: String = text.chars().filter(shown).take(Self::CHARS_MAX).collect();
        if text.chars().filter(shown).nth(Self::CHARS_MAX).is_some() {
            kept.push('…');
        }
        Self(kept)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Said {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A stranger's text of any length without what would steer the terminal; line breaks and tabs stay.
#[must_use]
pub fn plain(text: &str) -> String {
    text.chars()
        .filter(|&character| {
            matches!(character, '\n' | '\t') || !character.is_control() && !is_invisible(character)
        })
        .collect()
}

/// Characters that reorder or hide the text around them: Unicode bidirectional controls, zero widths,
/// and the tag characters that spell a second, unseen text.
#[must_use]
pub(super) const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_can_not_steer_the_terminal() {
        let text = "no\u{1b}[2J\r\n\u{9b}31m\u{202e}way\u{e0041}";

        assert_eq!(Said::new(text).as_str(), "no[2J31mway");
        assert_eq!(plain(text), "no[2J\n31mway");
    }

    #[test]
    fn what_a_server_says_is_cut_off() {
        let text = Said::new(&"ä".repeat(1000));

        assert_eq!(text.as_str().chars().count(), Said::CHARS_MAX + 1);
    }
}
