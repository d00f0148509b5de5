//! Browsers, known by one cookie: who is signed in there, and whose form a form is.
//!
//! The cookie is a random id and nothing else, so it never grows. It is replaced at sign-in, and
//! what belongs to the browser moves along; an id planted before is worth nothing after. Cookies
//! don't tell ports apart, so the port is in its name.

use actix_web::{HttpRequest, http::header};

use super::{
    config::Lifetimes,
    error::PageError,
    random::{self, Digest},
    table::Table,
};
use crate::{time::Timestamp, units::HumanDuration};

/// Tells browsers apart for as long as the process lives; never leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct BrowserId(u64);

/// What is known about a browser.
#[derive(Debug, Clone)]
pub(super) struct Browser {
    pub(super) id: BrowserId,
    pub(super) signed_in: Option<SignedIn>,
}

/// A user at a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedIn {
    pub(super) subject: String,
    /// When the password was given (`auth_time`).
    pub(super) at: Timestamp,
}

/// All browsers.
#[derive(Debug)]
pub(super) struct Browsers {
    table: Table<Digest, Browser>,
    /// How long a sign-in lasts.
    signed_in_for: HumanDuration,
    /// How long a browser is known where nobody is signed in: as long as a transaction.
    met_for: HumanDuration,
    last_id: u64,
}

impl Browsers {
    pub(super) fn new(limit: usize, lifetimes: &Lifetimes) -> Self {
        Self {
            table: Table::new(limit),
            signed_in_for: lifetimes.session,
            met_for: lifetimes.transaction,
            last_id: 0,
        }
    }

    /// The browser with this cookie.
    pub(super) fn find(&self, now: Timestamp, cookie: Option<&str>) -> Option<&Browser> {
        self.table.get(now, &Digest::of(cookie?))
    }

    /// A browser with a request: the one with this cookie, or a new one with the cookie it gets.
    pub(super) fn meet(
        &mut self,
        now: Timestamp,
        cookie: Option<&str>,
    ) -> Result<(Browser, Option<String>), PageError> {
        let until = now.plus(self.met_for.get());
        if let Some(known) = self.find(now, cookie).cloned() {
            self.table
                .extend(&Digest::of(cookie.unwrap_or_default()), until);
            return Ok((known, None));
        }
        self.last_id += 1;
        let browser = Browser {
            id: BrowserId(self.last_id),
            signed_in: None,
        };
        let cookie = self.keep(now, browser.clone(), until)?;
        Ok((browser, Some(cookie)))
    }

    /// Somebody signed in: the same browser under a new cookie, which is returned.
    pub(super) fn sign_in(
        &mut self,
        now: Timestamp,
        cookie: &str,
        signed_in: SignedIn,
    ) -> Result<(Browser, String), PageError> {
        let before = self
            .table
            .remove(now, &Digest::of(cookie))
            .ok_or(PageError::TransactionGone)?;
        let browser = Browser {
            id: before.id,
            signed_in: Some(signed_in),
        };
        let until = now.plus(self.signed_in_for.get());
        let cookie = self.keep(now, browser.clone(), until)?;
        Ok((browser, cookie))
    }

    /// Forgets the browser with this cookie.
    pub(super) fn forget(&mut self, now: Timestamp, cookie: &str) {
        self.table.remove(now, &Digest::of(cookie));
    }

    fn keep(
        &mut self,
        now: Timestamp,
        browser: Browser,
        until: Timestamp,
    ) -> Result<String, PageError> {
        let cookie = random::token()?;
        self.table
            .insert(now, Digest::of(&cookie), browser, until)?;
        Ok(cookie)
    }
}

/// The cookie's name at the provider on `port`.
pub(super) fn cookie_name(port: u16) -> String {
    format!("usher-idp-{port}")
}

/// The `Set-Cookie` for a browser: for this browser session, not for scripts, not for forms of
/// other sites. Without `Secure` and `__Host-`, which need https.
pub(super) fn set_cookie(name: &str, value: &str) -> String {
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax")
}

/// The cookie's value in a request.
pub(super) fn cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request
        .headers()
        .get_all(header::COOKIE)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// Whether a form was sent by a page of ours, as far as the browser tells.
///
/// Our pages send no referrer, and then `Origin` is `null` (Fetch §3.1); `Sec-Fetch-Site` tells the
/// truth in its place. A client that sends neither is no browser, or an old one: the form's own
/// token has to do.
pub(super) fn is_own_form(request: &HttpRequest) -> bool {
    let text = |name: &str| {
        Some(
            request
                .headers()
                .get(name)?
                .to_str()
                .unwrap_or("unreadable"),
        )
    };
    let host = text("host").unwrap_or_default();
    match (text("origin"), text("sec-fetch-site")) {
        (Some("null") | None, Some(site)) => site == "same-origin",
        (Some(origin), site) => {
            origin == format!("http://{host}") && site.is_none_or(|site| site == "same-origin")
        }
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(0);

    fn alice() -> SignedIn {
        SignedIn {
            subject: "alice".to_owned(),
            at: NOW,
        }
    }

    #[test]
    fn a_cookie_planted_before_sign_in_is_worth_nothing_after() {
        let mut browsers = Browsers::new(10, &Lifetimes::default());
        let (before, planted) = browsers.meet(NOW, None).unwrap();
        let planted = planted.unwrap();

        let (after, fresh) = browsers.sign_in(NOW, &planted, alice()).unwrap();

        assert_eq!(before.id, after.id);
        assert!(browsers.find(NOW, Some(&planted)).is_none());
        assert_eq!(
            browsers.find(NOW, Some(&fresh)).unwrap().signed_in,
            Some(alice())
        );
    }

    #[test]
    fn a_browser_where_nobody_signed_in_is_soon_forgotten() {
        let at = Timestamp::from_unix_seconds;
        let mut browsers = Browsers::new(10, &Lifetimes::default());
        let (_, cookie) = browsers.meet(NOW, None).unwrap();
        browsers.meet(at(300), cookie.as_deref()).unwrap();

        assert!(browsers.find(at(899), cookie.as_deref()).is_some());
        assert!(browsers.find(at(900), cookie.as_deref()).is_none());
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let request = TestRequest::default()
            .insert_header(("cookie", "a=1; usher-idp-3002=abc; b=2"))
            .to_http_request();

        assert_eq!(cookie(&request, "usher-idp-3002"), Some("abc"));
        assert_eq!(cookie(&request, "usher-idp-3003"), None);
    }

    /// C13
    #[test]
    fn a_form_from_elsewhere_is_not_ours() {
        let own = |headers: &[(&'static str, &'static str)]| {
            let request = headers.iter().fold(
                TestRequest::default().insert_header(("host", "127.0.0.1:3002")),
                |request, header| request.insert_header(*header),
            );
            is_own_form(&request.to_http_request())
        };

        assert!(own(&[]));
        assert!(own(&[("origin", "http://127.0.0.1:3002")]));
        assert!(own(&[
            ("origin", "null"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!own(&[("origin", "null")]));
        assert!(!own(&[
            ("origin", "null"),
            ("sec-fetch-site", "cross-site")
        ]));
        assert!(!own(&[("origin", "http://127.0.0.1:3001")]));
        assert!(!own(&[("origin", "https://evil.example")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]));
    }
}
