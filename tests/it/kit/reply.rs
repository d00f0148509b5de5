//! One answer, as it was read.

use serde_json::Value;

/// Head and body. Header names are in small letters, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The only header of that name.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} is there twice: {self:?}");
        value
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}: {}", self.status, self.text()))
    }

    /// The code of the JSON-RPC error in it.
    #[track_caller]
    pub(crate) fn code(&self) -> i64 {
        self.json()["error"]["code"]
            .as_i64()
            .unwrap_or_else(|| panic!("no error in {}: {}", self.status, self.text()))
    }

    /// What the client is asked to do about its token.
    #[track_caller]
    pub(crate) fn challenge(&self) -> &str {
        self.header("www-authenticate")
            .unwrap_or_else(|| panic!("no challenge in {self:?}"))
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}: {}", self.text());
        self
    }

    /// Everything but the date and the request's id, which is another for each: what a stranger could
    /// compare. Headers come in no order.
    pub(crate) fn comparable(&self) -> (u16, Vec<(String, String)>, String) {
        let id = self.header("x-request-id").expect("an id");
        let told = |name: &str| !matches!(name, "date" | "x-request-id");
        let headers = self.headers.iter().filter(|(name, _)| told(name));
        let mut headers: Vec<_> = headers.cloned().collect();
        headers.sort();
        (self.status, headers, self.text().replace(id, "(id)"))
    }
}
