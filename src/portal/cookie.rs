//! The portal's cookies: what stands in them is sealed, and nobody but us reads or sends them.

use actix_web::{HttpRequest, http::header};

use crate::units::PublicUrl;

/// The cookies of one server.
#[derive(Debug)]
pub(super) struct Cookies {
    secure: bool,
}

/// What a cookie is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Jar {
    /// Who is signed in.
    Session,
    /// A sign-in under way.
    SignIn,
    /// What the next page says once.
    Note,
}

impl Cookies {
    pub(super) fn of(url: &PublicUrl) -> Self {
        let secure = url.as_str().starts_with("https:");
        Self { secure }
    }

    /// Over https the name makes browsers insist that the cookie is this host's alone (C18).
    fn name(&self, jar: Jar) -> &'static str {
        match (jar, self.secure) {
            (Jar::Session, true) => "__Host-usher-portal",
            (Jar::Session, false) => "usher-portal",
            (Jar::SignIn, true) => "__Host-usher-portal-sign-in",
            (Jar::SignIn, false) => "usher-portal-sign-in",
            (Jar::Note, true) => "__Host-usher-portal-note",
            (Jar::Note, false) => "usher-portal-note",
        }
    }

    /// What the browser sent; of several of one name only one can be ours, and only ours opens.
    pub(super) fn find<T>(
        &self,
        request: &HttpRequest,
        jar: Jar,
        open: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let name = self.name(jar);
        let lines = request.headers().get_all(header::COOKIE);
        let lines = lines.filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';'));
        let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter_map(|(key, value)| (key == name).then_some(value));
        values.find_map(open)
    }

    /// A whole `Set-Cookie` value, for so many seconds.
    pub(super) fn set(&self, jar: Jar, sealed: &str, seconds: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
        let name = self.name(jar);
        format!("{name}={sealed}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}")
    }

    /// One that takes the cookie away.
    pub(super) fn clear(&self, jar: Jar) -> String {
        self.set(jar, "", 0)
    }
}
