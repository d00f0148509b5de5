//! Resources: what a client can read by its URI, one by one or by a family's template.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    CallContext, ToolError,
    builders::{completed, presented, readable},
    completion::Completer,
    template::UriTemplate,
};
use crate::{
    protocol::{Annotations, Presentation, ResourceContents},
    scope::Scopes,
};

type Read = dyn Fn(
        CallContext,
        Map<String, Value>,
    ) -> BoxFuture<'static, Result<Vec<ResourceContents>, ToolError>>
    + Send
    + Sync;

/// Something a client can read. Cheap to clone.
#[derive(Clone)]
pub struct Resource {
    pub(super) description: ResourceDescription,
    pub(super) needs: Scopes,
    pub(super) read: Arc<Read>,
}

/// A family of resources whose URIs follow a template (RFC 6570, simple expansion). Cheap to clone.
#[derive(Clone)]
pub struct ResourceTemplate {
    pub(super) description: TemplateDescription,
    pub(super) template: UriTemplate,
    pub(super) needs: Scopes,
    pub(super) read: Arc<Read>,
    pub(super) completer: Option<Completer>,
}

/// A resource as `resources/list` shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ResourceDescription {
    pub(super) uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    #[serde(flatten)]
    pub(super) about: About,
    #[serde(flatten)]
    pub(super) presentation: Presentation,
}

/// A family as `resources/templates/list` shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TemplateDescription {
    pub(super) uri_template: String,
    #[serde(flatten)]
    pub(super) about: About,
    #[serde(flatten)]
    pub(super) presentation: Presentation,
}

/// What is said of a resource and of a family alike.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<Annotations>,
}

presented!(Resource);
presented!(ResourceTemplate);
readable!(Resource);
readable!(ResourceTemplate);
completed!(ResourceTemplate);

impl About {
    fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: None,
            mime_type: None,
            annotations: None,
        }
    }
}

impl Resource {
    /// A resource under `uri`, read by an async function.
    pub fn new<F>(
        uri: impl Into<String>,
        name: impl Into<String>,
        read: impl Fn(CallContext) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<ResourceContents, ToolError>> + Send + 'static,
    {
        let read = move |context, _variables| -> BoxFuture<'static, _> {
            let reading = read(context);
            Box::pin(async move { reading.await.map(|contents| vec![contents]) })
        };
        Self {
            description: ResourceDescription {
                uri: uri.into(),
                size: None,
                about: About::named(name),
                presentation: Presentation::default(),
            },
            needs: Scopes::none(),
            read: Arc::new(read),
        }
    }

    /// Length of what it holds, in bytes, before any base64.
    #[must_use]
    pub fn size(mut self, bytes: u64) -> Self {
        self.description.size = Some(bytes);
        self
    }
}

impl ResourceTemplate {
    /// A family under `template`, as `notes://{id}/text`; the function gets the URI and what stands
    /// in place of each variable, percent-decoded.
    ///
    /// # Errors
    /// [`TemplateError`](super::TemplateError) for a template of another form.
    pub fn new<F>(
        template: &str,
        name: impl Into<String>,
        read: impl Fn(CallContext, Variables) -> F + Send + Sync + 'static,
    ) -> Result<Self, super::TemplateError>
    where
        F: Future<Output = Result<ResourceContents, ToolError>> + Send + 'static,
    {
        let read = move |context, values| -> BoxFuture<'static, _> {
            let reading = read(context, Variables(values));
            Box::pin(async move { reading.await.map(|contents| vec![contents]) })
        };
        Ok(Self {
            description: TemplateDescription {
                uri_template: template.to_owned(),
                about: About::named(name),
                presentation: Presentation::default(),
            },
            template: template.parse()?,
            needs: Scopes::none(),
            read: Arc::new(read),
            completer: None,
        })
    }
}

/// What stands in place of a template's variables, and the URI itself.
#[derive(Debug, Clone, Default)]
pub struct Variables(Map<String, Value>);

impl Variables {
    /// A variable's value; empty for one that the template does not have.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The whole URI.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.get(URI)
    }
}

/// Where the URI itself travels among the variables; no variable can be called so.
pub(super) const URI: &str = " uri";

impl fmt::Debug for Resource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Resource")
            .field(&self.description.uri)
            .finish()
    }
}

impl fmt::Debug for ResourceTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("ResourceTemplate")
            .field(&self.description.uri_template)
            .finish()
    }
}
