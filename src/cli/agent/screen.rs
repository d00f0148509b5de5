//! What the user sees of a run, on standard error: steps, progress, logs, questions.
//!
//! One [`Screen`] per run; the agent room reports to it, from whichever task is running. On a terminal
//! there is a progress bar, elsewhere a line for each step; with `--json` everything is a JSON line.
//! While a person types an answer nothing else is written: it is kept, within a bound, and follows.

use std::{
    io::{self, IsTerminal},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{Arguments, command::Command, json_line};
use crate::{
    agent::{Canceller, Change, Document, Event, Said, plain},
    cli::{browser, output},
};

/// Lines kept while a person types.
const KEPT_MAX: usize = 200;

/// Steps of the progress bar; progress itself may be any number.
const BAR_STEPS: u64 = 1000;

/// Where a run is shown.
#[derive(Debug)]
pub(super) struct Screen {
    json: bool,
    open_browser: bool,
    is_terminal: bool,
    /// None where nothing is watched.
    watch: Option<Watch>,
    stop: Canceller,
    state: Mutex<State>,
}

/// What is watched.
#[derive(Debug)]
struct Watch {
    /// Changes that are still waited for; none where they are not counted.
    awaited: Option<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    /// Lines that wait until the question is answered.
    kept: Option<Vec<String>>,
    lost: usize,
}

impl Screen {
    pub(super) fn new(arguments: &Arguments, command: &Command, stop: Canceller) -> Self {
        let watch = match command {
            Command::Watch { count, .. } => Some(Watch {
                awaited: count.map(AtomicU64::new),
            }),
            _ => None,
        };
        Self {
            json: arguments.output.json,
            open_browser: !arguments.connection.no_browser,
            is_terminal: io::stderr().is_terminal(),
            watch,
            stop,
            state: Mutex::default(),
        }
    }

    pub(super) const fn is_json(&self) -> bool {
        self.json
    }

    pub(super) const fn is_watching(&self) -> bool {
        self.watch.is_some()
    }

    /// Whether somebody is there to be asked.
    pub(super) fn can_ask(&self) -> bool {
        !self.json && self.is_terminal && io::stdin().is_terminal()
    }

    /// Shows what the agent reports.
    pub(super) fn report(&self, event: &Event) {
        match event {
            Event::SignIn { url } => self.open(url),
            Event::Progress {
                progress,
                total,
                message,
            } if !self.json && self.is_terminal => {
                let message = message.as_ref().map_or("", Said::as_str);
                return self.advance(*progress, *total, message);
            }
            Event::Changed {
                change,
                notification,
            } if self.is_watching() => return self.changed(change, notification),
            // Many servers say so while they start, and nobody waits for it.
            Event::Changed { .. } if !self.json => return,
            _ => {}
        }
        if self.json {
            self.line(&json_line(as_json(event)));
        } else {
            self.line(&as_sentence(event));
        }
    }

    /// Opens a page in the user's browser, unless that is not wanted.
    pub(super) fn open(&self, url: &url::Url) {
        if self.open_browser {
            browser::open(url);
        }
    }

    /// Says something of our own.
    pub(super) fn say(&self, sentence: &str, event: Value) {
        if self.json {
            self.line(&json_line(event));
        } else {
            self.line(sentence);
        }
    }

    /// Says why the run failed.
    pub(super) fn fail(&self, error: &anyhow::Error) {
        if self.json {
            let because: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
            let event = json!({"event": "error", "error": error.to_string(), "because": because});
            self.line(&json_line(event));
        } else {
            output::error(error);
        }
    }

    /// Takes the progress bar away.
    pub(super) fn clear(&self) {
        if let Some(bar) = self.state().bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Keeps everything back until [`Screen::resume`].
    pub(super) fn pause(&self) {
        self.clear();
        self.state().kept = Some(Vec::new());
    }

    /// Shows what was kept back.
    pub(super) fn resume(&self) {
        let (kept, lost) = {
            let mut state = self.state();
            (state.kept.take(), std::mem::take(&mut state.lost))
        };
        kept.iter()
            .flatten()
            .for_each(|line| output::progress(line));
        if lost > 0 {
            output::progress(&format!("({lost} more lines came meanwhile)"));
        }
    }

    fn line(&self, text: &str) {
        let mut state = self.state();
        let State { bar, kept, lost } = &mut *state;
        match (kept, bar) {
            (Some(kept), _) if kept.len() < KEPT_MAX => kept.push(text.to_owned()),
            (Some(_), _) => *lost += 1,
            (None, Some(bar)) => bar.suspend(|| output::progress(text)),
            (None, None) => output::progress(text),
        }
    }

    fn advance(&self, progress: f64, total: Option<f64>, message: &str) {
        let mut state = self.state();
        if state.kept.is_some() {
            return;
        }
        let bar = state.bar.get_or_insert_with(|| {
            ProgressBar::no_length().with_style(style("{spinner} {wide_msg}"))
        });
        let Some(total) = total.filter(|total| *total > 0.0) else {
            bar.set_message(format!("{progress} {message}"));
            bar.enable_steady_tick(Duration::from_millis(120));
            return;
        };
        if bar.length().is_none() {
            bar.set_style(style("{bar:30} {percent:>3} %  {wide_msg}"));
            bar.set_length(BAR_STEPS);
        }
        bar.set_position(steps(progress / total));
        bar.set_message(message.to_owned());
    }

    fn changed(&self, change: &Change, notification: &Document) {
        if self.json {
            let method = match change {
                Change::Tools => "notifications/tools/list_changed",
                Change::Prompts => "notifications/prompts/list_changed",
                Change::Resources => "notifications/resources/list_changed",
                Change::Resource(_) => "notifications/resources/updated",
            };
            let params = notification.line();
            output::line(&format!(r#"{{"method":"{method}","params":{params}}}"#));
        } else {
            output::line(&what_changed(change));
        }
        let last = |awaited: &AtomicU64| awaited.fetch_sub(1, Ordering::Relaxed) == 1;
        let awaited = self.watch.as_ref().and_then(|watch| watch.awaited.as_ref());
        if awaited.is_some_and(last) {
            self.stop.cancel();
        }
    }

    /// No code panics while it holds the lock, so a poisoned one is as good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fraction as steps of the bar.
fn steps(fraction: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "clamped to the bar"
    )]
    let steps = (fraction.clamp(0.0, 1.0) * BAR_STEPS as f64) as u64;
    steps
}

fn style(template: &str) -> ProgressStyle {
    // A template that can't be read leaves the usual bar.
    ProgressStyle::with_template(template).unwrap_or_else(|_unread| ProgressStyle::default_bar())
}

fn what_changed(change: &Change) -> String {
    match change {
        Change::Tools => "the list of tools has changed".to_owned(),
        Change::Prompts => "the list of prompts has changed".to_owned(),
        Change::Resources => "the list of resources has changed".to_owned(),
        Change::Resource(uri) => format!("changed: {}", plain(uri)),
    }
}

fn as_sentence(event: &Event) -> String {
    match event {
        Event::Unauthorized => "The server wants a token.".to_owned(),
        Event::Discovered { issuer } => format!("Users sign in at {}.", plain(issuer)),
        Event::Registered { client_id } => format!("Registered as {}.", plain(client_id)),
        Event::SignIn { url } => format!("Sign in here:\n\n  {url}\n"),
        Event::SignedIn { scopes } => format!("Signed in; granted: {scopes}."),
        Event::Refreshed => "The token was refreshed.".to_owned(),
        Event::StepUp { scopes } => format!("The server wants more: {scopes}."),
        Event::Connected {
            protocol,
            transport,
            server,
        } => {
            let server = server.as_deref().map_or("the server".to_owned(), plain);
            format!("Connected to {server}: {protocol} over {transport}.\n")
        }
        Event::Progress {
            progress,
            total,
            message,
        } => {
            let message = message.as_ref().map_or("", Said::as_str);
            match total.filter(|total| *total > 0.0) {
                Some(total) => format!("{:3.0} %  {message}", 100.0 * progress / total),
                None => format!("{progress}  {message}"),
            }
            .trim_end()
            .to_owned()
        }
        Event::Log {
            level,
            logger,
            data,
        } => {
            let text = data.as_str().map_or_else(|| json_line(data.clone()), plain);
            let logger = logger
                .as_ref()
                .map_or(String::new(), |name| format!("{name}: "));
            // A margin, so that no line of a server's can pass for one of ours.
            let text = text.replace('\n', "\n│ ");
            format!("│ {level}: {logger}{text}")
        }
        Event::Changed { change, .. } => what_changed(change),
        Event::Watching { honoured } => {
            let what = honoured
                .as_object()
                .map(|what| format!("The server reports {}. ", json_line(json!(what))));
            format!("{}Watching; Ctrl-C ends it.", what.unwrap_or_default())
        }
        Event::Notice { text } => plain(text),
    }
}

fn as_json(event: &Event) -> Value {
    match event {
        Event::Unauthorized => json!({ "event": "unauthorized" }),
        Event::Discovered { issuer } => json!({ "event": "discovered", "issuer": issuer }),
        Event::Registered { client_id } => json!({ "event": "registered", "client_id": client_id }),
        Event::SignIn { url } => json!({ "event": "sign_in", "url": url }),
        Event::SignedIn { scopes } => json!({ "event": "signed_in", "scope": scopes }),
        Event::Refreshed => json!({ "event": "refreshed" }),
        Event::StepUp { scopes } => json!({ "event": "step_up", "scope": scopes }),
        Event::Connected {
            protocol,
            transport,
            server,
        } => json!({
            "event": "connected", "protocol": protocol.as_str(),
            "transport": transport.to_string(), "server": server,
        }),
        Event::Progress {
            progress,
            total,
            message,
        } => json!({
            "event": "progress", "progress": progress, "total": total,
            "message": message.as_ref().map(Said::as_str),
        }),
        Event::Log {
            level,
            logger,
            data,
        } => json!({
            "event": "log", "level": level.as_str(),
            "logger": logger.as_ref().map(Said::as_str), "data": data,
        }),
        Event::Changed { change, .. } => {
            json!({ "event": "changed", "what": what_changed(change) })
        }
        Event::Watching { honoured } => json!({ "event": "watching", "honoured": honoured }),
        Event::Notice { text } => json!({ "event": "notice", "text": text }),
    }
}
