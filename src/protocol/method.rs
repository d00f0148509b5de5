//! Method names of every protocol version.

use std::fmt;

/// A method, as the specifications name it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// `initialize`, opens a session; up to 2025-11-25.
    Initialize,
    /// `notifications/initialized`.
    Initialized,
    /// `notifications/cancelled`.
    Cancelled,
    /// `ping`; up to 2025-11-25.
    Ping,
    /// `server/discover`; from 2026-07-28.
    ServerDiscover,
    /// `tools/list`.
    ToolsList,
    /// `tools/call`.
    ToolsCall,
    /// Any other, at most [`METHOD_BYTES_SHOWN`] bytes of it.
    Other(Box<str>),
}

/// How much of an unknown method's name is kept to be named in the refusal, in bytes.
pub const METHOD_BYTES_SHOWN: usize = 64;

impl Method {
    const KNOWN: [Self; 7] = [
        Self::ToolsCall,
        Self::ToolsList,
        Self::Initialize,
        Self::Initialized,
        Self::Ping,
        Self::ServerDiscover,
        Self::Cancelled,
    ];

    /// As it is written on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => known.label(),
        }
    }

    /// A word for a metric's label: no client can make more of them.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Initialized => "notifications/initialized",
            Self::Cancelled => "notifications/cancelled",
            Self::Ping => "ping",
            Self::ServerDiscover => "server/discover",
            Self::ToolsList => "tools/list",
            Self::ToolsCall => "tools/call",
            Self::Other(_) => "other",
        }
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        if let Some(known) = Self::KNOWN.iter().find(|known| known.label() == name) {
            return known.clone();
        }
        let mut end = name.len().min(METHOD_BYTES_SHOWN);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        Self::Other(name[..end].into())
    }
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
