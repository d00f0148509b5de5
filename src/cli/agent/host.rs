//! Who answers what a server asks back: flags first, then whoever sits at the terminal, else nobody.
//!
//! Nobody declines, and the user is told how to answer from a script. A page is opened only by a user
//! who agreed to it here, or whose flags name its host.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};
use tokio::sync::{Mutex, oneshot};

use super::{dialogue::Dialogue, flags::AnswerFlags, sampling, screen::Screen, values::Given};
use crate::agent::{
    Answer, Field, Form, FormQuestion, Host, Kind, Question, Refused, Root, UrlQuestion, plain,
};

/// Wait before a server is told once more that its page was agreed to, where nobody can say that it
/// is done.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

type Terminal = Dialogue<io::StdinLock<'static>, io::Stderr>;

/// What was decided before any question.
struct Policy {
    decline: bool,
    answers: Option<Map<String, Value>>,
    given: Vec<Given>,
    accept_urls: Vec<String>,
    screen: Arc<Screen>,
    /// Fields that forms had.
    fields: StdMutex<HashSet<String>>,
    /// One question at a time.
    turn: Mutex<()>,
}

/// Whoever answers, to be asked at the end what of the flags was of no use.
pub(super) struct Answerer(Arc<Policy>);

/// What a form's fields get from the flags, and what is wrong with it.
struct Scripted {
    values: Map<String, Value>,
    wrong: Vec<String>,
}

/// The host that these flags ask for.
pub(super) fn host(flags: &AnswerFlags, screen: &Arc<Screen>) -> anyhow::Result<(Host, Answerer)> {
    let policy = Arc::new(Policy {
        decline: flags.decline,
        answers: flags.answers.clone(),
        given: flags.given.clone(),
        accept_urls: flags.accept_urls.clone(),
        screen: Arc::clone(screen),
        fields: StdMutex::default(),
        turn: Mutex::new(()),
    });
    let answerer = Answerer(Arc::clone(&policy));
    let roots = flags.roots.iter().map(|folder| root(folder));
    let mut host = Host::default().with_roots(roots.collect::<anyhow::Result<_>>()?);
    if let Some(program) = flags.sampling_command.clone() {
        host = host.with_sampling(move |params| sampling::ask(program.clone(), params));
    } else if flags.sampling {
        ensure!(
            screen.can_ask(),
            "--sampling asks you, and there is no terminal; give --sampling-command PROGRAM"
        );
        let policy = Arc::clone(&policy);
        host = host.with_sampling(move |params| {
            let policy = Arc::clone(&policy);
            async move { policy.model(params).await }
        });
    }
    let host = host.with_elicitation(move |question| {
        let policy = Arc::clone(&policy);
        async move { policy.answer(question).await }
    });
    Ok((host, answerer))
}

impl Answerer {
    /// Says which answers no form asked for: a mistyped name would go unnoticed.
    pub(super) fn say_what_was_left(&self) {
        let Policy { answers, given, .. } = &*self.0;
        let keys = answers.iter().flatten().map(|(key, _)| key);
        let keys = keys.chain(given.iter().map(|given| &given.key));
        let left: Vec<_> = {
            let fields = self.0.fields();
            keys.filter(|key| !fields.contains(*key)).cloned().collect()
        };
        if !left.is_empty() {
            let text = format!("No form asked for {}.", left.join(", "));
            let event = json!({"event": "notice", "text": text});
            self.0.screen.say(&text, event);
        }
    }
}

fn root(folder: &Path) -> anyhow::Result<Root> {
    let whole = folder
        .canonicalize()
        .with_context(|| format!("--root {} is not there", folder.display()))?;
    ensure!(whole.is_dir(), "--root {} is no folder", folder.display());
    Root::of(&whole).with_context(|| format!("--root {} has no URI", folder.display()))
}

impl Policy {
    async fn answer(self: &Arc<Self>, question: Question) -> Answer {
        match question {
            Question::Form(question) => self.form(question).await,
            Question::Url(question) => self.page(question).await,
        }
    }

    async fn form(self: &Arc<Self>, question: FormQuestion) -> Answer {
        let told = |answer: &Answer, how: &str| {
            self.tell("form", &question.server, &question.message, answer, how);
        };
        if self.decline {
            told(&Answer::Decline, "--decline");
            return Answer::Decline;
        }
        let scripted = self.scripted(&question.form);
        let has_script = self.answers.is_some() || !self.given.is_empty();
        if has_script && scripted.wrong.is_empty() {
            let answer = Answer::Accept(scripted.values);
            told(&answer, "--answer");
            return answer;
        }
        if self.screen.can_ask() {
            let asked = question.clone();
            let values = scripted.values;
            return self
                .in_terminal(move |terminal| terminal.form(&asked, &values))
                .await
                .unwrap_or(Answer::Cancel);
        }
        let how = if has_script {
            scripted.wrong.join("; ")
        } else {
            format!(
                "there is no terminal; answer with {}",
                way_to_answer(&question.form)
            )
        };
        told(&Answer::Decline, &how);
        Answer::Decline
    }

    async fn page(self: &Arc<Self>, question: UrlQuestion) -> Answer {
        let (server, message) = (question.server.clone(), question.message.clone());
        let told = |answer: &Answer, how: &str| self.tell("url", &server, &message, answer, how);
        let host = question.url.host_str().unwrap_or_default().to_owned();
        let url = question.url.clone();
        let again = question.again;
        if self.decline {
            told(&Answer::Decline, "--decline");
            return Answer::Decline;
        }
        let answer = if self.accept_urls.contains(&host) {
            if again {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            let answer = Answer::Accept(Map::new());
            told(&answer, &format!("--accept-url {host}: {url}"));
            answer
        } else if self.screen.can_ask() {
            let asked = self.in_terminal(move |terminal| terminal.page(&question));
            asked.await.unwrap_or(Answer::Cancel)
        } else {
            let how = format!("there is no terminal; agree to {url} with --accept-url {host}");
            told(&Answer::Decline, &how);
            Answer::Decline
        };
        if !again && matches!(answer, Answer::Accept(_)) {
            self.screen.open(&url);
        }
        answer
    }

    async fn model(self: &Arc<Self>, params: Value) -> Result<Value, Refused> {
        let refused = || Refused("the user gave no reply".to_owned());
        let asked = self.in_terminal(move |terminal| terminal.model("The server", &params));
        let reply = asked.await.flatten().ok_or_else(refused)?;
        Ok(sampling::result(&PathBuf::from("human"), &reply))
    }

    /// No code panics while it holds the lock, so a poisoned one is as good.
    fn fields(&self) -> MutexGuard<'_, HashSet<String>> {
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Values from the flags, and defaults for the rest.
    fn scripted(&self, form: &Form) -> Scripted {
        let names = form.fields.iter().map(|field| field.name.clone());
        self.fields().extend(names);
        let mut values = form.defaults();
        let mut wrong = Vec::new();
        for field in &form.fields {
            let of_object = self.answers.as_ref().and_then(|all| all.get(&field.name));
            let given = self.given.iter().filter(|given| given.key == field.name);
            match read_all(field, given).or_else(|| of_object.map(|value| Ok(value.clone()))) {
                Some(Ok(value)) => match field.check(&value) {
                    Ok(()) => {
                        values.insert(field.name.clone(), value);
                    }
                    Err(why) => wrong.push(format!("{}: {why}", plain(&field.name))),
                },
                Some(Err(why)) => wrong.push(format!("{}: {why}", plain(&field.name))),
                None if field.required && field.default.is_none() => {
                    wrong.push(format!("{}: an answer is needed", plain(&field.name)));
                }
                None => {}
            }
        }
        Scripted { values, wrong }
    }

    /// Has somebody talk at the terminal. None if that could not be done.
    ///
    /// On a thread of its own: reading a line can't be interrupted, and the connection has to live on.
    async fn in_terminal<T: Send + 'static>(
        &self,
        talk: impl FnOnce(&mut Terminal) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let _turn = self.turn.lock().await;
        let mut shown = Shown::new(&self.screen);
        let (done, answer) = oneshot::channel();
        thread::spawn(move || {
            let mut terminal = Dialogue::new(io::stdin().lock(), io::stderr());
            done.send(talk(&mut terminal)).ok();
        });
        let answer = answer.await.ok()?.ok();
        shown.answered = true;
        answer
    }

    /// Says what became of a question that nobody saw.
    fn tell(&self, mode: &str, server: &str, message: &str, answer: &Answer, how: &str) {
        let (action, verb) = match answer {
            Answer::Accept(_) => ("accept", "answered"),
            Answer::Decline => ("decline", "declined"),
            Answer::Cancel => ("cancel", "cancelled"),
        };
        let sentence = format!(
            "{server} asks:\n│ {}\n{verb}: {how}",
            plain(message).replace('\n', "\n│ ")
        );
        let event = json!({
            "event": "asked", "mode": mode, "message": message, "action": action, "why": how,
        });
        self.screen.say(&sentence, event);
    }
}

/// While a question stands in the terminal.
struct Shown<'a> {
    screen: &'a Screen,
    answered: bool,
}

impl<'a> Shown<'a> {
    fn new(screen: &'a Screen) -> Self {
        screen.pause();
        Self {
            screen,
            answered: false,
        }
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.screen.resume();
        if !self.answered {
            let event = json!({"event": "withdrawn"});
            self.screen.say("\n(The question is closed; Enter.)", event);
        }
    }
}

/// What was given for one field; none where nothing was.
fn read_all<'a>(
    field: &Field,
    given: impl Iterator<Item = &'a Given>,
) -> Option<Result<Value, String>> {
    let mut values = given.map(|given| match given.json() {
        Some(json) => Ok(json.clone()),
        None => field.read(&given.text),
    });
    let first = values.next()?;
    if !matches!(field.kind, Kind::Many { .. }) {
        return Some(values.last().unwrap_or(first));
    }
    // Several of a name are several of the choices.
    let lists: Result<Vec<Value>, String> = std::iter::once(first).chain(values).collect();
    Some(lists.map(|lists| {
        let lists = lists.into_iter();
        lists
            .flat_map(|list| match list {
                Value::Array(items) => items,
                other => vec![other],
            })
            .collect()
    }))
}

/// As in `--answer name=… --answer age=…`.
fn way_to_answer(form: &Form) -> String {
    let needed = form.fields.iter().filter(|field| field.required);
    let flags: Vec<_> = needed
        .map(|field| format!("--answer {}=…", plain(&field.name)))
        .collect();
    if flags.is_empty() {
        "--answers '{}'".to_owned()
    } else {
        flags.join(" ")
    }
}
