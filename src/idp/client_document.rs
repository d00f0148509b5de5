//! A client that nobody registered: its `client_id` is the URL of a document that describes it
//! (draft-ietf-oauth-client-id-metadata-document; 2025-11-25, authorization).
//!
//! Pure rules: which id is such a URL, what its document has to say, how long a copy is good.

use std::time::Duration;

use reqwest::{
    StatusCode,
    header::{AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName},
};
use serde_json::Value;
use url::Url;

use super::{
    client_metadata::{MetadataError, Refusal, VerifiedClientMetadata},
    config::ClientDocuments,
    redirect_uri::RedirectUriError,
};
use crate::{
    fetch::{Answer, FetchError},
    units::is_loopback,
};

/// Longest URL that is taken, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// Where a client's document is: the client's id, to the character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DocumentUrl(Url);

/// Why a client is not known by its document. `Display` is for whoever builds the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("{0}")]
    Url(&'static str),
    /// Nothing about the client: asking again may help.
    #[error("{0}")]
    NotHad(String),
    /// A bound of ours.
    #[error("too many documents are being read; try again in a minute")]
    Busy,
    #[error("{0}")]
    Document(&'static str),
    #[error(transparent)]
    Metadata(MetadataError),
    #[error(transparent)]
    RedirectUri(RedirectUriError),
}

impl From<Refusal> for DocumentError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Metadata(error) => Self::Metadata(error),
            Refusal::RedirectUri(error) => Self::RedirectUri(error),
        }
    }
}

impl From<FetchError> for DocumentError {
    fn from(error: FetchError) -> Self {
        Self::NotHad(error.to_string())
    }
}

impl DocumentUrl {
    /// Reads a client's id. `None` is an id of another kind.
    ///
    /// `loopback` lets in plain http on this machine, which the draft does not have: where provider
    /// and client are both in development there, neither has a certificate.
    pub(super) fn read(client_id: &str, loopback: bool) -> Option<Result<Self, DocumentError>> {
        let is_url = client_id.starts_with("https://") || client_id.starts_with("http://");
        is_url.then(|| Self::check(client_id, loopback).map_err(DocumentError::Url))
    }

    fn check(client_id: &str, loopback: bool) -> Result<Self, &'static str> {
        if client_id.len() > URL_BYTES_MAX {
            return Err("a client_id has at most 2048 bytes");
        }
        let url = Url::parse(client_id).map_err(|_unreadable| "this client_id is no URL")?;
        // One client, one name: no dot segments, no other case, no default port.
        if url.as_str() != client_id {
            return Err("a client_id that is a URL is written in its normal form");
        }
        match url.scheme() {
            "https" => {}
            "http" if loopback && is_loopback(&url) => {}
            _ => return Err("a client_id that is a URL begins with https://"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a client_id has no user name or password");
        }
        if url.fragment().is_some() {
            return Err("a client_id has no fragment");
        }
        if url.path() == "/" {
            return Err("a client_id that is a URL has a path");
        }
        Ok(Self(url))
    }

    pub(super) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Host and port: who answers for the document, as people are told.
    pub(super) fn publisher(&self) -> &str {
        &self.0[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// Checks what was found there.
    pub(super) fn check_document(
        &self,
        answer: &Answer,
    ) -> Result<VerifiedClientMetadata, DocumentError> {
        let refuse = |why| Err(DocumentError::Document(why));
        // A redirect would let whoever can place one answer for this host.
        if answer.status != StatusCode::OK {
            return refuse("the document's server did not answer 200");
        }
        if !is_json(&answer.headers) {
            return refuse("the document is not application/json");
        }
        let document: Value = serde_json::from_slice(&answer.body)
            .map_err(|_malformed| DocumentError::Document("the document is not JSON"))?;
        if document["client_id"] != self.as_str() {
            return refuse("the document's client_id is not its own URL");
        }
        if !document["client_secret"].is_null() {
            return refuse("a document that everybody can read holds no client_secret");
        }
        if !matches!(&document["token_endpoint_auth_method"], Value::Null)
            && document["token_endpoint_auth_method"] != "none"
        {
            return refuse("token_endpoint_auth_method is none for a client without a secret");
        }
        let metadata = VerifiedClientMetadata::check(&document)?;
        if metadata.client_name.is_none() {
            return refuse("the document has no client_name");
        }
        Ok(metadata)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let media_type = text(headers, &CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// How long a copy is used before the document is read again, within our own bounds (RFC 9111 §4.2).
pub(super) fn kept_for(headers: &HeaderMap, bounds: &ClientDocuments) -> Duration {
    let seconds = |text: &str| text.trim().trim_matches('"').parse().ok();
    let mut fresh = Duration::ZERO;
    for directive in text(headers, &CACHE_CONTROL).unwrap_or_default().split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return bounds.kept_at_least.get(),
            "max-age" => fresh = seconds(value).map_or(Duration::ZERO, Duration::from_secs),
            _ => {}
        }
    }
    let age = text(headers, &AGE).and_then(seconds).unwrap_or(0);
    fresh
        .saturating_sub(Duration::from_secs(age))
        .min(bounds.kept_at_most.get())
        .max(bounds.kept_at_least.get())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "https://agents.example/smartmail.json";

    fn read(client_id: &str, loopback: bool) -> Result<DocumentUrl, DocumentError> {
        DocumentUrl::read(client_id, loopback).unwrap_or(Err(DocumentError::Url("another kind")))
    }

    fn answer(status: u16, content_type: &str, body: &Value) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            headers,
            body: body.to_string().into(),
        }
    }

    fn good() -> Value {
        json!({
            "client_id": ID, "client_name": "SmartMail AI",
            "redirect_uris": ["http://127.0.0.1/callback"],
        })
    }

    fn judge(document: &Value) -> Result<VerifiedClientMetadata, DocumentError> {
        let answer = answer(200, "application/json", document);
        read(ID, false).unwrap().check_document(&answer)
    }

    #[test]
    fn an_id_that_is_no_url_is_of_another_kind() {
        for id in [
            "official-app",
            "4f2b",
            "urn:a:b",
            "com.example:/a",
            "HTTPS://a/b",
            "",
        ] {
            assert_eq!(DocumentUrl::read(id, true), None, "{id}");
        }
    }

    #[test]
    fn an_id_is_an_https_url_with_a_path_and_one_spelling() {
        for id in [
            ID,
            "https://a.example:8443/a/b?v=2",
            "https://a.example/a/",
            "https://[2606:4700::1111]/c",
        ] {
            assert_eq!(read(id, false).unwrap().as_str(), id);
        }
        for id in [
            "https://a.example",
            "https://a.example/",
            "http://a.example/c",
            "http://127.0.0.1/c",
            "https://A.example/c",
            "https://a.example:443/c",
            "https://a.example/b/../c",
            "https://a.example/%2e%2e/c",
            "https://a.example/c#f",
            "https://a.example\\@b.example/c",
            "https://user@a.example/c",
            "https://a.example/\tc",
            " https://a.example/c",
            "https:///c",
        ] {
            assert!(read(id, false).is_err(), "{id}");
        }
        assert!(read(&format!("{ID}?{}", "x".repeat(URL_BYTES_MAX)), false).is_err());
    }

    #[test]
    fn in_development_plain_http_is_for_this_machine() {
        for id in [
            "http://127.0.0.1:5000/c",
            "http://localhost/c",
            "http://[::1]:5000/c",
        ] {
            assert!(read(id, true).is_ok(), "{id}");
        }
        for id in ["http://192.168.1.2/c", "http://localhost.evil.example/c"] {
            assert!(read(id, true).is_err(), "{id}");
        }
    }

    #[test]
    fn the_host_is_what_people_are_told() {
        for (id, publisher) in [
            (ID, "agents.example"),
            ("https://a.example:8443/c", "a.example:8443"),
            ("http://[::1]:5000/c", "[::1]:5000"),
        ] {
            assert_eq!(read(id, true).unwrap().publisher(), publisher);
        }
    }

    #[test]
    fn a_document_speaks_for_its_own_url_only() {
        assert_eq!(
            judge(&good()).unwrap().client_name.as_deref(),
            Some("SmartMail AI")
        );
        for id in [
            json!("https://agents.example/smartmail.json/"),
            json!(null),
            json!([ID]),
        ] {
            let mut document = good();
            document["client_id"] = id;
            assert!(judge(&document).is_err(), "{document}");
        }
    }

    #[test]
    fn a_document_is_whole_and_holds_no_secret() {
        for (name, value) in [
            ("client_name", json!(null)),
            ("redirect_uris", json!([])),
            ("redirect_uris", json!(["http://a.example/cb"])),
            ("client_secret", json!("s3cret")),
            ("token_endpoint_auth_method", json!("client_secret_post")),
            ("token_endpoint_auth_method", json!("private_key_jwt")),
            ("token_endpoint_auth_method", json!(1)),
        ] {
            let mut document = good();
            document[name] = value;
            assert!(judge(&document).is_err(), "{document}");
        }
    }

    #[test]
    fn only_json_with_status_200_is_a_document() {
        let url = read(ID, false).unwrap();
        let taken = |status, content_type| {
            url.check_document(&answer(status, content_type, &good()))
                .is_ok()
        };

        assert!(taken(200, "application/json; charset=utf-8"));
        assert!(taken(200, "application/client+JSON"));
        for (status, content_type) in [
            (200, "text/html"),
            (200, "text/plain"),
            (200, "image/svg+json"),
            (201, "application/json"),
            (302, "application/json"),
            (404, "application/json"),
        ] {
            assert!(!taken(status, content_type), "{status} {content_type}");
        }
    }

    #[test]
    fn a_copy_is_kept_as_long_as_was_said_within_our_bounds() {
        let kept = |control: &str, age: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, control.parse().unwrap());
            headers.insert(AGE, age.parse().unwrap());
            kept_for(&headers, &ClientDocuments::default()).as_secs()
        };

        assert_eq!(kept("public, max-age=600", "0"), 600);
        assert_eq!(kept("MAX-AGE=\"600\"", "100"), 500);
        for least in [
            "no-store, max-age=600",
            "no-cache",
            "max-age=1",
            "max-age=x",
            "",
        ] {
            assert_eq!(kept(least, "0"), 60, "{least}");
        }
        assert_eq!(kept("max-age=600", "9999999"), 60);
        assert_eq!(kept("max-age=99999999999", "0"), 86_400);
    }
}
