//! Where a claim is, for issuers that put it elsewhere than the specifications say.

use std::{fmt, str::FromStr};

use serde_json::{Map, Value, map::Entry};

/// A member of the claims by its name, as `sub` or `https://example.com/scopes`; or, beginning with a
/// slash, a JSON Pointer into them, as `/realm_access/roles` (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath(Box<str>);

/// Why a text is no path of a claim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no claim; write its name, as sub, or its path, as /realm_access/roles")]
pub struct ClaimPathError(String);

impl ClaimPath {
    /// The member of this name.
    pub(crate) fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// The claim, where it is there and not `null`.
    #[must_use]
    pub fn find<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let found = match self.0.strip_prefix('/') {
            None => claims.get(&*self.0),
            Some(path) => {
                let (first, _) = path.split_once('/').unwrap_or((path, ""));
                // `Value::pointer` goes on behind the first step, which is into a map of ours.
                let rest = &self.0[1 + first.len()..];
                let name = first.replace("~1", "/").replace("~0", "~");
                claims.get(&name).and_then(|value| value.pointer(rest))
            }
        };
        found.filter(|value| !value.is_null())
    }

    /// Puts a value where it would be found; beside one that is there, in a list with it.
    pub fn put(&self, claims: &mut Map<String, Value>, value: Value) {
        let Some(path) = self.0.strip_prefix('/') else {
            return add(claims, self.0.to_string(), value);
        };
        let steps: Vec<_> = path.split('/').collect();
        let Some((last, inner)) = steps.split_last() else {
            return;
        };
        let name = |step: &str| step.replace("~1", "/").replace("~0", "~");
        let mut at = claims;
        for step in inner {
            let next = at
                .entry(name(step))
                .or_insert_with(|| Value::Object(Map::new()));
            // What stands in the way is something else, and gives way.
            if !next.is_object() {
                *next = Value::Object(Map::new());
            }
            let Value::Object(next) = next else { return };
            at = next;
        }
        add(at, name(last), value);
    }

    /// The text it was made of.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn add(members: &mut Map<String, Value>, name: String, value: Value) {
    match members.entry(name) {
        Entry::Vacant(place) => {
            place.insert(value);
        }
        Entry::Occupied(mut place) => match place.get_mut() {
            Value::Array(list) => list.push(value),
            other => *other = Value::Array(vec![other.take(), value]),
        },
    }
}

impl FromStr for ClaimPath {
    type Err = ClaimPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text == "/" || text.ends_with("//") {
            return Err(ClaimPathError(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_is_found_by_its_name_or_its_path() {
        let claims = json!({
            "sub": "alice", "https://h/scopes": "a b", "none": null, "/odd": 1,
            "realm_access": { "roles": ["x"], "": { "a/b": 2 } },
        });
        let Value::Object(claims) = claims else {
            panic!("an object");
        };
        for (path, expected) in [
            ("sub", json!("alice")),
            ("/sub", json!("alice")),
            ("https://h/scopes", json!("a b")),
            ("/https:~1~1h~1scopes", json!("a b")),
            ("/~1odd", json!(1)),
            ("/realm_access/roles", json!(["x"])),
            ("/realm_access/roles/0", json!("x")),
            ("/realm_access//a~1b", json!(2)),
        ] {
            let path: ClaimPath = path.parse().unwrap();
            assert_eq!(path.find(&claims), Some(&expected), "{path}");
        }
        for path in [
            "none",
            "missing",
            "/realm_access/missing",
            "/sub/x",
            "realm_access.roles",
        ] {
            let path: ClaimPath = path.parse().unwrap();
            assert_eq!(path.find(&claims), None, "{path}");
        }
    }

    #[test]
    fn what_is_put_is_found_there_again() {
        let mut claims = Map::new();
        for (path, value) in [
            ("roles", json!("a")),
            ("roles", json!("b")),
            ("/org/a~1b", json!(true)),
            ("/org/plan", json!("pro")),
        ] {
            let path: ClaimPath = path.parse().unwrap();
            path.put(&mut claims, value);
        }

        let expected = json!({ "roles": ["a", "b"], "org": { "a/b": true, "plan": "pro" } });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn a_path_that_could_never_find_anything_is_refused() {
        for text in ["", "/", "/a//"] {
            assert!(text.parse::<ClaimPath>().is_err(), "{text}");
        }
    }
}
