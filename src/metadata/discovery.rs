//! Fetches and keeps the authorization server's metadata.
//!
//! [`Discovery`] is a cheap handle on the last good copy. Whoever owns the issuer, `auth`'s actor,
//! runs [`Discovery::keep_fresh`]; everybody else reads [`Discovery::current`]. With the issuer down
//! at start it tries again, at most [`DiscoveryConfig::retry_max`] apart; with the issuer down later,
//! or suddenly publishing something unfit, the last good copy stays.

use std::{error::Error, sync::Arc, time::Duration};

use reqwest::StatusCode;
use tokio::{sync::watch, time::sleep};
use tracing::{info, warn};

use super::{AuthorizationServer, Issuer, MetadataError};
use crate::{
    fetch::{FetchError, Fetcher},
    units::HumanDuration,
};

/// When the metadata is fetched.
#[derive(Debug, Clone)]
pub struct DiscoveryConfig {
    /// How long a copy is used before it is fetched again. Above zero; default 10 min.
    pub refresh_every: HumanDuration,
    /// First pause after a failure; doubled each time. Above zero; default 1 s.
    pub retry_first: HumanDuration,
    /// Longest pause after a failure, unless the other side names a longer one. Default 4 s: a return
    /// is noticed within 5 s, and four forms of the URL are no more than a question a second.
    pub retry_max: HumanDuration,
}

impl Default for DiscoveryConfig {
    fn default() -> Self {
        Self {
            refresh_every: HumanDuration::from_secs(600),
            retry_first: HumanDuration::from_secs(1),
            retry_max: HumanDuration::from_secs(4),
        }
    }
}

/// Why there is no fresh metadata.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// No answer, or none to be read.
    #[error("could not fetch the authorization server's metadata")]
    Fetch(#[source] FetchError),
    /// An answer that is unfit.
    #[error("the authorization server's metadata is refused")]
    Refused(#[source] MetadataError),
}

/// A handle on one issuer's metadata. Clones share it.
#[derive(Debug, Clone)]
pub struct Discovery {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    issuer: Issuer,
    fetcher: Fetcher,
    config: DiscoveryConfig,
    state: watch::Sender<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<AuthorizationServer>>,
    /// The last failure as text; nothing since the last success.
    failure: Option<String>,
    /// Which well-known form answered last; tried first next time.
    found_at: Option<String>,
    /// Whether any attempt has ended.
    tried: bool,
}

impl Discovery {
    /// A handle that knows nothing yet: [`Discovery::keep_fresh`] has to run.
    #[must_use]
    pub fn new(issuer: Issuer, config: DiscoveryConfig, fetcher: Fetcher) -> Self {
        Self {
            inner: Arc::new(Inner {
                issuer,
                fetcher,
                config,
                state: watch::Sender::new(State::default()),
            }),
        }
    }

    /// Whose metadata this is.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.inner.issuer
    }

    /// The last good copy.
    #[must_use]
    pub fn current(&self) -> Option<Arc<AuthorizationServer>> {
        self.inner.state.borrow().current.clone()
    }

    /// Why the last attempt failed, if it did: a sentence for operators.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.inner.state.borrow().failure.clone()
    }

    /// The last good copy, waiting for the first attempt to end if none has yet.
    ///
    /// The caller sets the deadline. `None` says that the issuer could not be asked.
    pub async fn settled(&self) -> Option<Arc<AuthorizationServer>> {
        let mut state = self.inner.state.subscribe();
        // The sender lives in `self`, so waiting can't fail.
        state
            .wait_for(|state| state.tried)
            .await
            .ok()
            .and_then(|state| state.current.clone())
    }

    /// A good copy, waiting for as long as it takes.
    pub async fn available(&self) -> Arc<AuthorizationServer> {
        let mut state = self.inner.state.subscribe();
        loop {
            if let Some(current) = &state.borrow_and_update().current {
                return Arc::clone(current);
            }
            // The sender lives in `self`, so waiting can't fail.
            let _ = state.changed().await;
        }
    }

    /// Fetches now and keeps the result. The last good copy outlives a failure.
    ///
    /// # Errors
    /// See [`DiscoveryError`].
    pub async fn refresh(&self) -> Result<Arc<AuthorizationServer>, DiscoveryError> {
        match self.fetch().await {
            Ok((url, server)) => {
                let server = Arc::new(server);
                self.inner.state.send_modify(|state| {
                    state.tried = true;
                    state.failure = None;
                    state.found_at = Some(url);
                    state.current = Some(Arc::clone(&server));
                });
                Ok(server)
            }
            Err(error) => {
                self.inner.state.send_modify(|state| {
                    state.tried = true;
                    state.failure = Some(sentence(&error));
                });
                Err(error)
            }
        }
    }

    /// Fetches now, and again and again; never ends.
    pub async fn keep_fresh(&self) {
        let config = &self.inner.config;
        let mut pause = config.retry_first.get();
        loop {
            let failure_before = self.failure();
            match self.refresh().await {
                Ok(server) => {
                    if failure_before.is_some() {
                        info!(issuer = %server.issuer(), "authorization server metadata is back");
                    }
                    pause = config.retry_first.get();
                    sleep(config.refresh_every.get()).await;
                }
                Err(error) => {
                    // Once for each kind of trouble: an outage must not fill the log.
                    if failure_before.as_deref() != Some(&*sentence(&error)) {
                        warn!(issuer = %self.inner.issuer, error = &error as &dyn Error, "no authorization server metadata");
                    }
                    sleep(pause.max(error.stay_away().unwrap_or_default())).await;
                    pause = (pause * 2).min(config.retry_max.get());
                }
            }
        }
    }

    async fn fetch(&self) -> Result<(String, AuthorizationServer), DiscoveryError> {
        let mut urls = self.inner.issuer.well_known_urls();
        let known = self.inner.state.borrow().found_at.clone();
        if let Some(known) = &known {
            urls.sort_by_key(|url| url != known);
        }
        let mut worst = None;
        for url in urls {
            let error = match self.fetch_from(&url).await {
                Ok(server) => return Ok((url, server)),
                Err(error) => error,
            };
            // The other forms are on the same host.
            let is_vain = error.is_unreachable()
                || error.stay_away().is_some()
                || (known.is_some() && error.is_server_error());
            if worst
                .as_ref()
                .is_none_or(|worst| error.tells_more_than(worst))
            {
                worst = Some(error);
            }
            if is_vain {
                break;
            }
        }
        // An issuer has at least two well-known forms, so something went wrong at least once.
        Err(worst.unwrap_or(DiscoveryError::Fetch(FetchError::Status {
            status: StatusCode::NOT_FOUND,
            retry_after: None,
        })))
    }

    async fn fetch_from(&self, url: &str) -> Result<AuthorizationServer, DiscoveryError> {
        let fetcher = &self.inner.fetcher;
        let answer = fetcher
            .send(fetcher.get(url))
            .await
            .map_err(DiscoveryError::Fetch)?;
        if answer.status != StatusCode::OK {
            return Err(DiscoveryError::Fetch(FetchError::Status {
                status: answer.status,
                retry_after: answer.retry_after,
            }));
        }
        AuthorizationServer::parse(&self.inner.issuer, answer.body).map_err(DiscoveryError::Refused)
    }
}

impl DiscoveryError {
    fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Fetch(FetchError::Unreachable { .. } | FetchError::Deadline(_))
        )
    }

    /// How long the other side wants not to be asked.
    fn stay_away(&self) -> Option<Duration> {
        match self {
            Self::Fetch(error) => error.stay_away(),
            Self::Refused(_) => None,
        }
    }

    fn is_server_error(&self) -> bool {
        matches!(self, Self::Fetch(FetchError::Status { status, .. }) if status.is_server_error())
    }

    /// Of several forms tried, the operator wants to hear of the one that exists and is wrong.
    fn tells_more_than(&self, other: &Self) -> bool {
        let weight = |error: &Self| match error {
            Self::Refused(
                MetadataError::OtherIssuer { .. } | MetadataError::BadEndpoint { .. },
            ) => 3,
            Self::Fetch(FetchError::Status { status, .. }) if *status == StatusCode::NOT_FOUND => 0,
            Self::Refused(MetadataError::NotAnObject(_)) => 1,
            Self::Fetch(_) => 2,
        };
        weight(self) > weight(other)
    }
}

/// The error and its causes in one line.
fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
    use serde_json::json;

    use super::*;
    use crate::fetch;

    /// A provider that publishes at one path only, and writes down what it is asked for.
    struct Provider {
        issuer: String,
        asked: Arc<Mutex<Vec<String>>>,
    }

    impl Provider {
        fn start(issuer_path: &str, published_at: &'static str) -> Self {
            let asked = Arc::new(Mutex::new(Vec::new()));
            let book = web::Data::from(Arc::clone(&asked));
            let path = issuer_path.to_owned();
            let server = HttpServer::new(move || {
                let path = path.clone();
                let route = web::to(
                    move |request: HttpRequest, book: web::Data<Mutex<Vec<_>>>| {
                        let path = path.clone();
                        async move {
                            book.lock().unwrap().push(request.path().to_owned());
                            if request.path() != published_at {
                                // A single-page application answers everything.
                                return HttpResponse::Ok().body("<!doctype html>");
                            }
                            let host = request.connection_info().host().to_owned();
                            HttpResponse::Ok()
                                .json(json!({ "issuer": format!("http://{host}{path}") }))
                        }
                    },
                );
                App::new().app_data(book.clone()).default_service(route)
            })
            .workers(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
            let issuer = format!("http://{}{issuer_path}", server.addrs()[0]);
            actix_web::rt::spawn(server.run());
            Self { issuer, asked }
        }

        fn discovery(&self) -> Discovery {
            let fetcher = Fetcher::new(fetch::Config::default()).unwrap();
            let config = DiscoveryConfig::default();
            Discovery::new(self.issuer.parse().unwrap(), config, fetcher)
        }
    }

    #[actix_web::test]
    async fn the_metadata_is_found_in_whichever_form_it_is_published() {
        for published_at in [
            "/.well-known/oauth-authorization-server/t",
            "/.well-known/openid-configuration/t",
            "/t/.well-known/openid-configuration",
            "/t/.well-known/oauth-authorization-server",
        ] {
            let provider = Provider::start("/t", published_at);

            let server = provider.discovery().refresh().await.unwrap();

            assert_eq!(server.issuer().as_str(), provider.issuer);
        }
    }

    #[actix_web::test]
    async fn the_form_that_answered_is_asked_first_the_next_time() {
        let published_at = "/t/.well-known/openid-configuration";
        let provider = Provider::start("/t", published_at);
        let discovery = provider.discovery();
        discovery.refresh().await.unwrap();
        provider.asked.lock().unwrap().clear();

        discovery.refresh().await.unwrap();

        assert_eq!(*provider.asked.lock().unwrap(), [published_at]);
    }

    // M07
    #[actix_web::test]
    async fn of_all_that_went_wrong_the_mix_up_is_told() {
        let provider = Provider::start("/other", "/t/.well-known/openid-configuration");
        let issuer = provider.issuer.replace("/other", "/t");
        let fetcher = Fetcher::new(fetch::Config::default()).unwrap();
        let config = DiscoveryConfig::default();
        let discovery = Discovery::new(issuer.parse().unwrap(), config, fetcher);

        let error = discovery.refresh().await.unwrap_err();

        assert!(matches!(
            error,
            DiscoveryError::Refused(MetadataError::OtherIssuer { .. })
        ));
        assert!(discovery.current().is_none());
        assert!(discovery.failure().unwrap().contains("/other"));
        assert!(discovery.settled().await.is_none());
    }
}
