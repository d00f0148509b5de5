//! A sign-in under way: what the client asked, sealed, and bound to the browser it began in.
//!
//! It travels twice: as `state` to the authorization server and back, and in a cookie. The cookie
//! names the browser, so that a link that somebody sends does nothing in another's browser (P22); and
//! it stands in for the `state` where the user cancels at a Logto, which sends its browser back
//! without.

use actix_web::{HttpRequest, http::header};
use serde::{Deserialize, Serialize};

use crate::{
    seal::{NotSealed, Purpose, Sealer, random_text},
    time::Timestamp,
    units::PublicUrl,
};

/// How long a user may take to sign in.
pub(super) const LASTS_SECONDS: u64 = 600;

/// What a client asked for, as far as it is needed when the user comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Transaction {
    #[serde(rename = "c")]
    pub(super) client_id: String,
    /// The client's own.
    #[serde(rename = "r")]
    pub(super) redirect_uri: String,
    /// The client's own.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<String>,
    #[serde(rename = "h")]
    pub(super) code_challenge: String,
    #[serde(rename = "o")]
    pub(super) resource: String,
    /// A random name of the browser.
    #[serde(rename = "b")]
    pub(super) browser: String,
    #[serde(rename = "e")]
    pub(super) ends: u64,
}

/// The cookie of one server.
#[derive(Debug)]
pub(super) struct BrowserCookie {
    name: &'static str,
    secure: bool,
}

impl BrowserCookie {
    /// Over https its name makes browsers insist that it is ours alone (C18).
    pub(super) fn of(url: &PublicUrl) -> Self {
        let secure = url.as_str().starts_with("https:");
        let name = if secure {
            "__Host-usher-sign-in"
        } else {
            "usher-sign-in"
        };
        Self { name, secure }
    }

    /// The sign-in that this browser began last.
    pub(super) fn read(
        &self,
        request: &HttpRequest,
        sealer: &Sealer,
        now: Timestamp,
    ) -> Option<Transaction> {
        let headers = request.headers().get_all(header::COOKIE);
        let lines = headers.filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(|line| line.split(';'));
        // Of several of one name only one can be ours, and only ours opens.
        cookies.find_map(|cookie| {
            let (name, value) = cookie.trim().split_once('=')?;
            let is_ours = name == self.name;
            is_ours.then(|| Transaction::open(sealer, value, now))?
        })
    }

    /// A whole `Set-Cookie` value; an empty `sealed` takes the cookie away.
    pub(super) fn set(&self, sealed: &str) -> String {
        let lasts = if sealed.is_empty() { 0 } else { LASTS_SECONDS };
        let secure = if self.secure { "; Secure" } else { "" };
        let name = self.name;
        format!("{name}={sealed}; Path=/; HttpOnly; SameSite=Lax; Max-Age={lasts}{secure}")
    }
}

impl Transaction {
    /// What was sealed here and has not ended.
    pub(super) fn open(sealer: &Sealer, text: &str, now: Timestamp) -> Option<Self> {
        let transaction: Self = sealer.open(Purpose::Transaction, text)?;
        (now.as_unix_seconds() < transaction.ends).then_some(transaction)
    }

    pub(super) fn seal(&self, sealer: &Sealer) -> Result<String, NotSealed> {
        sealer.seal(Purpose::Transaction, self)
    }
}

/// A name for a browser that has none.
pub(super) fn new_browser() -> Result<String, NotSealed> {
    random_text()
}
