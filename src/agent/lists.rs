//! Lists of a server, page by page, within bounds. Pure.

use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{
    document::{Document, Ordered},
    error::AgentError,
};

/// Most pages of a list that are read.
const PAGES_MAX: usize = 64;

/// Most entries of a list.
const ITEMS_MAX: usize = 10_000;

/// Most bytes of all entries of a list.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// What can be called.
    Tools,
    /// What can be read.
    Resources,
    /// Families of what can be read.
    Templates,
    /// What can be filled in.
    Prompts,
}

impl Listing {
    /// The method that lists it.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
            Self::Prompts => "prompts/list",
        }
    }

    /// The member of the result that holds the entries.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }
}

/// The entries so far, and where they go on.
#[derive(Debug)]
pub(super) struct Items {
    what: Listing,
    all: Vec<Document>,
    bytes: usize,
    pages: usize,
    next: Option<Map<String, Value>>,
}

impl Items {
    pub(super) fn new(what: Listing) -> Self {
        Self {
            what,
            all: Vec::new(),
            bytes: 0,
            pages: 0,
            next: Some(Map::new()),
        }
    }

    /// The params of the next page; none once the list has ended.
    pub(super) fn next_page(&mut self) -> Option<Map<String, Value>> {
        self.next.take()
    }

    /// Takes a page in.
    pub(super) fn add(&mut self, page: &Document) -> Result<(), AgentError> {
        let unreadable = |why: &str| AgentError::Unreadable {
            method: self.what.method().to_owned(),
            why: why.to_owned(),
        };
        self.pages += 1;
        let entries = page.read::<Ordered<Box<RawValue>>>().ok();
        let entries = entries.and_then(|Ordered(members)| {
            let member = members.into_iter().rev();
            let mut found = member.filter(|(name, _)| name == self.what.member());
            Vec::<Box<RawValue>>::deserialize(&*found.next()?.1).ok()
        });
        let entries = entries
            .ok_or_else(|| unreadable(&format!("it has no list of {}", self.what.member())))?;
        for entry in entries {
            self.bytes += entry.get().len();
            if self.all.len() == ITEMS_MAX || self.bytes > BYTES_MAX {
                return Err(unreadable("it is too long"));
            }
            let entry = Document::new(entry).map_err(|error| unreadable(&error.to_string()))?;
            self.all.push(entry);
        }
        if let Some(cursor) = page.value().get("nextCursor").and_then(Value::as_str) {
            if self.pages == PAGES_MAX {
                return Err(unreadable("it has no end"));
            }
            self.next = Some(Map::from_iter([("cursor".to_owned(), cursor.into())]));
        }
        Ok(())
    }

    pub(super) fn into_all(self) -> Vec<Document> {
        self.all
    }
}
