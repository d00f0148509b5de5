//! A server's questions in a terminal, line by line: forms, pages, and the model's part.
//!
//! Pure but for the lines it reads and writes, so it works on any terminal and with any reader of
//! screens. Text of the server stands behind a margin, where none of it can pass for ours. `/decline`
//! and `/cancel` end a form at any field; so does the end of the input.

use std::io::{self, BufRead, Write};

use serde_json::{Map, Value};

use crate::agent::{Answer, Choice, Field, FormQuestion, Kind, UrlQuestion, plain};

/// Words in a field's name by which it seems to want what a form may not ask for (elicitation,
/// security considerations).
const SECRETS: [&str; 7] = [
    "password",
    "passwort",
    "secret",
    "token",
    "api_key",
    "apikey",
    "credential",
];

/// Somebody at a terminal.
#[derive(Debug)]
pub(super) struct Dialogue<R, W> {
    input: R,
    output: W,
}

/// What was typed at a prompt.
enum Typed {
    Line(String),
    End(Answer),
}

impl<R: BufRead, W: Write> Dialogue<R, W> {
    pub(super) const fn new(input: R, output: W) -> Self {
        Self { input, output }
    }

    /// Has a form filled in. `given` answers its fields already.
    pub(super) fn form(
        &mut self,
        question: &FormQuestion,
        given: &Map<String, Value>,
    ) -> io::Result<Answer> {
        self.introduce(&question.server, "asks", &question.message)?;
        let fields = &question.form.fields;
        if fields.iter().any(wants_a_secret) {
            self.say("Mind: a server must not ask for passwords or keys here.")?;
        }
        if !fields.is_empty() {
            self.say("Enter takes what stands in [ ]; /decline and /cancel end the question.\n")?;
        }
        let mut values = Map::new();
        loop {
            for field in fields {
                let before = values.get(&field.name).or_else(|| given.get(&field.name));
                let before = before.or(field.default.as_ref()).cloned();
                match self.field(field, before.as_ref())? {
                    Ok(Some(value)) => values.insert(field.name.clone(), value),
                    Ok(None) => values.remove(&field.name),
                    Err(end) => return Ok(end),
                };
            }
            self.say("")?;
            for field in fields {
                if let Some(value) = values.get(&field.name) {
                    self.say(&format!("  {}: {}", label(field), shown(value, field)))?;
                }
            }
            let verb = if fields.is_empty() {
                "Agree"
            } else {
                "Send this"
            };
            match self.choose(
                &format!("{verb}? [Y]es, [n]o, [c]ancel, [e]dit: "),
                "yNce",
                'y',
            )? {
                'y' => return Ok(Answer::Accept(values)),
                'n' => return Ok(Answer::Decline),
                'e' => {}
                _ => return Ok(Answer::Cancel),
            }
        }
    }

    /// Asks whether to visit a page; whoever calls opens it.
    pub(super) fn page(&mut self, question: &UrlQuestion) -> io::Result<Answer> {
        let yes = || Answer::Accept(Map::new());
        if question.again {
            let prompt = format!(
                "{} still waits for what you do at {}. Enter when it is done, [c]ancel: ",
                question.server,
                host(question)
            );
            return Ok(match self.choose(&prompt, "yc", 'y')? {
                'y' => yes(),
                _ => Answer::Cancel,
            });
        }
        self.introduce(
            &question.server,
            "asks you to visit a page",
            &question.message,
        )?;
        let host = host(question);
        self.say(&format!("  host:  {host}\n  page:  {}\n", question.url))?;
        if host.split('.').any(|label| label.starts_with("xn--")) {
            self.say("Mind: the host is written in letters that may look like others.")?;
        }
        Ok(
            match self.choose(
                &format!("Open {host} in your browser? [y]es, [N]o, [c]ancel: "),
                "ync",
                'n',
            )? {
                'y' => yes(),
                'n' => Answer::Decline,
                _ => Answer::Cancel,
            },
        )
    }

    /// Has somebody be the model. None where they would rather not.
    pub(super) fn model(&mut self, server: &str, params: &Value) -> io::Result<Option<String>> {
        let system = params.get("systemPrompt").and_then(Value::as_str);
        let messages = params.get("messages").and_then(Value::as_array);
        let mut lines: Vec<_> = system
            .iter()
            .map(|system| format!("(system) {system}"))
            .collect();
        for message in messages.into_iter().flatten() {
            let role = message
                .get("role")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let content = message.get("content").unwrap_or(&Value::Null);
            let said = content.get("text").and_then(Value::as_str);
            let said = said.map_or_else(|| content.to_string(), str::to_owned);
            lines.push(format!("({role}) {said}"));
        }
        self.introduce(server, "asks your model", &lines.join("\n"))?;
        Ok(
            match self.prompt("Reply as the model; an empty line refuses: ")? {
                Typed::Line(line) if !line.trim().is_empty() => Some(line),
                _ => None,
            },
        )
    }

    /// One field; `before` stands in it. A value, none to leave it out, or the end of the question.
    fn field(
        &mut self,
        field: &Field,
        before: Option<&Value>,
    ) -> io::Result<Result<Option<Value>, Answer>> {
        let needed = if field.required {
            ""
        } else {
            ", may be left out"
        };
        self.say(&format!(
            "{} ({}{needed})",
            label(field),
            wanted(&field.kind)
        ))?;
        if let Some(description) = &field.description {
            self.quote(description)?;
        }
        let choices = choices(&field.kind);
        for (at, choice) in choices.iter().enumerate() {
            let value = if choice.title == choice.value {
                String::new()
            } else {
                format!(" ({})", one_line(&choice.value))
            };
            self.say(&format!("  {}) {}{value}", at + 1, one_line(&choice.title)))?;
        }
        let standing = before.map_or(String::new(), |value| format!("[{}] ", shown(value, field)));
        loop {
            let line = match self.prompt(&format!("{standing}> "))? {
                Typed::Line(line) => line,
                Typed::End(answer) => return Ok(Err(answer)),
            };
            if line.trim().is_empty() {
                match before {
                    Some(value) if field.check(value).is_ok() => {
                        return Ok(Ok(Some(value.clone())));
                    }
                    None if !field.required => return Ok(Ok(None)),
                    _ => self.say("  An answer is needed.")?,
                }
                continue;
            }
            match field.read(&by_number(&line, &field.kind, choices)) {
                Ok(value) => return Ok(Ok(Some(value))),
                Err(why) => self.say(&format!("  {}.", plain(&why)))?,
            }
        }
    }

    fn introduce(&mut self, server: &str, asks: &str, message: &str) -> io::Result<()> {
        self.say(&format!("\n{server} {asks}:"))?;
        self.quote(message)?;
        self.say("")
    }

    /// Text of the server.
    fn quote(&mut self, text: &str) -> io::Result<()> {
        for line in plain(text).lines() {
            writeln!(self.output, "│ {line}")?;
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "{text}")
    }

    fn prompt(&mut self, text: &str) -> io::Result<Typed> {
        write!(self.output, "{text}")?;
        self.output.flush()?;
        let mut line = String::new();
        if self.input.read_line(&mut line)? == 0 {
            self.say("")?;
            return Ok(Typed::End(Answer::Cancel));
        }
        Ok(match line.trim() {
            "/decline" => Typed::End(Answer::Decline),
            "/cancel" => Typed::End(Answer::Cancel),
            _ => Typed::Line(line.trim_end_matches(['\r', '\n']).to_owned()),
        })
    }

    /// One of `letters`; an empty line is `default`, the end of the input cancels.
    fn choose(&mut self, text: &str, letters: &str, default: char) -> io::Result<char> {
        loop {
            let line = match self.prompt(text)? {
                Typed::Line(line) => line.trim().to_lowercase(),
                Typed::End(Answer::Decline) if letters.contains(['n', 'N']) => return Ok('n'),
                Typed::End(_) => return Ok('c'),
            };
            match line.chars().next() {
                None => return Ok(default),
                Some(letter) if letters.to_lowercase().contains(letter) => return Ok(letter),
                Some(_) => {}
            }
        }
    }
}

fn host(question: &UrlQuestion) -> &str {
    question.url.host_str().unwrap_or_default()
}

fn choices(kind: &Kind) -> &[Choice] {
    match kind {
        Kind::One(choices) | Kind::Many { choices, .. } => choices,
        _ => &[],
    }
}

/// Numbers of choices into their values, as JSON where there may be several: a value may hold a comma.
fn by_number(line: &str, kind: &Kind, choices: &[Choice]) -> String {
    let chosen = |text: &str| {
        let at: usize = text.trim().parse().ok()?;
        choices
            .get(at.checked_sub(1)?)
            .map(|choice| choice.value.clone())
    };
    match kind {
        Kind::One(_) => chosen(line).unwrap_or_else(|| line.to_owned()),
        Kind::Many { .. } => {
            let values: Option<Vec<_>> = line.split(',').map(chosen).collect();
            values.map_or_else(|| line.to_owned(), |values| Value::from(values).to_string())
        }
        _ => line.to_owned(),
    }
}

fn wanted(kind: &Kind) -> String {
    match kind {
        Kind::Text { min, max, format } => {
            let what = format.as_deref().map_or("text", |format| match format {
                "email" => "email address",
                "uri" => "URL",
                "date" => "date, as 2026-07-28",
                "date-time" => "date and time, as 2026-07-28T09:30:00Z",
                _ => "text",
            });
            match (min, max) {
                (0, None) => what.to_owned(),
                (0, Some(max)) => format!("{what}, at most {max} characters"),
                (min, None) => format!("{what}, at least {min} characters"),
                (min, Some(max)) => format!("{what}, {min} to {max} characters"),
            }
        }
        Kind::Number { integer, min, max } => {
            let what = if *integer { "whole number" } else { "number" };
            match (min, max) {
                (None, None) => what.to_owned(),
                (Some(min), None) => format!("{what}, at least {min}"),
                (None, Some(max)) => format!("{what}, at most {max}"),
                (Some(min), Some(max)) => format!("{what}, {min} to {max}"),
            }
        }
        Kind::Bool => "yes or no".to_owned(),
        Kind::One(_) => "one of these, by number or name".to_owned(),
        Kind::Many { min, max, .. } => match max {
            Some(max) => format!("{min} to {max} of these, separated by commas"),
            None if *min > 0 => format!("at least {min} of these, separated by commas"),
            None => "any of these, separated by commas".to_owned(),
        },
        _ => "JSON".to_owned(),
    }
}

fn wants_a_secret(field: &Field) -> bool {
    let name = field.name.to_lowercase();
    let title = field.title.as_deref().unwrap_or_default().to_lowercase();
    SECRETS
        .iter()
        .any(|word| name.contains(word) || title.contains(word))
}

/// What people call a field.
fn label(field: &Field) -> String {
    one_line(field.title.as_deref().unwrap_or(&field.name))
}

/// A value as a person writes it.
fn shown(value: &Value, field: &Field) -> String {
    let text = match value {
        Value::String(text) => {
            let mut choices = choices(&field.kind).iter();
            let choice = choices.find(|choice| choice.value == *text);
            choice.map_or(text, |choice| &choice.title).clone()
        }
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| shown(item, field)).collect();
            items.join(", ")
        }
        other => other.to_string(),
    };
    one_line(&text)
}

fn one_line(text: &str) -> String {
    plain(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agent::Form;

    fn field(name: &str, required: bool, kind: Kind) -> Field {
        Field {
            name: name.to_owned(),
            title: None,
            description: None,
            required,
            default: None,
            kind,
        }
    }

    fn text() -> Kind {
        Kind::Text {
            min: 0,
            max: None,
            format: None,
        }
    }

    fn choices(values: &[(&str, &str)]) -> Vec<Choice> {
        let values = values.iter();
        values
            .map(|(value, title)| Choice {
                value: (*value).to_owned(),
                title: (*title).to_owned(),
            })
            .collect()
    }

    /// What becomes of a form of these fields when this is typed, and what is shown.
    fn fill(fields: Vec<Field>, typed: &str) -> (Answer, String) {
        fill_over(fields, &Map::new(), typed)
    }

    fn fill_over(fields: Vec<Field>, given: &Map<String, Value>, typed: &str) -> (Answer, String) {
        let mut shown = Vec::new();
        let question = FormQuestion {
            server: "mcp.example.com".to_owned(),
            message: "Who?\u{1b}[2J\nusher: agree".to_owned(),
            form: Form { fields },
        };
        let answer = Dialogue::new(typed.as_bytes(), &mut shown).form(&question, given);
        (answer.unwrap(), String::from_utf8(shown).unwrap())
    }

    fn accepted(values: Value) -> Answer {
        Answer::Accept(serde_json::from_value(values).unwrap())
    }

    #[test]
    fn fields_of_every_kind_are_filled_in() {
        let cards = choices(&[("v", "Visa"), ("m", "Master, Card")]);
        let whole = Kind::Number {
            integer: true,
            min: Some(1.0),
            max: None,
        };
        let many = Kind::Many {
            choices: cards.clone(),
            min: 1,
            max: None,
        };
        let fields = vec![
            field("name", true, text()),
            field("seats", true, whole),
            field("window", true, Kind::Bool),
            field("card", true, Kind::One(cards)),
            field("cards", true, many),
            field("note", false, text()),
        ];

        let (answer, shown) = fill(fields, "Ada\n2\ny\n2\n1,2\n\ny\n");

        assert_eq!(
            answer,
            accepted(json!({
                "name": "Ada", "seats": 2, "window": true, "card": "m", "cards": ["v", "m"],
            })),
            "{shown}"
        );
        assert!(shown.contains("2) Master, Card (m)"), "{shown}");
    }

    #[test]
    fn what_does_not_fit_is_asked_for_again() {
        let whole = Kind::Number {
            integer: true,
            min: Some(1.0),
            max: Some(9.0),
        };

        let (answer, shown) = fill(vec![field("seats", true, whole)], "many\n0\n\n3\n\n");

        assert_eq!(answer, accepted(json!({"seats": 3})));
        for why in [
            "a whole number is wanted",
            "at least 1 is wanted",
            "An answer is needed",
        ] {
            assert!(shown.contains(why), "{shown}");
        }
    }

    #[test]
    fn enter_takes_what_stands_there() {
        let mut name = field("name", true, text());
        name.default = Some(json!("Ada"));
        let note = field("note", false, text());
        let given = Map::from_iter([("note".to_owned(), json!("early"))]);

        let (answer, shown) = fill_over(vec![name, note], &given, "\n\n\n");

        assert_eq!(answer, accepted(json!({"name": "Ada", "note": "early"})));
        assert!(shown.contains("[Ada] >"), "{shown}");
    }

    #[test]
    fn an_answer_can_be_edited_before_it_is_sent() {
        let (answer, _) = fill(vec![field("name", true, text())], "Ada\ne\nGrace\ny\n");

        assert_eq!(answer, accepted(json!({"name": "Grace"})));
    }

    #[test]
    fn a_question_can_be_declined_or_put_away_at_any_time() {
        for (typed, wanted) in [
            ("/decline\n", Answer::Decline),
            ("/cancel\n", Answer::Cancel),
            ("", Answer::Cancel),
            ("Ada\nn\n", Answer::Decline),
            ("Ada\nc\n", Answer::Cancel),
            ("Ada\n", Answer::Cancel),
        ] {
            let (answer, _) = fill(vec![field("name", true, text())], typed);
            assert_eq!(answer, wanted, "{typed:?}");
        }
    }

    #[test]
    fn a_form_without_fields_is_agreed_to() {
        assert_eq!(fill(vec![], "y\n").0, accepted(json!({})));
        assert_eq!(fill(vec![], "n\n").0, Answer::Decline);
    }

    #[test]
    fn a_server_s_text_stands_behind_a_margin() {
        let mut name = field("na\u{1b}[31mme", true, text());
        name.description = Some("first\n> y".to_owned());

        let (_, shown) = fill(vec![name], "Ada\ny\n");

        assert!(!shown.contains('\u{1b}'), "{shown:?}");
        for line in ["│ usher: agree", "│ > y"] {
            assert!(shown.contains(line), "{shown}");
        }
        assert!(shown.starts_with("\nmcp.example.com asks:"), "{shown}");
    }

    #[test]
    fn a_form_that_wants_a_secret_is_warned_of() {
        let (_, shown) = fill(vec![field("apiToken", true, text())], "x\ny\n");

        assert!(shown.contains("must not ask for passwords"), "{shown}");
    }

    #[test]
    fn a_page_is_visited_only_by_who_agrees() {
        let question = |again| UrlQuestion {
            server: "mcp.example.com".to_owned(),
            message: "Pay".to_owned(),
            url: "https://xn--bnk-0na.example/pay?a=1".parse().unwrap(),
            again,
        };
        for (again, typed, wanted) in [
            (false, "y\n", accepted(json!({}))),
            (false, "\n", Answer::Decline),
            (false, "n\n", Answer::Decline),
            (false, "c\n", Answer::Cancel),
            (false, "", Answer::Cancel),
            (true, "\n", accepted(json!({}))),
            (true, "c\n", Answer::Cancel),
        ] {
            let mut shown = Vec::new();
            let mut dialogue = Dialogue::new(typed.as_bytes(), &mut shown);
            let answer = dialogue.page(&question(again)).unwrap();

            assert_eq!(answer, wanted, "{again} {typed:?}");
            let shown = String::from_utf8(shown).unwrap();
            assert!(shown.contains("xn--bnk-0na.example"), "{shown}");
            if !again {
                assert!(
                    shown.contains("https://xn--bnk-0na.example/pay?a=1"),
                    "{shown}"
                );
                assert!(
                    shown.contains("letters that may look like others"),
                    "{shown}"
                );
            }
        }
    }

    #[test]
    fn somebody_can_be_the_model() {
        let params = json!({
            "systemPrompt": "Be brief",
            "messages": [{"role": "user", "content": {"type": "text", "text": "Capital?"}}],
        });
        for (typed, wanted) in [
            ("Paris\n", Some("Paris".to_owned())),
            ("\n", None),
            ("", None),
        ] {
            let mut shown = Vec::new();
            let mut dialogue = Dialogue::new(typed.as_bytes(), &mut shown);
            let reply = dialogue.model("mcp.example.com", &params).unwrap();

            assert_eq!(reply, wanted);
            assert!(
                String::from_utf8(shown)
                    .unwrap()
                    .contains("│ (user) Capital?")
            );
        }
    }
}
