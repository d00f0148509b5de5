//! Sends an agent to a [`Site`], with a user who behaves as the test says.

use std::sync::{Arc, Mutex};

use actix_web::rt;
use tokio::sync::mpsc;
use url::Url;

use super::kit::{Site, value};
use crate::{
    agent::{AgentError, Config, Connection, Event, connect},
    fetch,
    units::HumanDuration,
};

/// How the user's browser behaves on the sign-in page.
#[derive(Debug, Clone, Copy)]
pub(super) enum Browser {
    /// Opens the page and follows redirects.
    Agrees,
    /// Comes back with this query, in which `{state}` and `{iss}` stand for the right ones.
    ComesBackWith(&'static str),
    /// Never opens the page.
    StaysAway,
}

/// What became of an agent.
pub(super) struct Trip {
    pub(super) outcome: Result<Connection, AgentError>,
    /// The kinds of events so far, and later ones of the connection.
    pub(super) events: Arc<Mutex<Vec<Event>>>,
    pages: mpsc::Receiver<(u16, String)>,
}

impl Trip {
    /// The connection, or the test fails with the agent's words.
    pub(super) fn connection(self) -> Connection {
        self.outcome.unwrap()
    }

    pub(super) fn error(&self) -> &AgentError {
        match &self.outcome {
            Ok(_) => panic!("the agent got in"),
            Err(error) => error,
        }
    }

    /// Status and text of the page the user ended on.
    pub(super) async fn page(&mut self) -> (u16, String) {
        self.pages.recv().await.unwrap()
    }

    /// The names of the events' variants.
    pub(super) fn steps(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        let name = |event: &Event| {
            let shown = format!("{event:?}");
            shown.split([' ', '(', '{']).next().unwrap().to_owned()
        };
        events.iter().map(name).collect()
    }
}

/// Sends an agent to `path`.
pub(super) async fn go(
    site: &Site,
    path: &str,
    browser: Browser,
    change: impl FnOnce(&mut Config),
) -> Trip {
    let mut config = Config::new(site.url(path));
    config.sign_in_deadline = HumanDuration::from_secs(20);
    change(&mut config);
    let events = Arc::new(Mutex::new(Vec::new()));
    let (done, pages) = mpsc::channel(8);
    let issuer = format!("{}/as", site.world.origin);
    let heard = Arc::clone(&events);
    let outcome = connect(config, move |event| {
        if let Event::SignIn { url } = &event {
            let visit = visit(browser, url.clone(), issuer.clone());
            let done = done.clone();
            rt::spawn(async move {
                if let Some(page) = visit.await {
                    done.send(page).await.ok();
                }
            });
        }
        heard.lock().unwrap().push(event);
    })
    .await;
    Trip {
        outcome,
        events,
        pages,
    }
}

async fn visit(browser: Browser, page: Url, issuer: String) -> Option<(u16, String)> {
    let client = fetch::client_builder().build().unwrap();
    let mut url = match browser {
        Browser::Agrees => page,
        Browser::ComesBackWith(query) => {
            let asked = page.query().unwrap();
            let query = query
                .replace("{state}", &value(asked, "state"))
                .replace("{iss}", &issuer);
            format!("{}?{query}", value(asked, "redirect_uri"))
                .parse()
                .unwrap()
        }
        Browser::StaysAway => return None,
    };
    loop {
        let response = client.get(url.clone()).send().await.unwrap();
        match response.headers().get("location") {
            Some(next) => url = url.join(next.to_str().unwrap()).unwrap(),
            None => return Some((response.status().as_u16(), response.text().await.unwrap())),
        }
    }
}
