//! The client: how a question reaches Logto, and what becomes of its answer.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{sync::Semaphore, time::sleep};
use url::Url;

use super::{Config, LogtoError, config::Tenant, token::Token};
use crate::{
    fetch::{Answer, Attempt, Breaker, Fetcher, Resting},
    secret::Secret,
};

/// Questions under way at once; one more is told to come back.
const AT_ONCE: usize = 16;
/// Before something safe is tried a second time.
const PAUSE: Duration = Duration::from_millis(200);
/// Entries of a list in one answer, which is Logto's most.
pub(super) const PAGE_SIZE: usize = 100;
/// Pages of a list that are read at most.
const PAGES_MAX: usize = 200;

/// A client of one tenant's Management API. Share one for all callers.
#[derive(Debug)]
pub struct Management {
    tenant: Tenant,
    fetcher: Fetcher,
    token: Token,
    breaker: Breaker,
    places: Semaphore,
}

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The entries of this part.
    pub entries: Vec<T>,
    /// How many there are in all.
    pub total: usize,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    code: String,
}

impl Management {
    /// A client for the tenant of this issuer.
    ///
    /// # Errors
    /// [`LogtoError::Setting`] or [`LogtoError::Secret`].
    pub fn new(config: &Config, issuer: &str, fetcher: Fetcher) -> Result<Self, LogtoError> {
        Ok(Self {
            tenant: config.tenant(issuer)?,
            fetcher,
            token: Token::new(),
            breaker: Breaker::default(),
            places: Semaphore::new(AT_ONCE),
        })
    }

    /// Whether Logto is known to be out of order, so that it is asked only now and then.
    #[must_use]
    pub fn is_resting(&self) -> bool {
        self.breaker.is_open()
    }

    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        what: &'static str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, LogtoError> {
        json(&self.ask(what, Method::GET, path, query, None).await?)
    }

    /// A part of a list; the first is 1.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        page: usize,
        size: usize,
    ) -> Result<Page<T>, LogtoError> {
        let (page, size) = (page.to_string(), size.to_string());
        let mut query = query.to_vec();
        query.extend([("page", page.as_str()), ("page_size", size.as_str())]);
        let answer = self.ask("list", Method::GET, path, &query, None).await?;
        let entries: Vec<T> = json(&answer)?;
        let total = answer.headers.get("total-number");
        let total = total.and_then(|total| total.to_str().ok()?.parse().ok());
        Ok(Page {
            total: total.unwrap_or(entries.len()),
            entries,
        })
    }

    /// A whole list, page by page.
    pub(super) async fn all<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, LogtoError> {
        let mut all = Vec::new();
        for page in 1..=PAGES_MAX {
            let part = self.page(path, query, page, PAGE_SIZE).await?;
            let is_last = part.entries.len() < PAGE_SIZE;
            all.extend(part.entries);
            if is_last || all.len() >= part.total {
                break;
            }
        }
        Ok(all)
    }

    /// Sends a body; not repeated unless the method says that this is safe (RFC 9110 §9.2.2).
    pub(super) async fn write(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        body: &Value,
    ) -> Result<Answer, LogtoError> {
        self.ask(what, method, path, &[], Some(body)).await
    }

    /// Whether there was something to delete.
    pub(super) async fn remove(&self, path: &[&str]) -> Result<bool, LogtoError> {
        match self.ask("entry", Method::DELETE, path, &[], None).await {
            Ok(_) => Ok(true),
            Err(LogtoError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn ask(
        &self,
        what: &'static str,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, LogtoError> {
        let busy = |_| unavailable("too many questions at once", None);
        let _place = self.places.try_acquire().map_err(busy)?;
        let url = self.url(path, query)?;
        let is_safe = method != Method::POST && method != Method::PATCH;
        let mut stale: Option<Secret> = None;
        let mut again = is_safe;
        loop {
            let attempt = self.breaker.attempt();
            let resting = |Resting(after)| unavailable("it was out of order lately", Some(after));
            let attempt = attempt.map_err(resting)?;
            let token = self
                .token
                .get(&self.fetcher, &self.tenant, stale.as_ref())
                .await;
            let token = match token {
                Ok(token) => token,
                Err(error) => return Err(told(attempt, error)),
            };
            let request = self.fetcher.request(method.clone(), url.as_str());
            let mut request = request.bearer_auth(token.expose());
            if let Some(body) = body {
                request = request.json(body);
            }
            let failure = match self.fetcher.send(request).await {
                Ok(answer) if is_failure(answer.status) => {
                    unavailable(&format!("status {}", answer.status), answer.stay_away())
                }
                Ok(answer) => {
                    attempt.succeeded();
                    // Nothing was done, so any method may be tried with another token; once.
                    if answer.status == StatusCode::UNAUTHORIZED && stale.is_none() {
                        stale = Some(token);
                        continue;
                    }
                    return judged(what, answer);
                }
                Err(error) => unavailable(&error.to_string(), error.stay_away()),
            };
            let failure = told(attempt, failure);
            let says_when = matches!(
                failure,
                LogtoError::Unavailable {
                    retry_after: Some(_),
                    ..
                }
            );
            if !again || says_when {
                return Err(failure);
            }
            again = false;
            sleep(PAUSE).await;
        }
    }

    /// Segments are encoded, so that none of them can lead elsewhere.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url, LogtoError> {
        let wrong = || LogtoError::Setting("logto.endpoint is no URL");
        let mut url = Url::parse(&self.tenant.origin).map_err(|_unparsable| wrong())?;
        url.path_segments_mut()
            .map_err(|()| wrong())?
            .pop_if_empty()
            .push("api")
            .extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

fn unavailable(reason: &str, retry_after: Option<Duration>) -> LogtoError {
    LogtoError::Unavailable {
        reason: reason.to_owned(),
        retry_after,
    }
}

/// Tells the breaker what came of it: only what says nothing about the question is a failure.
fn told(attempt: Attempt<'_>, error: LogtoError) -> LogtoError {
    match &error {
        LogtoError::Unavailable { retry_after, .. } => attempt.failed(*retry_after),
        _ => attempt.succeeded(),
    }
    error
}

fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

fn judged(what: &'static str, answer: Answer) -> Result<Answer, LogtoError> {
    if answer.is_success() {
        return Ok(answer);
    }
    let refused: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
    Err(match answer.status.as_u16() {
        401 => LogtoError::Credentials,
        403 => LogtoError::Forbidden,
        // Anybody on the way may answer a 404; that there is no such thing is Logto's to say.
        404 if refused.code.starts_with("entity.") => LogtoError::NotFound(what),
        status => LogtoError::Refused {
            status,
            code: refused.code.chars().take(100).collect(),
        },
    })
}

pub(super) fn json<T: DeserializeOwned>(answer: &Answer) -> Result<T, LogtoError> {
    answer
        .json()
        .map_err(|error| unavailable(&error.to_string(), None))
}
