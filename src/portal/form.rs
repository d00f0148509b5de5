//! What a developer says of an agent: as it was typed, and as it can be registered.
//!
//! The rules are those for programs that register themselves (`oauth`), asked field by field, so that
//! each mistake is said beside its field; as a whole it is judged once more by the very function that
//! judges a program's. Nothing that is typed is ever fetched (R08).

use serde_json::json;
use url::Url;

use crate::{
    oauth::{
        client_metadata::{CLIENT_NAME_CHARACTERS_MAX, REDIRECT_URIS_MAX, line},
        parameters::Parameters,
        redirect_uri::{ApplicationType, RedirectUri},
    },
    registration::{Links, NewClient, Origin},
    scope::{Scope, Scopes},
    time::Timestamp,
};

/// Longest address of a page, in bytes.
const LINK_BYTES_MAX: usize = 2_048;
/// Most that is shown again of one field, in characters: more was never meant.
const ECHOED_MAX: usize = 120_000;

/// Where an agent runs, which says whether it can keep a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// On its users' devices: no secret, and a program of this device or an app may be its redirect URI.
    App,
    /// On a server: a secret, and https.
    Server,
}

/// A form as it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct AgentForm {
    pub(super) name: String,
    /// As sent; only a new agent has one.
    pub(super) kind: String,
    /// One on each line.
    pub(super) redirect_uris: String,
    pub(super) home: String,
    pub(super) logo: String,
    pub(super) terms: String,
    pub(super) privacy: String,
    pub(super) scopes: Vec<String>,
}

/// What is wrong, by field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mistakes(Vec<(Field, String)>);

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Name,
    Kind,
    RedirectUris,
    Home,
    Logo,
    Terms,
    Privacy,
    Scopes,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Server => "server",
        }
    }

    pub(super) fn of(client: &NewClient) -> Self {
        if client.is_confidential() {
            Self::Server
        } else {
            Self::App
        }
    }

    const fn application_type(self) -> ApplicationType {
        match self {
            Self::App => ApplicationType::Native,
            Self::Server => ApplicationType::Web,
        }
    }

    const fn authentication(self) -> &'static str {
        match self {
            Self::App => "none",
            Self::Server => "client_secret_basic",
        }
    }
}

impl Field {
    /// Its name in the form, and the id of its input.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Kind => "kind",
            Self::RedirectUris => "redirect_uris",
            Self::Home => "home",
            Self::Logo => "logo",
            Self::Terms => "terms",
            Self::Privacy => "privacy",
            Self::Scopes => "scope",
        }
    }
}

impl Mistakes {
    pub(super) fn add(&mut self, field: Field, what: impl Into<String>) {
        self.0.push((field, what.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of a field.
    pub(super) fn of(&self, field: Field) -> Option<&str> {
        let mut all = self.0.iter();
        all.find_map(|(one, what)| (*one == field).then_some(what.as_str()))
    }

    /// Each field with its first mistake, in the order of the form.
    pub(super) fn fields(&self) -> Vec<Field> {
        let all = [
            Field::Name,
            Field::Kind,
            Field::RedirectUris,
            Field::Home,
            Field::Logo,
            Field::Terms,
            Field::Privacy,
            Field::Scopes,
        ];
        let has = |field: &Field| self.of(*field).is_some();
        all.into_iter().filter(has).collect()
    }
}

/// Scopes that come with signing in, and are nobody's to choose.
pub(super) fn is_of_the_protocol(scope: &Scope) -> bool {
    matches!(scope.as_str(), "openid" | "offline_access")
}

impl AgentForm {
    /// An empty one, with every scope ticked that may be.
    pub(super) fn empty(grantable: &Scopes) -> Self {
        Self {
            scopes: grantable.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }

    /// As an agent is now.
    pub(super) fn of(client: &NewClient) -> Self {
        let uris: Vec<&str> = client
            .redirect_uris
            .iter()
            .map(RedirectUri::as_str)
            .collect();
        let link = |link: &Option<String>| link.clone().unwrap_or_default();
        Self {
            name: client.name.clone().unwrap_or_default(),
            kind: Kind::of(client).as_str().to_owned(),
            redirect_uris: uris.join("\n"),
            home: link(&client.links.home),
            logo: link(&client.links.logo),
            terms: link(&client.links.terms),
            privacy: link(&client.links.privacy),
            scopes: client.scopes.iter().map(ToString::to_string).collect(),
        }
    }

    /// As it was sent; of a field that came twice, the first.
    pub(super) fn sent(parameters: &Parameters) -> Self {
        let text = |field: Field| -> String {
            let first = parameters.all(field.as_str()).next().unwrap_or_default();
            first.chars().take(ECHOED_MAX).collect()
        };
        let scopes = parameters.all(Field::Scopes.as_str());
        Self {
            name: text(Field::Name),
            kind: text(Field::Kind),
            redirect_uris: text(Field::RedirectUris).replace("\r\n", "\n"),
            home: text(Field::Home),
            logo: text(Field::Logo),
            terms: text(Field::Terms),
            privacy: text(Field::Privacy),
            scopes: scopes.map(str::to_owned).collect(),
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        [Kind::App, Kind::Server]
            .into_iter()
            .find(|kind| kind.as_str() == self.kind)
    }

    /// The agent that it describes, this developer's. A `kind` that is given is fixed.
    ///
    /// # Errors
    /// Every mistake there is.
    pub(super) fn check(
        &self,
        grantable: &Scopes,
        kind: Option<Kind>,
        owner: &str,
        now: Timestamp,
    ) -> Result<NewClient, Mistakes> {
        let mut mistakes = Mistakes::default();
        let name = line(&self.name);
        if name.is_empty() {
            mistakes.add(
                Field::Name,
                "Enter a name: users read it when they are asked.",
            );
        } else if name.chars().count() > CLIENT_NAME_CHARACTERS_MAX {
            let what = format!("Use at most {CLIENT_NAME_CHARACTERS_MAX} characters.");
            mistakes.add(Field::Name, what);
        }
        let kind = kind.or_else(|| self.kind());
        if kind.is_none() {
            mistakes.add(Field::Kind, "Choose where your agent runs.");
        }
        let uris = self.checked_uris(kind.unwrap_or(Kind::App), &mut mistakes);
        let mut link = |field: Field, text: &str| {
            let checked = checked_link(text);
            checked.unwrap_or_else(|what| {
                mistakes.add(field, what);
                None
            })
        };
        let links = Links {
            home: link(Field::Home, &self.home),
            logo: link(Field::Logo, &self.logo),
            terms: link(Field::Terms, &self.terms),
            privacy: link(Field::Privacy, &self.privacy),
        };
        let is_wanted =
            |scope: &&Scope| is_of_the_protocol(scope) || self.scopes.contains(&scope.to_string());
        let scopes: Scopes = grantable.iter().filter(is_wanted).cloned().collect();
        if scopes.is_empty() && !grantable.is_empty() {
            mistakes.add(
                Field::Scopes,
                "Choose at least one, or your agent could do nothing.",
            );
        }
        let Some(kind) = kind.filter(|_| mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let metadata = json!({
            "client_name": name, "redirect_uris": uris,
            "application_type": kind.application_type().as_str(),
            "token_endpoint_auth_method": kind.authentication(),
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let described = NewClient::described_by(&metadata, scopes, Origin::Portal, now);
        let Ok(described) = described else {
            mistakes.add(Field::RedirectUris, "These can't be registered.");
            return Err(mistakes);
        };
        Ok(NewClient {
            links,
            owner: Some(owner.to_owned()),
            ..described
        })
    }

    fn checked_uris(&self, kind: Kind, mistakes: &mut Mistakes) -> Vec<&str> {
        let lines = self.redirect_uris.lines().map(str::trim);
        let uris: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        if uris.is_empty() {
            let what = "Enter at least one: where users are sent back to your agent.";
            mistakes.add(Field::RedirectUris, what);
        } else if uris.len() > REDIRECT_URIS_MAX {
            let what = format!("Enter at most {REDIRECT_URIS_MAX}.");
            mistakes.add(Field::RedirectUris, what);
        }
        let application = kind.application_type();
        let wrong = uris.iter().enumerate().find_map(|(at, uri)| {
            let error = RedirectUri::check(uri, application).err()?;
            Some(format!("Line {}: {error}.", at + 1))
        });
        if let Some(wrong) = wrong {
            mistakes.add(Field::RedirectUris, wrong);
        }
        uris
    }
}

/// A page of the developer's; none where nothing was typed.
fn checked_link(text: &str) -> Result<Option<String>, &'static str> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > LINK_BYTES_MAX {
        return Err("Use at most 2,048 characters.");
    }
    // Of the raw text: a parser would drop what a browser reads otherwise.
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let url = Url::parse(text).ok().filter(|_| is_plain);
    match url {
        Some(url)
            if url.scheme() == "https"
                && url.host().is_some()
                && url.username().is_empty()
                && url.password().is_none() =>
        {
            Ok(Some(text.to_owned()))
        }
        _ => Err("Enter a whole address that begins with https://, or nothing."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(7);

    fn form(change: impl FnOnce(&mut AgentForm)) -> AgentForm {
        let mut form = AgentForm {
            name: "Smart\u{202e}Mail".to_owned(),
            kind: "app".to_owned(),
            redirect_uris: " http://127.0.0.1/cb \n\ncom.example.app:/cb".to_owned(),
            scopes: vec!["mcp:tools".to_owned(), "admin".to_owned()],
            ..AgentForm::default()
        };
        change(&mut form);
        form
    }

    fn check(form: &AgentForm) -> Result<NewClient, Mistakes> {
        let grantable = "openid profile mcp:tools".parse().unwrap();
        form.check(&grantable, None, "alice", NOW)
    }

    #[test]
    fn a_form_becomes_an_agent_of_its_developer_with_no_more_than_may_be_granted() {
        let made = check(&form(|form| form.home = "https://a.example/".to_owned())).unwrap();

        assert_eq!(made.name.as_deref(), Some("SmartMail"));
        assert_eq!(made.owner.as_deref(), Some("alice"));
        assert_eq!(made.scopes.to_string(), "mcp:tools openid");
        assert_eq!(made.redirect_uris.len(), 2);
        assert_eq!(made.origin, Origin::Portal);
        assert!(!made.is_confidential() && made.refreshes);
        assert_eq!(made.links.home.as_deref(), Some("https://a.example/"));
        assert_eq!(
            AgentForm::of(&made).redirect_uris,
            "http://127.0.0.1/cb\ncom.example.app:/cb"
        );
    }

    // R02, R04-R07
    #[test]
    fn each_mistake_is_said_at_its_field() {
        let wrong = |field: Field, change: fn(&mut AgentForm)| {
            let mistakes = check(&form(change)).unwrap_err();
            assert_eq!(mistakes.fields(), [field], "{mistakes:?}");
            mistakes.of(field).unwrap().to_owned()
        };
        wrong(Field::Name, |form| form.name = " \u{200b} ".to_owned());
        wrong(Field::Name, |form| form.name = "x".repeat(121));
        wrong(Field::Kind, |form| form.kind = "worker".to_owned());
        for uri in [
            "",
            "javascript:alert(1)",
            "java\tscript:alert(1)",
            "http://evil.example/cb",
            "https://*.example.com/cb",
            "https://a.example/cb#x",
            "https://user@a.example/cb",
            "intent:x",
        ] {
            let form = form(|form| form.redirect_uris = uri.to_owned());
            let mistakes = check(&form).unwrap_err();
            assert_eq!(mistakes.fields(), [Field::RedirectUris], "{uri}");
        }
        let second = wrong(Field::RedirectUris, |form| {
            form.redirect_uris = "https://a.example/cb\nhttp://b.example/cb".to_owned();
        });
        assert!(second.starts_with("Line 2: http is for"), "{second}");
        wrong(Field::RedirectUris, |form| {
            form.redirect_uris = "https://a.example/cb\n".repeat(51);
        });
        wrong(Field::RedirectUris, |form| {
            form.kind = "server".to_owned();
        });
        wrong(Field::Logo, |form| {
            form.logo = "http://a.example/".to_owned();
        });
        wrong(Field::Terms, |form| {
            form.terms = "javascript:alert(1)".to_owned();
        });
        wrong(Field::Privacy, |form| {
            form.privacy = "https://u:p@a.example".to_owned();
        });
        wrong(Field::Home, |form| {
            form.home = "https://a.example/ x".to_owned();
        });
    }

    #[test]
    fn without_a_scope_an_agent_could_do_nothing() {
        let form = form(|form| form.scopes.clear());
        let grantable = "mcp:tools".parse().unwrap();

        let mistakes = form.check(&grantable, None, "alice", NOW).unwrap_err();
        assert_eq!(mistakes.fields(), [Field::Scopes]);
    }
}
