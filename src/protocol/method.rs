//! Method names of every protocol version.

use std::fmt;

macro_rules! methods {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)+) => {
        /// A method, as the specifications name it.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Method {
            $($(#[$doc])* $variant,)+
            /// Any other, at most [`METHOD_BYTES_SHOWN`] bytes of it.
            Other(Box<str>),
        }

        impl Method {
            /// A word for a metric's label: no client can make more of them.
            #[must_use]
            pub const fn label(&self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(_) => "other",
                }
            }
        }

        impl From<&str> for Method {
            fn from(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)+
                    unknown => Self::Other(shortened(unknown).into()),
                }
            }
        }
    };
}

methods! {
    /// Opens a session; up to 2025-11-25.
    Initialize = "initialize";
    /// The client has taken the answer to `initialize`.
    Initialized = "notifications/initialized";
    /// The client's folders have changed; up to 2025-11-25.
    RootsListChanged = "notifications/roots/list_changed";
    /// The client wants no answer to a request any more.
    Cancelled = "notifications/cancelled";
    /// Is anybody there? Up to 2025-11-25.
    Ping = "ping";
    /// What the server can do; from 2026-07-28.
    ServerDiscover = "server/discover";
    /// Which tools there are.
    ToolsList = "tools/list";
    /// Calls a tool.
    ToolsCall = "tools/call";
    /// Which resources there are.
    ResourcesList = "resources/list";
    /// Which families of resources there are.
    ResourcesTemplatesList = "resources/templates/list";
    /// Reads a resource.
    ResourcesRead = "resources/read";
    /// Wants to be told of a resource's changes; up to 2025-11-25.
    ResourcesSubscribe = "resources/subscribe";
    /// Wants that no more; up to 2025-11-25.
    ResourcesUnsubscribe = "resources/unsubscribe";
    /// What lies in a folder of resources (extension skills).
    ResourcesDirectoryRead = "resources/directory/read";
    /// Which skills there are (extension skills).
    SkillsList = "skills/list";
    /// One skill's entry (extension skills).
    SkillsGet = "skills/get";
    /// Which prompts there are.
    PromptsList = "prompts/list";
    /// A prompt, filled in.
    PromptsGet = "prompts/get";
    /// Suggestions for an argument.
    CompletionComplete = "completion/complete";
    /// How much the server may log to the client; up to 2025-11-25.
    LoggingSetLevel = "logging/setLevel";
    /// Wants to be told of changes; from 2026-07-28.
    SubscriptionsListen = "subscriptions/listen";
    /// Where a task stands; from 2025-11-25.
    TasksGet = "tasks/get";
    /// Waits for a task's result; 2025-11-25 only.
    TasksResult = "tasks/result";
    /// Which tasks the caller has; 2025-11-25 only.
    TasksList = "tasks/list";
    /// Answers what a task asks; from 2026-07-28.
    TasksUpdate = "tasks/update";
    /// Ends a task before its time; from 2025-11-25.
    TasksCancel = "tasks/cancel";

    /// How far a call has come.
    Progress = "notifications/progress";
    /// A log message for the client.
    LogMessage = "notifications/message";
    /// The list of tools has changed.
    ToolsListChanged = "notifications/tools/list_changed";
    /// The list of prompts has changed.
    PromptsListChanged = "notifications/prompts/list_changed";
    /// The list of resources has changed.
    ResourcesListChanged = "notifications/resources/list_changed";
    /// A resource has changed.
    ResourcesUpdated = "notifications/resources/updated";
    /// What of `subscriptions/listen` is honoured; from 2026-07-28.
    SubscriptionsAcknowledged = "notifications/subscriptions/acknowledged";
    /// A task stands elsewhere; 2025-11-25 only.
    TasksStatus = "notifications/tasks/status";
    /// The same; from 2026-07-28.
    TasksChanged = "notifications/tasks";

    /// Asks the user; from 2025-06-18.
    ElicitationCreate = "elicitation/create";
    /// Asks the client's model.
    SamplingCreateMessage = "sampling/createMessage";
    /// Asks which folders the client works in.
    RootsList = "roots/list";
}

/// How much of an unknown method's name is kept to be named in the refusal, in bytes.
pub const METHOD_BYTES_SHOWN: usize = 256;

impl Method {
    /// As it is written on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => known.label(),
        }
    }
}

impl Method {
    /// Whether it is about one task, named in `params.taskId`.
    #[must_use]
    pub const fn is_of_task(&self) -> bool {
        matches!(
            self,
            Self::TasksGet | Self::TasksResult | Self::TasksUpdate | Self::TasksCancel
        )
    }
}

fn shortened(name: &str) -> &str {
    let mut end = name.len().min(METHOD_BYTES_SHOWN);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_method_is_found_by_its_exact_name() {
        assert_eq!(Method::from("tools/call"), Method::ToolsCall);
        assert_eq!(
            Method::from("Tools/call"),
            Method::Other("Tools/call".into())
        );
    }

    #[test]
    fn an_unknown_method_is_kept_short() {
        let method = Method::from(&*"ä".repeat(500));

        assert!(method.as_str().len() <= METHOD_BYTES_SHOWN);
        assert_eq!(method.label(), "other");
    }
}
