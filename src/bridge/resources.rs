//! For what a token is wanted (RFC 8707): always for one resource of this server, named as the
//! authorization server knows it.
//!
//! A Logto compares to the character, and gives an opaque token that is good for nothing here where no
//! resource is named. So every request of ours names one, whatever the client did.

use crate::metadata::ProtectedResources;

/// Our resources.
#[derive(Debug)]
pub(super) struct Resources {
    known: Vec<String>,
    /// For clients that name none, as those of 2025-03-26 do.
    usual: String,
}

/// A resource that is none of ours, or more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UnknownResource;

impl Resources {
    pub(super) fn of(published: &ProtectedResources) -> Self {
        let known = published.documents();
        let known: Vec<String> = known
            .map(|(_, document)| document.resource.clone())
            .collect();
        let usual = published
            .document("/mcp")
            .map(|document| document.resource.clone());
        Self {
            usual: usual.or_else(|| known.first().cloned()).unwrap_or_default(),
            known,
        }
    }

    /// The one that is named, as we write it; `None` where none is.
    pub(super) fn named<'a>(
        &self,
        mut named: impl Iterator<Item = &'a str>,
    ) -> Result<Option<&str>, UnknownResource> {
        let (first, second) = (named.next(), named.next());
        let Some(first) = first else { return Ok(None) };
        if second.is_some_and(|second| second != first) {
            return Err(UnknownResource);
        }
        let mut known = self.known.iter();
        let found = known.find(|known| is_same(known, first));
        found
            .map(|known| Some(known.as_str()))
            .ok_or(UnknownResource)
    }

    /// For those who name none.
    pub(super) fn usual(&self) -> &str {
        &self.usual
    }
}

/// Equal to the character; but clients that parse URLs add a slash to an origin (RFC 3986 §6.2.3).
fn is_same(known: &str, named: &str) -> bool {
    let is_origin = || known.bytes().filter(|byte| *byte == b'/').count() == 2;
    known == named || (named.strip_suffix('/') == Some(known) && is_origin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::ResourceConfig;

    #[test]
    fn a_resource_is_ours_to_the_character_but_for_the_slash_of_an_origin() {
        let url = "https://mcp.example.com".parse().unwrap();
        let published = ProtectedResources::new(ResourceConfig::new(url, "https://h"));
        let resources = Resources::of(&published);
        let named = |name: &'static str| resources.named([name].into_iter());

        assert_eq!(
            named("https://mcp.example.com/mcp"),
            Ok(Some("https://mcp.example.com/mcp"))
        );
        assert_eq!(
            named("https://mcp.example.com/"),
            Ok(Some("https://mcp.example.com"))
        );
        for other in [
            "https://mcp.example.com/mcp/",
            "https://evil.example",
            "/mcp",
        ] {
            assert_eq!(named(other), Err(UnknownResource), "{other}");
        }
        assert_eq!(resources.named([].into_iter()), Ok(None));
        assert_eq!(resources.usual(), "https://mcp.example.com/mcp");
        let both = ["https://mcp.example.com/mcp", "https://mcp.example.com/sse"];
        assert_eq!(resources.named(both.into_iter()), Err(UnknownResource));
    }
}
