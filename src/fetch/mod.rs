//! What we ask others over HTTP: discovery, key sets, introspection, userinfo.
//!
//! One client for the whole process, with a total deadline, a cap on the answer's size, no redirects
//! (a redirect would let a provider, or whoever answers for it, choose where we connect) and no
//! cookies. `metadata`, `auth` and `agent` use it, and `idp` with a [`Reach`], since the URLs it asks
//! are a stranger's. An answer is taken only whole.

mod breaker;
mod budget;
mod reach;

use std::{error::Error, time::Duration};

use bytes::{Bytes, BytesMut};
use reqwest::{RequestBuilder, StatusCode, header};
use serde::de::DeserializeOwned;
use url::Url;

pub use breaker::{Attempt, Breaker, FAILURES_MAX, Resting, STAY_AWAY_MAX};
pub use budget::Budget;
use reach::OutOfReach;
pub use reach::Reach;

use crate::units::{ByteSize, HumanDuration};

/// Limits on what is asked of others.
#[derive(Debug, Clone)]
pub struct Config {
    /// From the first byte sent to the last byte read. Above zero; default 3 s.
    pub deadline: HumanDuration,
    /// Largest answer that is read. Default 256 KiB.
    pub answer_max: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deadline: HumanDuration::from_secs(3),
            answer_max: ByteSize::from_kib(256),
        }
    }
}

/// The one client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    config: Config,
    /// Where a stranger names the URLs.
    reach: Option<Reach>,
}

/// An answer with its head and its whole body.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code, whatever it is.
    pub status: StatusCode,
    /// `Retry-After`, as seconds or as a date (RFC 9110 §10.2.3).
    pub retry_after: Option<Duration>,
    /// All of its header.
    pub headers: header::HeaderMap,
    /// The body, at most [`Config::answer_max`].
    pub body: Bytes,
}

/// Why no answer could be had. None of these says anything about a token.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The client could not be built: no usable TLS roots, for one.
    #[error("could not set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// The deadline passed.
    #[error("no answer within {0}")]
    Deadline(HumanDuration),
    /// No connection, or it broke.
    #[error("could not reach {host}")]
    Unreachable {
        /// Host and port, never the whole URL: a query could hold a secret.
        host: String,
        /// What the client said.
        #[source]
        error: reqwest::Error,
    },
    /// A stranger's URL leads to where only we get.
    #[error("{host} has no public address")]
    OutOfReach {
        /// Host and port.
        host: String,
    },
    /// The answer was larger than the cap.
    #[error("the answer is larger than {0}")]
    TooLarge(ByteSize),
    /// A status other than success.
    #[error("the answer was status {status}")]
    Status {
        /// The status code.
        status: StatusCode,
        /// When it says to come back.
        retry_after: Option<Duration>,
    },
    /// Success, and a body that is not the JSON expected.
    #[error("the answer is not the JSON expected: {0}")]
    Unreadable(#[source] serde_json::Error),
}

impl FetchError {
    /// How long the other side wants not to be asked: `Retry-After` of a 429 or a 503, within
    /// [`STAY_AWAY_MAX`].
    #[must_use]
    pub fn stay_away(&self) -> Option<Duration> {
        match self {
            Self::Status {
                status,
                retry_after,
            } => stay_away(*status, *retry_after),
            _ => None,
        }
    }
}

fn stay_away(status: StatusCode, retry_after: Option<Duration>) -> Option<Duration> {
    let says_so = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    retry_after
        .filter(|_| says_so)
        .map(|said| said.min(STAY_AWAY_MAX))
}

impl Answer {
    /// How long the other side wants not to be asked, as [`FetchError::stay_away`].
    #[must_use]
    pub fn stay_away(&self) -> Option<Duration> {
        stay_away(self.status, self.retry_after)
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }

    /// The body of a success as JSON.
    ///
    /// # Errors
    /// [`FetchError::Status`] for any other status, [`FetchError::Unreadable`] for any other body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, FetchError> {
        if !self.is_success() {
            return Err(FetchError::Status {
                status: self.status,
                retry_after: self.retry_after,
            });
        }
        serde_json::from_slice(&self.body).map_err(FetchError::Unreadable)
    }
}

impl Fetcher {
    /// Builds the client.
    ///
    /// # Errors
    /// [`FetchError::Setup`] where TLS can't be set up.
    pub fn new(config: Config) -> Result<Self, FetchError> {
        Self::build(config, None, client_builder())
    }

    /// The same for URLs that a stranger names: asks only addresses within `reach`, and no proxy, which
    /// would look names up by itself.
    ///
    /// # Errors
    /// [`FetchError::Setup`] where TLS can't be set up.
    pub fn of_strangers(config: Config, reach: Reach) -> Result<Self, FetchError> {
        let client = client_builder().no_proxy().dns_resolver(reach.resolver());
        Self::build(config, Some(reach), client)
    }

    fn build(
        config: Config,
        reach: Option<Reach>,
        client: reqwest::ClientBuilder,
    ) -> Result<Self, FetchError> {
        let client = client
            .timeout(config.deadline.get())
            .build()
            .map_err(FetchError::Setup)?;
        Ok(Self {
            client,
            config,
            reach,
        })
    }

    /// A GET that wants JSON, to be completed with headers and handed to [`Fetcher::send`].
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.client
            .get(url)
            .header(header::ACCEPT, "application/json")
    }

    /// A POST that wants JSON, to be completed with a body and handed to [`Fetcher::send`].
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.client
            .post(url)
            .header(header::ACCEPT, "application/json")
    }

    /// Any other request that wants JSON, to be handed to [`Fetcher::send`].
    pub fn request(&self, method: reqwest::Method, url: &str) -> RequestBuilder {
        self.client
            .request(method, url)
            .header(header::ACCEPT, "application/json")
    }

    /// Sends and reads the answer whole, whatever its status.
    ///
    /// # Errors
    /// [`FetchError::Deadline`], [`FetchError::Unreachable`], [`FetchError::OutOfReach`] or
    /// [`FetchError::TooLarge`].
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, FetchError> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| self.failure(error))?;
        if let Some(reach) = self.reach {
            let out_of_reach = |_: OutOfReach| FetchError::OutOfReach {
                host: host(request.url()),
            };
            reach.check(request.url()).map_err(out_of_reach)?;
        }
        let answered = client.execute(request).await;
        let mut response = answered.map_err(|error| self.failure(error))?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.failure(error))?
        {
            if body.len() + chunk.len() > self.config.answer_max.bytes() {
                return Err(FetchError::TooLarge(self.config.answer_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status: response.status(),
            retry_after: retry_after(response.headers()),
            headers: std::mem::take(response.headers_mut()),
            body: body.freeze(),
        })
    }

    fn failure(&self, error: reqwest::Error) -> FetchError {
        if error.is_timeout() {
            return FetchError::Deadline(self.config.deadline);
        }
        let host = error.url().map_or_else(|| "the server".to_owned(), host);
        if causes(&error).any(<dyn Error>::is::<OutOfReach>) {
            return FetchError::OutOfReach { host };
        }
        FetchError::Unreachable {
            host,
            // The URL of a failed request may carry what must not be logged.
            error: error.without_url(),
        }
    }
}

/// Host and port, for people.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}

/// The client that all others start from: no redirects, no cookies, a name of our own.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that builds a client"
)]
pub(crate) fn client_builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .user_agent(concat!("usher/", env!("CARGO_PKG_VERSION")))
}

/// How long from the answer on. A date is held against the answer's own `Date`, which whoever has a clock
/// sends (RFC 9110 §6.6.1): so it does not matter how far its clock is from ours. One that has passed is
/// no time at all.
fn retry_after(headers: &header::HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let said = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = said.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = httpdate::parse_http_date(said).ok()?;
    let now = httpdate::parse_http_date(text(header::DATE)?).ok()?;
    Some(then.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(retry_after: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = header::HeaderMap::new();
        headers.insert(header::RETRY_AFTER, retry_after.parse().unwrap());
        if let Some(date) = date {
            headers.insert(header::DATE, date.parse().unwrap());
        }
        super::retry_after(&headers).map(|told| told.as_secs())
    }

    // F05
    #[test]
    fn when_to_come_back_is_told_in_seconds_or_as_a_date() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        for (retry_after, seconds) in [
            ("30", Some(30)),
            (" 30 ", Some(30)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", Some(30)),
            ("Sun Nov  6 08:50:07 1994", Some(30)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("Sun, 06 Nov 1994", None),
            ("-30", None),
            ("soon", None),
        ] {
            assert_eq!(told(retry_after, date), seconds, "{retry_after}");
        }
        assert_eq!(told("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
        assert_eq!(told("30", None), Some(30));
    }

    /// What asking a name says, of which the system knows that it is this machine.
    async fn ask_localhost(reach: Reach) -> FetchError {
        let fetcher = Fetcher::of_strangers(Config::default(), reach).unwrap();
        // Port 1 takes no connection.
        let asked = fetcher.send(fetcher.get("http://localhost:1/")).await;
        asked.expect_err("an answer from port 1")
    }

    #[tokio::test]
    async fn a_name_is_judged_by_the_addresses_it_has() {
        let refused = ask_localhost(Reach::Public).await;
        assert!(
            matches!(&refused, FetchError::OutOfReach { host } if host == "localhost:1"),
            "{refused:?}"
        );

        let tried = ask_localhost(Reach::PublicOrLoopback).await;
        assert!(matches!(tried, FetchError::Unreachable { .. }), "{tried:?}");
    }

    #[tokio::test]
    async fn an_address_is_judged_before_anything_is_sent() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let fetcher = Fetcher::of_strangers(Config::default(), Reach::Public).unwrap();

        let asked = fetcher.send(fetcher.get(&url)).await;

        assert!(matches!(asked, Err(FetchError::OutOfReach { .. })));
        assert!(listener.accept().is_err(), "a connection was made");
    }
}
