//! A running server's admin listener, as `usher sessions` and `usher cache` reach it.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::{
    agent::Said,
    fetch::{self, Fetcher},
    secret::Secret,
    units::{ByteSize, HumanDuration},
};

/// Where it is, who we are there, and how its answers are shown.
#[derive(Debug, Args)]
pub(super) struct Reach {
    #[command(flatten)]
    listener: Listener,
    /// JSON on standard output
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// Where it is, and who we are there.
#[derive(Debug, Args)]
pub(super) struct Listener {
    /// The server's admin listener
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:9090",
        global = true
    )]
    admin: Url,
    /// File with the token of server.admin_token_file, where the server has one
    #[arg(long, value_name = "FILE", global = true)]
    admin_token_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    error: String,
}

/// The listener itself.
pub(super) struct Office {
    fetcher: Fetcher,
    url: Url,
    token: Option<Secret>,
}

impl Office {
    pub(super) fn new(arguments: &Reach) -> anyhow::Result<Self> {
        Self::at(&arguments.listener)
    }

    pub(super) fn at(arguments: &Listener) -> anyhow::Result<Self> {
        let file = arguments.admin_token_file.as_deref();
        Ok(Self {
            fetcher: Fetcher::new(fetch::Config {
                deadline: HumanDuration::from_secs(15),
                answer_max: ByteSize::from_mib(4),
            })?,
            url: arguments.admin.clone(),
            token: file.map(Secret::from_file).transpose()?,
        })
    }

    /// Asks, with the members of `filter` and `more` as the query.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        filter: &impl Serialize,
        more: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        let mut url = self.url.join(path)?;
        let members = serde_json::to_value(filter)?;
        let members = members.as_object().into_iter().flatten();
        for (name, value) in members {
            url.query_pairs_mut()
                .append_pair(name, value.as_str().unwrap_or_default());
        }
        for (name, value) in more {
            url.query_pairs_mut().append_pair(name, value);
        }
        let mut request = self.fetcher.request(method, url.as_str());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let answer = self.fetcher.send(request).await.with_context(|| {
            format!(
                "is the server running, and {} its server.admin_listen?",
                self.url.authority()
            )
        })?;
        if answer.is_success() {
            return Ok(answer.json()?);
        }
        let said = serde_json::from_slice(&answer.body).map(|Refused { error }| Said::new(&error));
        match (answer.status, said) {
            (_, Ok(said)) => bail!("{said}"),
            (StatusCode::NOT_FOUND, Err(_)) => bail!("{url} is no admin listener of Usher"),
            (status, Err(_)) => bail!("the admin listener answered {status}"),
        }
    }
}
