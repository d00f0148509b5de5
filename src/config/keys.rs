//! Every setting by its key: what it means, how it is read and how it is shown.
//!
//! The one list behind the configuration file, the environment (`USHER_` and the key in capitals
//! with `_` for `.`), `--set key=value`, `usher config` and docs/configuration.md. A setting that is
//! not here does not exist.

use std::{fmt::Display, path::PathBuf, str::FromStr};

use super::Config;
use crate::secret::Secret;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// `section.name`, as in the file.
    pub path: &'static str,
    /// What a value looks like, with its unit.
    pub form: &'static str,
    /// What it means, and its limits.
    pub about: &'static str,
    get: fn(&Config) -> String,
    set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Key {
    /// The environment variable of the same meaning.
    #[must_use]
    pub fn environment(&self) -> String {
        format!("USHER_{}", self.path.replace('.', "_").to_uppercase())
    }

    /// The value as it would be written; a secret only says that it is set.
    #[must_use]
    pub fn get(&self, config: &Config) -> String {
        (self.get)(config)
    }

    /// Reads a value.
    ///
    /// # Errors
    /// A sentence that says what the value would have to look like.
    pub fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        (self.set)(config, text)
    }

    /// The setting of this name.
    #[must_use]
    pub fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }
}

fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|error: T::Err| error.to_string())
}

fn parse_optional<T: FromStr<Err: Display>>(text: &str) -> Result<Option<T>, String> {
    if text.trim().is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn show_optional<T: ToString>(value: Option<&T>) -> String {
    value.map(T::to_string).unwrap_or_default()
}

fn words<T: FromStr<Err: Display>>(text: &str) -> Result<Vec<T>, String> {
    text.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty()).map(parse).collect()
}

fn show_words<T: ToString>(values: &[T]) -> String {
    values.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}

fn show_path(path: Option<&PathBuf>) -> String {
    path.map(|path| path.display().to_string()).unwrap_or_default()
}

/// A setting whose type reads and shows itself.
macro_rules! plain {
    ($path:literal, $form:literal, $about:literal, $($field:ident).+) => {
        Key {
            path: $path,
            form: $form,
            about: $about,
            get: |config| config.$($field).+.to_string(),
            set: |config, text| parse(text).map(|value| config.$($field).+ = value),
        }
    };
}

/// A setting that may be left out.
macro_rules! optional {
    ($path:literal, $form:literal, $about:literal, $($field:ident).+) => {
        Key {
            path: $path,
            form: $form,
            about: $about,
            get: |config| show_optional(config.$($field).+.as_ref()),
            set: |config, text| parse_optional(text).map(|value| config.$($field).+ = value),
        }
    };
}

/// A list, separated by spaces or commas; in the file also an array.
macro_rules! list {
    ($path:literal, $form:literal, $about:literal, $($field:ident).+) => {
        Key {
            path: $path,
            form: $form,
            about: $about,
            get: |config| show_words(&config.$($field).+),
            set: |config, text| words(text).map(|value| config.$($field).+ = value),
        }
    };
}

const DURATION: &str = "duration, as 500ms, 30s, 5min, 2h";
const SIZE: &str = "size, as 512B, 64KiB, 4MiB";
const COUNT: &str = "whole number";
const TRUTH: &str = "true or false";
const TEXT: &str = "text";
const ADDRESS: &str = "address and port, as 127.0.0.1:3001";
const SCOPES: &str = "scopes, separated by spaces";
const URLS: &str = "list of URLs";

/// Every setting there is, by section.
pub const KEYS: &[Key] = &[
    plain!("server.listen", ADDRESS, "Where clients are served.", server.listen),
    plain!("server.admin_listen", ADDRESS, "Where probes and metrics are served; keep it private.", server.admin_listen),
    optional!("server.public_url", "origin, as https://mcp.example.com", "The origin clients use, where it is not the address listened on.", server.public_url),
    plain!("server.workers", COUNT, "Threads that serve HTTP.", server.workers),
    plain!("server.drain_after", DURATION, "How long calls in flight may take to finish when the server is stopped.", server.drain_after),
    optional!("issuer.url", "issuer identifier, as https://acme.logto.app/oidc", "The authorization server, to the character as its metadata names it.", issuer.url),
    plain!("issuer.verification", "auto, jwt, introspection or userinfo", "How access tokens are verified. Userinfo proves no audience: any service that was handed a token can come in with it.", issuer.verification),
    optional!("issuer.introspection_client_id", TEXT, "Who we are at the introspection endpoint; without it opaque tokens are refused.", issuer.introspection_client_id),
    Key {
        path: "issuer.introspection_client_secret_file",
        form: "path",
        about: "File with the secret of that client; not readable by others.",
        get: |config| show_path(config.issuer.introspection_client_secret_file.as_ref()),
        set: |config, text| parse_optional(text).map(|path| config.issuer.introspection_client_secret_file = path),
    },
    Key {
        path: "issuer.introspection_client_secret",
        form: TEXT,
        about: "The secret itself, for the environment; prefer the file.",
        get: |config| config.issuer.introspection_client_secret.as_ref().map(|_| "(set)".to_owned()).unwrap_or_default(),
        set: |config, text| {
            config.issuer.introspection_client_secret = (!text.is_empty()).then(|| Secret::new(text));
            Ok(())
        },
    },
    plain!("issuer.introspection_client_authentication", "client_secret_basic or client_secret_post", "How that client shows who it is.", issuer.introspection_client_authentication),
    plain!("issuer.introspection_without_audience", TRUTH, "Takes opaque tokens whose introspection names no audience, as Logto's never does.", issuer.introspection_without_audience),
    list!("issuer.algorithms", "list of RS256 … ES384 … EdDSA", "Algorithms a JWT may be signed with.", issuer.algorithms),
    list!("issuer.token_types", "list of types", "What a JWT's typ may be (RFC 9068); JWT lets in providers that do not follow it.", issuer.token_types),
    plain!("issuer.leeway", DURATION, "By how much clocks may differ.", issuer.leeway),
    plain!("issuer.metadata_refresh", DURATION, "How long the issuer's metadata is used before it is fetched again.", issuer.discovery.refresh_every),
    plain!("issuer.keys_refresh", DURATION, "How long its keys are used before they are fetched again, and a withdrawn one may still be taken.", issuer.keys.refresh_every),
    plain!("issuer.unknown_key_pause", DURATION, "Least time between two fetches that unknown key ids make us do.", issuer.keys.unknown_key_pause),
    plain!("cache.bytes_max", SIZE, "Memory for verified callers.", issuer.cache.bytes_max),
    plain!("cache.answer_ttl", DURATION, "How long an answer of introspection or userinfo counts.", issuer.cache.answer_ttl),
    plain!("cache.refusal_ttl", DURATION, "How long a refusal is remembered.", issuer.cache.refusal_ttl),
    plain!("cache.refusals_max", COUNT, "Refusals remembered at most.", issuer.cache.refusals_max),
    plain!("verifier.waiters_max", COUNT, "Callers that may wait for a verdict; one more gets a 503.", issuer.limits.waiters_max),
    plain!("verifier.upstream_max", COUNT, "Questions to the authorization server under way at once.", issuer.limits.upstream_max),
    plain!("verifier.verdict_within", DURATION, "How long a caller waits for a verdict before a 503.", issuer.limits.verdict_within),
    optional!("resource.url", "URL", "One resource indicator for every endpoint, where the authorization server knows only one.", resource.url),
    list!("resource.audiences", URLS, "Audiences to accept beside the published resources.", resource.audiences),
    optional!("resource.name", TEXT, "A name for people.", resource.name),
    plain!("resource.scopes", SCOPES, "What clients are told to ask for.", resource.scopes),
    plain!("resource.required_scopes", SCOPES, "What a token needs for any request at all.", resource.required_scopes),
    plain!("transport.body_max", SIZE, "Largest request body.", transport.body.max),
    plain!("transport.body_deadline", DURATION, "Time from a request's head to its body's last byte.", transport.body.deadline),
    plain!("transport.keep_alive", DURATION, "Silence after which a stream gets a comment.", transport.keep_alive),
    list!("transport.allowed_hosts", "list of host names", "Names a Host header may carry beside that of the public URL.", transport.gate.allowed_hosts),
    list!("transport.allowed_origins", URLS, "Origins whose pages may call this server.", transport.gate.allowed_origins),
    plain!("transport.allow_loopback_origins", TRUTH, "Whether pages of this machine may call it too.", transport.gate.allow_loopback_origins),
    plain!("stream.frames_max", COUNT, "Messages that may wait for a slow reader before its stream is ended.", transport.stream.frames_max),
    plain!("stream.bytes_max", SIZE, "Bytes that may wait for a slow reader before its stream is ended.", transport.stream.bytes_max),
    plain!("session.max", COUNT, "Sessions on this server; one more gets a 503.", router.sessions_max),
    plain!("session.per_principal_max", COUNT, "Sessions of one caller; one more gets a 429.", router.per_principal_max),
    plain!("session.threads", COUNT, "Threads that session actors run on.", router.threads),
    plain!("session.idle_after", DURATION, "Silence after which a session is ended; a client with a stream is asked at half of it.", router.session.idle_after),
    plain!("session.initialize_deadline", DURATION, "Time from opening to notifications/initialized.", router.session.initialize_deadline),
    plain!("session.calls_max", COUNT, "Calls at once in one session; one more gets a 429.", router.session.calls_max),
    plain!("session.mailbox_max", COUNT, "Messages that may wait for one session; one more gets a 429.", router.session.mailbox_max),
    plain!("handler.call_deadline", DURATION, "How long a tool may run.", handler.call_deadline),
    plain!("fetch.deadline", DURATION, "How long any question to the authorization server may take.", fetch.deadline),
    plain!("fetch.answer_max", SIZE, "Largest answer that is read.", fetch.answer_max),
    plain!("log.filter", "tracing filter", "What is logged, as info or mcp_usher=debug.", log.filter),
    plain!("log.format", "text or json", "Shape of a log line.", log.format),
];

/// docs/configuration.md: every setting in a table.
#[must_use]
pub fn markdown() -> String {
    let defaults = Config::default();
    let mut text = String::from(
        "# Settings\n\nWritten by `usher config --markdown`; a test keeps it true. In the file a \
         setting stands in its section; in the environment it is `USHER_` and the key in capitals \
         with `_` for `.`, as `USHER_SESSION_IDLE_AFTER`; on the command line `--set key=value`. \
         The later wins: default, file, environment, flags.\n\n\
         | setting | form | default | meaning |\n|---|---|---|---|\n",
    );
    for key in KEYS {
        let default = match key.path {
            // One for each processor, so no page can know it.
            "server.workers" | "session.threads" => "one per processor".to_owned(),
            _ => match key.get(&defaults).as_str() {
                "" => "none".to_owned(),
                default => format!("`{default}`"),
            },
        };
        let row = format!("| `{}` | {} | {default} | {} |\n", key.path, key.form, key.about);
        text.push_str(&row);
    }
    text
}
