//! What a server offers now, and the one way to change it while it runs.
//!
//! Whoever builds a server, and any of its tools, may hold a handle. Those who answer look without a
//! lock at [`Entries`] that never change; a change puts others in their place, and says which lists
//! are different.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;

use super::{Changes, Entries, SchemaError};

/// A server's entries, for as long as it runs. Clones are handles of the same.
#[derive(Debug, Clone, Default)]
pub struct Catalog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    now: ArcSwap<Entries>,
    /// Held by whoever changes them: two at once would undo one another.
    changing: Mutex<()>,
    changes: Changes,
}

impl From<Entries> for Catalog {
    fn from(entries: Entries) -> Self {
        let catalog = Self::default();
        catalog.0.now.store(Arc::new(entries));
        catalog
    }
}

impl Catalog {
    /// Adds, removes and replaces entries, all at once: every client sees all of it or nothing, and is
    /// told once of each list that is different. Calls that run go on with what they found.
    ///
    /// ```
    /// # use mcp_usher::handler::{Catalog, NoArguments, SchemaError, Tool};
    /// # fn plug_in(catalog: &Catalog) -> Result<(), SchemaError> {
    /// let tool = Tool::new("play", "Plays", |_, _: NoArguments| async { Ok("la") });
    /// catalog.change(|entries| {
    ///     entries.remove_tool("record");
    ///     entries.add_tool(tool);
    /// })
    /// # }
    /// ```
    ///
    /// `edit` is run once. It must not change the same catalog by another handle: it would wait for
    /// itself.
    ///
    /// # Errors
    /// A tool with a schema that can't be used; then nothing is changed.
    pub fn change<T>(&self, edit: impl FnOnce(&mut Entries) -> T) -> Result<T, SchemaError> {
        self.replace(edit, Entries::compile)
    }

    /// The same for whoever builds a server: every schema is looked at when it starts.
    pub(crate) fn prepare(&self, edit: impl FnOnce(&mut Entries)) {
        let Ok(()) = self.replace(edit, |_| Ok::<_, Infallible>(()));
    }

    fn replace<T, E>(
        &self,
        edit: impl FnOnce(&mut Entries) -> T,
        check: impl FnOnce(&Entries) -> Result<(), E>,
    ) -> Result<T, E> {
        // An edit that panicked has changed nothing.
        let changing = self.0.changing.lock();
        let changing = changing.unwrap_or_else(PoisonError::into_inner);
        let before = self.now();
        let mut entries = Entries::clone(&before);
        let edited = edit(&mut entries);
        check(&entries)?;
        let changes = entries.changes_since(&before);
        self.0.now.store(Arc::new(entries));
        drop(changing);
        for change in changes {
            self.0.changes.announce(change);
        }
        Ok(edited)
    }

    /// Where to say that something of it has changed. Clones may be kept by tools.
    #[must_use]
    pub fn changes(&self) -> &Changes {
        &self.0.changes
    }

    /// What is offered now.
    #[must_use]
    pub fn now(&self) -> Arc<Entries> {
        self.0.now.load_full()
    }
}
