//! One field of a form: what may stand in it (elicitation, `PrimitiveSchemaDefinition`). Pure.
//!
//! [`Field::of_schema`] reads it, leniently: a kind of schema that the specification does not have is
//! a field that takes any JSON. What a person typed becomes a value with [`Field::read`]; what came as
//! JSON is judged by [`Field::check`].

use serde_json::{Number, Value};
use url::Url;

use super::form;

/// Most choices of one field.
const CHOICES_MAX: usize = 1000;

/// A field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its key in the answer, as the server wrote it.
    pub name: String,
    /// What people call it: a stranger's text, not yet fit for a terminal.
    pub title: Option<String>,
    /// What it means, likewise.
    pub description: Option<String>,
    /// Whether an answer needs it.
    pub required: bool,
    /// What stands there unless the user says otherwise. Fits the field.
    pub default: Option<Value>,
    /// What may stand there.
    pub kind: Kind,
}

/// What may stand in a field.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Kind {
    /// Text.
    Text {
        /// Fewest characters.
        min: usize,
        /// Most characters.
        max: Option<usize>,
        /// `email`, `uri`, `date` or `date-time`; others are not judged.
        format: Option<String>,
    },
    /// A number.
    Number {
        /// Without a fraction.
        integer: bool,
        /// Least.
        min: Option<f64>,
        /// Most.
        max: Option<f64>,
    },
    /// Yes or no.
    Bool,
    /// One of these.
    One(Vec<Choice>),
    /// Several of these.
    Many {
        /// Of what.
        choices: Vec<Choice>,
        /// Fewest.
        min: usize,
        /// Most.
        max: Option<usize>,
    },
    /// Any JSON: a schema that forms are not to have.
    Json,
}

/// One of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is sent.
    pub value: String,
    /// What people call it: a stranger's text; the value where there is none.
    pub title: String,
}

impl Field {
    /// Reads a property of a form's schema.
    ///
    /// # Errors
    /// A sentence, for more choices than anybody reads.
    pub(super) fn of_schema(name: &str, schema: &Value, required: bool) -> Result<Self, String> {
        let text = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = kind(schema)?;
        let mut field = Self {
            name: name.to_owned(),
            title: text("title"),
            description: text("description"),
            // A schema that allows null does not need the field.
            required: required && !allows_null(schema),
            default: None,
            kind,
        };
        let default = schema.get("default").filter(|value| !value.is_null());
        field.default = default.filter(|value| field.check(value).is_ok()).cloned();
        Ok(field)
    }

    /// Takes what a person typed.
    ///
    /// # Errors
    /// A sentence that says what is wanted.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        let value = match &self.kind {
            Kind::Text { .. } => Value::from(text),
            Kind::Number { integer, .. } => number(text.trim(), *integer)?,
            Kind::Bool => match text.trim().to_lowercase().as_str() {
                "y" | "yes" | "true" => Value::Bool(true),
                "n" | "no" | "false" => Value::Bool(false),
                _ => return Err("yes or no is wanted".to_owned()),
            },
            Kind::One(choices) => chosen(choices, text.trim())?.into(),
            Kind::Many { choices, .. } => {
                if text.trim_start().starts_with('[') {
                    json(text)?
                } else {
                    let parts = text
                        .split(',')
                        .map(str::trim)
                        .filter(|part| !part.is_empty());
                    parts
                        .map(|part| chosen(choices, part).map(Value::from))
                        .collect::<Result<_, _>>()?
                }
            }
            Kind::Json => json(text)?,
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Whether a value may stand here.
    ///
    /// # Errors
    /// A sentence that says what is wanted.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match (&self.kind, value) {
            (Kind::Text { min, max, format }, Value::String(text)) => {
                let length = text.chars().count();
                if length < *min {
                    return Err(format!("at least {min} characters are wanted"));
                }
                if let Some(max) = max.filter(|max| length > *max) {
                    return Err(format!("at most {max} characters are wanted"));
                }
                format
                    .as_deref()
                    .map_or(Ok(()), |format| fits(text, format))
            }
            (Kind::Number { integer, min, max }, Value::Number(number)) => {
                if *integer && !is_whole(number) {
                    return Err("a whole number is wanted".to_owned());
                }
                let number = number.as_f64().unwrap_or(f64::NAN);
                match (min, max) {
                    (Some(min), _) if number < *min => Err(format!("at least {min} is wanted")),
                    (_, Some(max)) if number > *max => Err(format!("at most {max} is wanted")),
                    _ => Ok(()),
                }
            }
            (Kind::Bool, Value::Bool(_)) | (Kind::Json, _) => Ok(()),
            (Kind::One(choices), Value::String(text)) => is_choice(choices, text),
            (Kind::Many { choices, min, max }, Value::Array(items)) => {
                for item in items {
                    is_choice(choices, item.as_str().unwrap_or_default())?;
                }
                if (1..items.len()).any(|at| items[..at].contains(&items[at])) {
                    return Err("each choice is wanted once".to_owned());
                }
                if items.len() < *min {
                    return Err(format!("at least {min} of them are wanted"));
                }
                match max {
                    Some(max) if items.len() > *max => {
                        Err(format!("at most {max} of them are wanted"))
                    }
                    _ => Ok(()),
                }
            }
            (Kind::Text { .. }, _) => Err("text is wanted".to_owned()),
            (Kind::Number { .. }, _) => Err("a number is wanted".to_owned()),
            (Kind::Bool, _) => Err("true or false is wanted".to_owned()),
            (Kind::One(_), _) => Err("one of the choices is wanted".to_owned()),
            (Kind::Many { .. }, _) => Err("a list of choices is wanted".to_owned()),
        }
    }
}

fn kind(schema: &Value) -> Result<Kind, String> {
    let size = |key: &str| {
        let size = schema.get(key).and_then(Value::as_u64);
        size.map(|size| usize::try_from(size).unwrap_or(usize::MAX))
    };
    let number = |key: &str| schema.get(key).and_then(Value::as_f64);
    Ok(match type_of(schema) {
        Some("string") => match choices(schema)? {
            Some(choices) => Kind::One(choices),
            None => Kind::Text {
                min: size("minLength").unwrap_or(0),
                max: size("maxLength"),
                format: schema
                    .get("format")
                    .and_then(Value::as_str)
                    .map(str::to_owned),
            },
        },
        Some(word @ ("number" | "integer")) => Kind::Number {
            integer: word == "integer",
            min: number("minimum"),
            max: number("maximum"),
        },
        Some("boolean") => Kind::Bool,
        Some("array") => match schema.get("items").map(choices).transpose()?.flatten() {
            Some(choices) => Kind::Many {
                choices,
                min: size("minItems").unwrap_or(0),
                max: size("maxItems"),
            },
            None => Kind::Json,
        },
        // 2025-06-18 has enums without a type in its examples.
        None => choices(schema)?.map_or(Kind::Json, Kind::One),
        Some(_) => Kind::Json,
    })
}

/// `type`, or the one of `["…", "null"]`.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type")? {
        Value::String(word) => Some(word),
        Value::Array(words) => {
            let mut words = words.iter().filter_map(Value::as_str);
            words.find(|word| *word != "null")
        }
        _ => None,
    }
}

fn allows_null(schema: &Value) -> bool {
    let words = schema.get("type").and_then(Value::as_array);
    words.is_some_and(|words| words.contains(&Value::from("null")))
}

/// `enum` with or without `enumNames` (2025-06-18), `oneOf` or `anyOf` of `const` and `title`.
fn choices(schema: &Value) -> Result<Option<Vec<Choice>>, String> {
    let list = |key: &str| schema.get(key).and_then(Value::as_array);
    let found: Option<Vec<Choice>> = if let Some(values) = list("enum") {
        let titles = list("enumNames");
        let title = |at: usize| titles.and_then(|titles| titles.get(at)?.as_str());
        let values = values.iter().enumerate();
        values
            .map(|(at, value)| Some(choice(value.as_str()?, title(at))))
            .collect()
    } else {
        let options = list("oneOf").or_else(|| list("anyOf"));
        options.and_then(|options| {
            let options = options.iter();
            options
                .map(|option| {
                    let title = option.get("title").and_then(Value::as_str);
                    Some(choice(option.get("const")?.as_str()?, title))
                })
                .collect()
        })
    };
    match found {
        Some(choices) if choices.len() > CHOICES_MAX => {
            Err(format!("a field has more than {CHOICES_MAX} choices"))
        }
        found => Ok(found.filter(|choices| !choices.is_empty())),
    }
}

fn choice(value: &str, title: Option<&str>) -> Choice {
    Choice {
        value: value.to_owned(),
        title: title.unwrap_or(value).to_owned(),
    }
}

/// The value of what was named: by its value first, then by its title, in either case.
fn chosen(choices: &[Choice], text: &str) -> Result<String, String> {
    let by_value = choices.iter().find(|choice| choice.value == text);
    let by_title = || choices.iter().find(|choice| choice.title == text);
    let in_either_case = || {
        let text = text.to_lowercase();
        choices.iter().find(|choice| {
            choice.value.to_lowercase() == text || choice.title.to_lowercase() == text
        })
    };
    by_value
        .or_else(by_title)
        .or_else(in_either_case)
        .map(|choice| choice.value.clone())
        .ok_or_else(|| not_a_choice(choices))
}

fn is_choice(choices: &[Choice], value: &str) -> Result<(), String> {
    if choices.iter().any(|choice| choice.value == value) {
        Ok(())
    } else {
        Err(not_a_choice(choices))
    }
}

fn not_a_choice(choices: &[Choice]) -> String {
    const NAMED_MAX: usize = 12;
    let named: Vec<_> = choices
        .iter()
        .take(NAMED_MAX)
        .map(|one| one.value.as_str())
        .collect();
    let more = if choices.len() > NAMED_MAX {
        ", …"
    } else {
        ""
    };
    format!("one of these is wanted: {}{more}", named.join(", "))
}

fn number(text: &str, integer: bool) -> Result<Value, String> {
    let wanted = if integer {
        "a whole number"
    } else {
        "a number"
    };
    let number: Number = text
        .parse()
        .map_err(|_no_number| format!("{wanted} is wanted"))?;
    Ok(Value::Number(number))
}

/// `3.0` is whole as well (JSON Schema 2020-12, §6.1.1).
fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("JSON is wanted: {error}"))
}

fn fits(text: &str, format: &str) -> Result<(), String> {
    let (fits, wanted) = match format {
        "email" => (is_email(text), "an email address, as ada@example.com"),
        "uri" => (Url::parse(text).is_ok(), "a URI, as https://example.com/"),
        "date" => (form::is_date(text), "a date, as 2026-07-28"),
        "date-time" => (
            form::is_date_time(text),
            "a date and time, as 2026-07-28T09:30:00Z",
        ),
        _ => (true, ""),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("{wanted}, is wanted"))
    }
}

fn is_email(text: &str) -> bool {
    let halves = text.rsplit_once('@');
    halves.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.contains(|character: char| character.is_whitespace() || character.is_control())
}
