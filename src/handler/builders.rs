//! Builder methods that several kinds of entry share, written once.
//!
//! Used by the files of tools, resources and prompts; each entry has a `description` that ends in a
//! [`Presentation`](crate::protocol::Presentation), and the scopes it `needs`.

/// What every entry can be given.
macro_rules! presented {
    ($entry:ty) => {
        impl $entry {
            /// A name for people (from 2025-06-18).
            #[must_use]
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.description.presentation.title = Some(title.into());
                self
            }

            /// A picture beside the name (from 2025-11-25); several are forms of the same.
            #[must_use]
            pub fn icon(mut self, icon: $crate::protocol::Icon) -> Self {
                self.description.presentation.icons.push(icon);
                self
            }

            /// A member of `_meta`, shown as it is (from 2025-06-18); a later one of the same name
            /// takes its place. Names of your own begin with a domain of yours: `com.example/team`.
            #[must_use]
            pub fn meta(mut self, name: impl Into<String>, value: serde_json::Value) -> Self {
                let meta = &mut self.description.presentation.meta;
                meta.insert(name.into(), value);
                self
            }

            /// The scopes a caller must have been granted; all of them.
            #[must_use]
            pub fn needs(mut self, scopes: $crate::scope::Scopes) -> Self {
                self.needs = scopes;
                self
            }
        }
    };
}

/// What resources and families of them can be given.
macro_rules! readable {
    ($entry:ty) => {
        impl $entry {
            /// What it is, for people and models.
            #[must_use]
            pub fn description(mut self, description: impl Into<String>) -> Self {
                self.description.about.description = Some(description.into());
                self
            }

            /// As `text/plain`. Contents that name no type of their own have this one.
            #[must_use]
            pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
                self.description.about.mime_type = Some(mime_type.into());
                self
            }

            /// Hints on how to use it.
            #[must_use]
            pub fn annotations(mut self, annotations: $crate::protocol::Annotations) -> Self {
                self.description.about.annotations = Some(annotations);
                self
            }
        }
    };
}

/// What can be given suggestions: a prompt's arguments, a family's variables.
macro_rules! completed {
    ($entry:ty) => {
        impl $entry {
            /// Suggests values: from the name of an argument or variable, and what was typed so far.
            #[must_use]
            pub fn complete(
                mut self,
                suggest: impl Fn(&str, &str) -> Vec<String> + Send + Sync + 'static,
            ) -> Self {
                self.completer = Some(super::completion::Completer::new(suggest));
                self
            }
        }
    };
}

pub(super) use {completed, presented, readable};
