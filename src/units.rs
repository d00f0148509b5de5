//! Settings' values that carry their unit: durations, sizes, and the URLs we are known by.
//!
//! Every room's `Config` is made of these, so that `idle_after = "30 min"` can't be read as seconds
//! and a public URL can't end in a slash that breaks an exact comparison somewhere else.

use std::{fmt, net::SocketAddr, str::FromStr, time::Duration};

use serde::{Serialize, Serializer};
use url::Url;

/// A length of time written with its unit: `500ms`, `30s`, `5min`, `2h`, `7d`; a space is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

/// Why a text is no unit value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A duration is a whole number and one of the units.
    #[error(
        "{0:?} is no duration; write a whole number and a unit: ms, s, min, h or d, as in \"30s\""
    )]
    Duration(String),
    /// A size is a whole number and one of the units.
    #[error(
        "{0:?} is no size; write a whole number and a unit: B, KiB, MiB or GiB, as in \"4MiB\""
    )]
    Size(String),
    /// Where to listen is an IP address and a port.
    #[error("{0:?} is no address; write an IP address and a port, as in \"127.0.0.1:3001\"")]
    Address(String),
    /// What [`PublicUrl`] does not take.
    #[error(
        "{0:?} is no public URL; write it as in \"https://mcp.example.com\" or \"https://example.com/ai\", {1}"
    )]
    Url(String, &'static str),
}

impl HumanDuration {
    /// Wraps a duration; it is shown in the largest unit that divides it.
    #[must_use]
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The duration itself.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for HumanDuration {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || UnitError::Duration(text.to_owned());
        let (number, unit) = split_unit(text).ok_or_else(refused)?;
        let milliseconds_each = match unit {
            "ms" => 1,
            "s" => 1_000,
            "min" | "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(refused()),
        };
        let milliseconds = number.checked_mul(milliseconds_each).ok_or_else(refused)?;
        Ok(Self(Duration::from_millis(milliseconds)))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let units = [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "min"),
            (1_000, "s"),
        ];
        let unit = units
            .into_iter()
            .find(|(each, _)| milliseconds > 0 && milliseconds.is_multiple_of(*each))
            .unwrap_or((1, "ms"));
        write!(formatter, "{}{}", milliseconds / unit.0, unit.1)
    }
}

/// A number of bytes written with its unit: `512B`, `64KiB`, `4MiB`, `1GiB`; a space is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(usize);

impl ByteSize {
    /// So many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: usize) -> Self {
        Self(bytes)
    }

    /// So many times 1,024 bytes.
    #[must_use]
    pub const fn from_kib(kib: usize) -> Self {
        Self(kib * 1024)
    }

    /// So many times 1,048,576 bytes.
    #[must_use]
    pub const fn from_mib(mib: usize) -> Self {
        Self(mib * 1024 * 1024)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || UnitError::Size(text.to_owned());
        let (number, unit) = split_unit(text).ok_or_else(refused)?;
        let bytes_each: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(refused()),
        };
        let bytes = number.checked_mul(bytes_each).ok_or_else(refused)?;
        usize::try_from(bytes)
            .map(Self)
            .map_err(|_too_large| refused())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let unit = units
            .into_iter()
            .find(|(each, _)| self.0 > 0 && self.0.is_multiple_of(*each))
            .unwrap_or((1, "B"));
        write!(formatter, "{}{}", self.0 / unit.0, unit.1)
    }
}

/// Reads where to listen.
///
/// # Errors
/// [`UnitError::Address`], for names too: they can mean several addresses, or another one tomorrow.
pub fn socket_address(text: &str) -> Result<SocketAddr, UnitError> {
    let refused = |_| UnitError::Address(text.to_owned());
    text.trim().parse().map_err(refused)
}

/// `"30 min"` becomes `(30, "min")`.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let unit_at = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit_at);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Where clients reach this server: an origin, and a path where something else has the origin's root.
///
/// It is compared and joined as text all over OAuth (resource indicators, issuers, redirect URIs),
/// so it is kept as text, without a trailing slash. The path is made of letters, digits and `-._~`
/// alone, so that it reads the same in a route, a header and a well-known path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    text: String,
    /// How much of the text is the origin.
    origin: usize,
}

impl PublicUrl {
    /// The origin of a server that is reached by its address, without TLS.
    #[must_use]
    pub fn of_address(address: SocketAddr) -> Self {
        let text = format!("http://{address}");
        let origin = text.len();
        Self { text, origin }
    }

    /// All of it, as in `https://mcp.example.com` or `https://example.com/ai`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, as an `Origin` header names them: `https://example.com`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.text[..self.origin]
    }

    /// What stands behind the origin: nothing, or `/ai`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.text[self.origin..]
    }

    /// The URL of a path below this one: `join("/mcp")`.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Host and port as a `Host` header names them: `mcp.example.com`, `127.0.0.1:3001`.
    #[must_use]
    pub fn authority(&self) -> &str {
        let origin = self.origin();
        origin
            .split_once("://")
            .map_or(origin, |(_scheme, authority)| authority)
    }

    /// Whether its host can only be this machine: see [`is_loopback`].
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        Url::parse(&self.text).is_ok_and(|url| is_loopback(&url))
    }
}

impl FromStr for PublicUrl {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |why| Err(UnitError::Url(text.to_owned(), why));
        let Ok(url) = Url::parse(text) else {
            return refuse("in full");
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return refuse("with http or https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("without a user name");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refuse("without a query or fragment");
        }
        let path = url.path().strip_suffix('/').unwrap_or(url.path());
        if !path.split('/').skip(1).all(is_segment) {
            return refuse("with nothing but letters, digits and -._~ in its path");
        }
        // Everybody copies the endpoint's URL once.
        if ["/mcp", "/sse", "/messages"]
            .iter()
            .any(|endpoint| path.ends_with(endpoint))
        {
            return refuse("without the endpoint, which is added to it");
        }
        let mut text = url.origin().ascii_serialization();
        let origin = text.len();
        text.push_str(path);
        Ok(Self { text, origin })
    }
}

/// One part of a path that nobody writes in two ways (RFC 3986 §2.3).
fn is_segment(part: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !part.is_empty() && part.bytes().all(unreserved)
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for PublicUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Whether a URL's host can only be this machine: `127.0.0.0/8`, `::1` or `localhost` (RFC 8252 §7.3).
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_and_written_with_its_unit() {
        for (text, shown) in [
            ("30s", "30s"),
            ("120 s", "2min"),
            ("1500ms", "1500ms"),
            ("7d", "7d"),
        ] {
            assert_eq!(text.parse::<HumanDuration>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_number_without_a_unit_is_refused() {
        for text in [
            "30",
            "",
            "s",
            "-1s",
            "1.5h",
            "30 fortnights",
            "99999999999999999999d",
        ] {
            assert!(text.parse::<HumanDuration>().is_err(), "{text:?} was taken");
            assert!(
                text.parse::<ByteSize>().is_err(),
                "{text:?} was taken as a size"
            );
        }
    }

    #[test]
    fn a_size_is_read_and_written_with_its_unit() {
        for (text, shown) in [("4MiB", "4MiB"), ("1024 B", "1KiB"), ("1500B", "1500B")] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn an_address_to_listen_on_is_no_name_and_no_port_alone() {
        assert_eq!(socket_address(" [::1]:80 ").unwrap().port(), 80);
        for text in [
            "3001",
            ":3001",
            "localhost:3001",
            "127.0.0.1",
            "127.0.0.1:99999",
        ] {
            assert!(socket_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_url_ends_without_a_slash() {
        for (text, origin, path) in [
            (
                "https://MCP.example.com:443/",
                "https://mcp.example.com",
                "",
            ),
            ("https://example.com/ai/", "https://example.com", "/ai"),
            (
                "http://[::1]:8080/ai/v1.0~x",
                "http://[::1]:8080",
                "/ai/v1.0~x",
            ),
        ] {
            let url: PublicUrl = text.parse().unwrap();

            assert_eq!((url.origin(), url.path()), (origin, path));
            assert_eq!(url.as_str(), format!("{origin}{path}"));
            assert_eq!(url.join("/mcp"), format!("{origin}{path}/mcp"));
            assert_eq!(
                format!("https://{}", url.authority()),
                origin.replace("http:", "https:")
            );
        }
    }

    #[test]
    fn a_public_url_that_could_be_read_in_two_ways_is_refused() {
        for text in [
            "mcp.example.com",
            "ftp://a",
            "https://a/mcp",
            "https://a/ai/sse/",
            "https://a/?q",
            "https://a/#f",
            "https://u@a",
            "https://a//ai",
            "https://a/ai//",
            "https://a/%61i",
            "https://a/{ai}",
            "https://a/a:i",
            "https://a/日",
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for text in [
            "http://127.0.0.1:3",
            "http://127.9.9.9",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(is_loopback(&Url::parse(text).unwrap()), "{text}");
        }
        for text in [
            "http://0.0.0.0",
            "http://localhost.evil.com",
            "http://127.0.0.1.nip.io",
        ] {
            assert!(!is_loopback(&Url::parse(text).unwrap()), "{text}");
        }
    }
}
