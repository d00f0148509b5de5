//! JSON as the server wrote it: the order of its members, and every digit of its numbers.
//!
//! Results, lists and what a notification says are [`Document`]s. A program gets the server's own
//! text, on one line; a person gets it indented. Neither can steer a terminal: what would is written
//! as an escape, which JSON reads as the same text.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use super::said::is_invisible;

/// A JSON value, as it was written and as it was read.
#[derive(Debug, Clone)]
pub struct Document {
    text: Box<RawValue>,
    value: Value,
}

impl Document {
    /// Keeps what was written.
    ///
    /// # Errors
    /// For JSON nested deeper than 128 levels.
    pub(super) fn new(text: Box<RawValue>) -> Result<Self, serde_json::Error> {
        let value = serde_json::from_str(text.get())?;
        Ok(Self { text, value })
    }

    /// What it says.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }

    /// The same, to be kept.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// Reads it as `T`, with the order of its members.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.text.get())
    }

    /// One of its members; none where it has no such member, or is no object.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Self> {
        let mut members = self.members().into_iter();
        members
            .rfind(|(found, _)| found == name)
            .map(|(_, member)| member)
    }

    /// Its members in the order in which they were written; none where it is no object.
    #[must_use]
    pub fn members(&self) -> Vec<(String, Self)> {
        let Ok(Ordered(members)) = self.read::<Ordered<Box<RawValue>>>() else {
            return Vec::new();
        };
        let members = members.into_iter();
        members
            .filter_map(|(name, text)| Some((name, Self::new(text).ok()?)))
            .collect()
    }

    /// On one line, for a program.
    #[must_use]
    pub fn line(&self) -> String {
        written(self.text.get(), None)
    }

    /// Indented, for a person.
    #[must_use]
    pub fn pretty(&self) -> String {
        written(self.text.get(), Some(0))
    }
}

impl From<Value> for Document {
    fn from(value: Value) -> Self {
        let text = RawValue::from_string(value.to_string());
        Self {
            // What a `Value` writes is JSON.
            text: text.unwrap_or_else(|_never| RawValue::NULL.to_owned()),
            value,
        }
    }
}

/// By what it says, however it is written.
impl PartialEq<Value> for Document {
    fn eq(&self, other: &Value) -> bool {
        self.value == *other
    }
}

impl fmt::Display for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.line())
    }
}

/// Writes JSON anew without its white space: on one line, or indented from `depth` on.
fn written(text: &str, mut depth: Option<usize>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    let mut in_string = false;
    let mut escaped = false;
    while let Some(character) = characters.next() {
        if in_string {
            push_harmless(&mut out, character);
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
            continue;
        }
        match character {
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => {
                out.push(character);
                while characters.next_if(char::is_ascii_whitespace).is_some() {}
                if let Some(end) = characters.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else if let Some(depth) = &mut depth {
                    *depth += 1;
                    break_line(&mut out, *depth);
                }
            }
            '}' | ']' => {
                if let Some(depth) = &mut depth {
                    *depth = depth.saturating_sub(1);
                    break_line(&mut out, *depth);
                }
                out.push(character);
            }
            ',' => {
                out.push(',');
                if let Some(depth) = depth {
                    break_line(&mut out, depth);
                }
            }
            ':' => out.push_str(if depth.is_some() { ": " } else { ":" }),
            _ => {
                in_string = character == '"';
                out.push(character);
            }
        }
    }
    out
}

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// What a terminal would obey or hide can stand in JSON text as it is, but need not (RFC 8259 §7).
fn push_harmless(out: &mut String, character: char) {
    use fmt::Write;

    if character.is_control() || is_invisible(character) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String can't fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    } else {
        out.push(character);
    }
}

/// The members of an object in the order in which they were written.
#[derive(Debug)]
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Ordered<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Ordered(members))
            }
        }

        from.deserialize_map(Members(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn document(text: &str) -> Document {
        Document::new(RawValue::from_string(text.to_owned()).unwrap()).unwrap()
    }

    #[test]
    fn order_and_digits_stay_as_they_were() {
        let document = document("{ \"b\": 1.00, \"a\" :\n[ ] , \"c\": \"{ , \\\" }\" }");

        assert_eq!(document.line(), r#"{"b":1.00,"a":[],"c":"{ , \" }"}"#);
        assert_eq!(
            document.pretty(),
            "{\n  \"b\": 1.00,\n  \"a\": [],\n  \"c\": \"{ , \\\" }\"\n}"
        );
    }

    #[test]
    fn nothing_in_it_can_steer_the_terminal() {
        let document = document("\"\u{9b}31m\u{7f}\u{202e}\u{e0041}\"");

        assert_eq!(document.line(), r#""\u009b31m\u007f\u202e\udb40\udc41""#);
        assert_eq!(
            serde_json::from_str::<Value>(&document.line()).unwrap(),
            *document.value()
        );
    }

    #[test]
    fn members_are_read_in_their_order() {
        let Ordered(members) = document(r#"{"b":1,"a":2}"#).read::<Ordered<u8>>().unwrap();

        assert_eq!(members, [("b".to_owned(), 1), ("a".to_owned(), 2)]);
    }

    proptest! {
        #[test]
        fn what_is_written_anew_says_the_same(
            words in prop::collection::vec("[a\\\\\" \u{9b}\u{202e},:{}\\[\\]]{0,6}", 0..6),
        ) {
            let value = serde_json::json!({ "z": words, "a": [{ "b": words.len() }, [], {}] });

            let document = Document::from(value.clone());

            for text in [document.line(), document.pretty()] {
                prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
            }
        }
    }
}
