//! A form: the fields that a server wants filled in (elicitation, `requestedSchema`). Pure.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Field;
use crate::agent::document::{Document, Ordered};

/// Most fields of a form; nobody fills in more.
const FIELDS_MAX: usize = 100;

/// What a server wants filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// The fields, in the server's order. No two have one name.
    pub fields: Vec<Field>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(rename = "requestedSchema")]
    schema: Schema,
}

#[derive(Deserialize)]
struct Schema {
    properties: Ordered<Value>,
    #[serde(default)]
    required: Vec<String>,
}

impl Form {
    /// Reads the `requestedSchema` of a question's params.
    ///
    /// # Errors
    /// A sentence, for what is no form.
    pub(super) fn of_params(params: &Document) -> Result<Self, String> {
        let params: Params = params
            .read()
            .map_err(|error| format!("the form can't be read: {error}"))?;
        let Schema {
            properties: Ordered(properties),
            required,
        } = params.schema;
        if properties.len() > FIELDS_MAX {
            return Err(format!("the form has more than {FIELDS_MAX} fields"));
        }
        let names: HashSet<_> = properties.iter().map(|(name, _)| name).collect();
        if names.len() < properties.len() {
            return Err("the form names a field twice".to_owned());
        }
        let fields = properties.iter().map(|(name, schema)| {
            let required = required.contains(name);
            Field::of_schema(name, schema, required)
        });
        Ok(Self {
            fields: fields.collect::<Result<_, _>>()?,
        })
    }

    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What stands in the form before the user says anything.
    #[must_use]
    pub fn defaults(&self) -> Map<String, Value> {
        let with_default = self.fields.iter();
        with_default
            .filter_map(|field| Some((field.name.clone(), field.default.clone()?)))
            .collect()
    }

    /// Whether these values answer the form.
    ///
    /// # Errors
    /// What is wrong, as field and sentence.
    pub fn check(&self, values: &Map<String, Value>) -> Result<(), Vec<(String, String)>> {
        let mut wrong = Vec::new();
        for field in &self.fields {
            match values.get(&field.name) {
                Some(value) => {
                    if let Err(why) = field.check(value) {
                        wrong.push((field.name.clone(), why));
                    }
                }
                None if field.required => {
                    wrong.push((field.name.clone(), "an answer is needed".to_owned()));
                }
                None => {}
            }
        }
        for name in values.keys().filter(|name| self.field(name).is_none()) {
            wrong.push((name.clone(), "the form has no such field".to_owned()));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

/// RFC 3339 §5.6, `full-date`.
pub(super) fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let mut part = |digits: usize| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        part.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| part.parse::<u32>().ok())?
    };
    let (Some(year), Some(month), Some(day)) = (part(4), part(2), part(2)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    (1..=days).contains(&day)
}

/// RFC 3339 §5.6, `date-time`.
pub(super) fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else {
        return false;
    };
    let zone_at = time.find(['Z', 'z', '+', '-']);
    let Some((clock, zone)) = zone_at.map(|at| time.split_at(at)) else {
        return false;
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let zone_fits = matches!(zone, "Z" | "z") || is_clock(&zone[1..], &[23, 59]);
    is_date(date)
        && is_clock(clock, &[23, 59, 60])
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
        && zone_fits
}

/// `hh:mm` or `hh:mm:ss`, each at most as large as in `limits`.
fn is_clock(text: &str, limits: &[u32]) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    parts.len() == limits.len()
        && parts.iter().zip(limits).all(|(part, limit)| {
            part.len() == 2
                && part.bytes().all(|byte| byte.is_ascii_digit())
                && part.parse::<u32>().is_ok_and(|number| number <= *limit)
        })
}
