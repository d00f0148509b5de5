//! The table of settings.
//!
//! A row is `kind "key" = field, form, meaning`: *plain* reads and shows itself, *address* is where to
//! listen, *optional* may be empty, *path* too, *secret* is never shown, *list* is separated by spaces or
//! commas.

use super::{
    Key,
    forms::{parse, parse_optional, show_optional, show_path, show_secret, show_words, words},
};
use crate::{secret::Secret, units::socket_address};

macro_rules! keys {
    ($($kind:ident $path:literal = $($field:ident).+, $form:expr, $about:literal;)+) => {
        /// Every setting there is, by section.
        pub const KEYS: &[Key] = &[$(key!($kind $path, $form, $about, $($field).+)),+];
    };
}

macro_rules! key {
    (plain $path:literal, $form:expr, $about:literal, $($field:ident).+) => {
        key!($path, $form, $about,
            |config| config.$($field).+.to_string(),
            |config, text| parse(text).map(|value| config.$($field).+ = value))
    };
    (optional $path:literal, $form:expr, $about:literal, $($field:ident).+) => {
        key!($path, $form, $about,
            |config| show_optional(config.$($field).+.as_ref()),
            |config, text| parse_optional(text).map(|value| config.$($field).+ = value))
    };
    (address $path:literal, $form:expr, $about:literal, $($field:ident).+) => {
        key!($path, $form, $about,
            |config| config.$($field).+.to_string(),
            |config, text| {
                config.$($field).+ = socket_address(text).map_err(|error| error.to_string())?;
                Ok(())
            })
    };
    (path $path:literal, $form:expr, $about:literal, $($field:ident).+) => {
        key!($path, $form, $about,
            |config| show_path(config.$($field).+.as_ref()),
            |config, text| parse_optional(text).map(|value| config.$($field).+ = value))
    };
    (secret $path:literal, $form:expr, $about:literal, $($field:ident).+) => {
        key!($path, $form, $about,
            |config| show_secret(config.$($field).+.as_ref()),
            |config, text| {
                config.$($field).+ = (!text.is_empty()).then(|| Secret::new(text));
                Ok(())
            })
    };
    (list $path:literal, $form:expr, $about:literal, $($field:ident).+) => {
        key!($path, $form, $about,
            |config| show_words(&config.$($field).+),
            |config, text| words(text).map(|value| config.$($field).+ = value))
    };
    ($path:literal, $form:expr, $about:literal, $get:expr, $set:expr) => {
        Key { path: $path, form: $form, about: $about, get: $get, set: $set }
    };
}

const DURATION: &str = "duration, as 500ms, 30s, 5min, 2h";
const SIZE: &str = "size, as 512B, 64KiB, 4MiB";
const COUNT: &str = "whole number";
const TRUTH: &str = "true or false";
const TEXT: &str = "text";
const PATH: &str = "path";
const ADDRESS: &str = "address and port, as 127.0.0.1:3001";
const SCOPES: &str = "scopes, separated by spaces";
const CLAIM: &str = "claim, as sub or /realm_access/roles";
const CLAIMS: &str = "list of claims, as scope or /realm_access/roles";
const URLS: &str = "list of URLs";

keys! {
    address "server.listen" = server.listen, ADDRESS,
        "Where clients are served.";
    address "server.admin_listen" = server.admin_listen, ADDRESS,
        "Where probes and metrics are served; keep it private.";
    path "server.admin_token_file" = server.admin_token_file, PATH,
        "File with the token that operators show at the admin listener; not readable by others. Without it, sessions are shown and ended from this machine only.";
    optional "server.public_url" = server.public_url, "URL, as https://mcp.example.com or https://example.com/ai",
        "The URL clients use, where it is not the address listened on. With a path, everything is served below it, but for `/.well-known/`.";
    plain "server.workers" = server.workers, COUNT,
        "Threads that serve HTTP.";
    plain "server.drain_after" = server.drain_after, DURATION,
        "How long calls in flight may take to finish when the server is stopped.";
    optional "issuer.url" = issuer.url, "issuer identifier, as https://acme.logto.app/oidc",
        "The authorization server, to the character as its metadata names it.";
    plain "issuer.verification" = issuer.verification, "auto, jwt, introspection or userinfo",
        "How access tokens are verified. Userinfo proves no audience: any service that was handed a token can come in with it.";
    optional "issuer.introspection_client_id" = issuer.introspection_client_id, TEXT,
        "Who we are at the introspection endpoint; without it opaque tokens are refused.";
    path "issuer.introspection_client_secret_file" = issuer.introspection_client_secret_file, PATH,
        "File with the secret of that client; not readable by others.";
    secret "issuer.introspection_client_secret" = issuer.introspection_client_secret, TEXT,
        "The secret itself, for the environment; prefer the file.";
    plain "issuer.introspection_client_authentication" = issuer.introspection_client_authentication, "client_secret_basic, client_secret_post or private_key_jwt",
        "How that client shows who it is.";
    path "issuer.introspection_client_key_file" = issuer.introspection_client_key_file, PATH,
        "File with the private key of that client in PEM, for private_key_jwt; not readable by others.";
    optional "issuer.introspection_client_key_id" = issuer.introspection_client_key_id, TEXT,
        "The key's id (kid), where the issuer holds several of that client.";
    optional "issuer.introspection_client_key_algorithm" = issuer.introspection_client_key_algorithm, "RS256 … ES384 … EdDSA",
        "What the key signs with, where it is not the usual one of its kind: RS256, EdDSA or that of its curve.";
    plain "issuer.introspection_without_audience" = issuer.introspection_without_audience, TRUTH,
        "Takes opaque tokens whose introspection names no audience, as Logto's never does.";
    plain "issuer.opaque_tokens" = issuer.opaque_tokens, TRUTH,
        "Whether it is asked about tokens that name no issuer, where it can be asked. Of several issuers only one may be: whoever is asked is handed the token.";
    list "issuer.audiences" = issuer.audiences, "list of texts",
        "Audiences of its tokens to accept beside resource.audiences and the published resources.";
    list "issuer.algorithms" = issuer.algorithms, "list of RS256 … ES384 … EdDSA",
        "Algorithms a JWT may be signed with.";
    list "issuer.token_types" = issuer.token_types, "list of types",
        "What a JWT's typ may be (RFC 9068); JWT lets in providers that do not follow it.";
    list "issuer.logout_clients" = issuer.logout_clients, "list of client ids, or *",
        "Clients whose logout tokens are taken at /backchannel-logout (OpenID Connect Back-Channel Logout); * for every one.";
    plain "issuer.leeway" = issuer.leeway, DURATION,
        "By how much clocks may differ.";
    plain "issuer.subject_claim" = issuer.claims.subject, CLAIM,
        "Whom the issuer vouches for; sessions belong to it, so it has to name one person for good.";
    list "issuer.client_id_claims" = issuer.claims.client_id, CLAIMS,
        "The agent acting: the first of these that is there.";
    list "issuer.scope_claims" = issuer.claims.scopes, CLAIMS,
        "What was agreed to: the first of these that is there, a text of scopes or a list of them.";
    list "issuer.first_party_clients" = issuer.first_party_clients, "list of client ids, with * for any characters",
        "Its clients that are our own, which rules call first-party; all others are third-party.";
    plain "issuer.metadata_refresh" = issuer.discovery.refresh_every, DURATION,
        "How long the issuer's metadata is used before it is fetched again.";
    plain "issuer.keys_refresh" = issuer.keys.refresh_every, DURATION,
        "How long its keys are used before they are fetched again, and a withdrawn one may still be taken.";
    plain "issuer.unknown_key_pause" = issuer.keys.unknown_key_pause, DURATION,
        "Least time between two fetches that unknown key ids make us do.";
    plain "issuer.keys_stale_max" = issuer.keys.stale_max, DURATION,
        "How long keys are used when no new ones can be had.";
    plain "cache.bytes_max" = verifier.cache.bytes_max, SIZE,
        "Memory for verified callers, shared out evenly among the issuers.";
    plain "cache.answer_ttl" = verifier.cache.answer_ttl, DURATION,
        "How long an answer of introspection or userinfo counts.";
    plain "cache.stale_if_error" = verifier.cache.stale_if_error, DURATION,
        "How long after such an answer its caller is let in though the issuer can't be asked again; 0s for not at all.";
    plain "cache.refusal_ttl" = verifier.cache.refusal_ttl, DURATION,
        "How long a refusal is remembered.";
    plain "cache.refusals_max" = verifier.cache.refusals_max, COUNT,
        "Refusals remembered at most, shared out in the same way.";
    plain "verifier.waiters_max" = verifier.limits.waiters_max, COUNT,
        "Callers that may wait for a verdict on a token of one issuer, however few tokens they share; \
         one more gets a 503.";
    plain "verifier.tokens_max" = verifier.limits.tokens_max, COUNT,
        "Tokens of one issuer that may be examined or wait to be; one more gets a 503.";
    plain "verifier.upstream_max" = verifier.limits.upstream_max, COUNT,
        "Questions to one authorization server under way at once.";
    plain "verifier.upstream_per_second" = verifier.limits.upstream_per_second, COUNT,
        "Questions a second to one authorization server about tokens never verified before, which anybody can make up.";
    plain "verifier.rechecks_max" = verifier.limits.rechecks_max, COUNT,
        "Questions under way about tokens that keep a stream or a call open, which are asked about again whenever cache.answer_ttl has passed.";
    plain "verifier.verdict_within" = verifier.limits.verdict_within, DURATION,
        "How long a caller waits for a verdict before a 503.";
    plain "cut_off.max" = verifier.cut_offs.max, COUNT,
        "Cut-offs in force at once; a further one is refused, and whoever asked for it is told.";
    plain "cut_off.token_life_max" = verifier.cut_offs.token_life_max, DURATION,
        "The longest life of an access token that any issuer writes, and so how long a cut-off lasts.";
    path "notice.webhook_secret_file" = notices.webhook_secret_file, PATH,
        "File with the signing key of Logto's webhook to /webhooks/logto; not readable by others. Without it no webhook is taken.";
    plain "notice.window" = notices.window, DURATION,
        "How far a webhook's createdAt or a logout token's iat may be from now.";
    plain "notice.seen_max" = notices.seen_max, COUNT,
        "Webhooks and logout tokens remembered so that none is carried out twice; while so many are, a further one gets a 503.";
    plain "roll_call.every" = roll_call.every, DURATION,
        "How long until Logto is asked again whether a caller that has something open may still be here, where logto.client_id is set; 0s for never.";
    plain "roll_call.per_second" = roll_call.per_second, COUNT,
        "Such questions a second, about all callers together.";
    optional "resource.url" = resource.url, "URL",
        "One resource indicator for every endpoint, where the authorization server knows only one.";
    list "resource.audiences" = resource.audiences, "list of texts",
        "Audiences to accept beside the published resources, whoever issued the token.";
    optional "resource.name" = resource.name, TEXT,
        "A name for people.";
    plain "resource.scopes" = resource.scopes, SCOPES,
        "What clients are told to ask for.";
    plain "resource.required_scopes" = resource.required_scopes, SCOPES,
        "What a token needs for any request at all.";
    plain "transport.body_max" = transport.body.max, SIZE,
        "Largest request body.";
    plain "transport.body_deadline" = transport.body.deadline, DURATION,
        "Time from a request's head to its body's last byte.";
    plain "transport.batch_max" = transport.body.batch_max, COUNT,
        "Messages in one body, where a session of 2025-03-26 may send several; one more gets a 400.";
    plain "transport.keep_alive" = transport.keep_alive, DURATION,
        "Silence after which a stream gets a comment.";
    list "transport.allowed_hosts" = transport.gate.allowed_hosts, "list of host names",
        "Names a Host header may carry beside that of the public URL.";
    list "transport.allowed_origins" = transport.gate.allowed_origins, URLS,
        "Origins whose pages may call this server.";
    plain "transport.allow_loopback_origins" = transport.gate.allow_loopback_origins, TRUTH,
        "Whether pages of this machine may call it too.";
    plain "stream.frames_max" = transport.stream.frames_max, COUNT,
        "Messages that may wait for a slow reader before its stream is ended.";
    plain "stream.bytes_max" = transport.stream.bytes_max, SIZE,
        "Bytes that may wait for a slow reader before its stream is ended.";
    plain "session.max" = router.sessions_max, COUNT,
        "Sessions on this server; one more gets a 503.";
    plain "session.per_principal_max" = router.per_principal_max, COUNT,
        "Sessions of one caller; one more gets a 429.";
    plain "session.replace_after" = router.replace_after, DURATION,
        "Silence after which a caller that has all its sessions loses the quietest one, without a stream or a call, to a new one.";
    plain "session.threads" = router.threads, COUNT,
        "Threads that session actors run on.";
    plain "session.idle_after" = router.session.idle_after, DURATION,
        "Silence after which a session is ended; a client with a stream is asked at half of it.";
    plain "session.initialize_deadline" = router.session.initialize_deadline, DURATION,
        "Time from opening to notifications/initialized.";
    plain "session.grace_after_expiry" = router.session.grace_after_expiry, DURATION,
        "How long a session over Streamable HTTP is kept, with nothing open in it, for its owner's next token when the last has ended; 0 ends it too.";
    plain "session.calls_max" = router.session.calls_max, COUNT,
        "Calls at once in one session; one more gets a 429.";
    plain "session.mailbox_max" = router.session.mailbox_max, COUNT,
        "Messages that may wait for one session; one more gets a 429.";
    plain "call.recent_max" = router.recent_callers_max, COUNT,
        "Callers without a session remembered for two minutes after their last request, so that Logto can be asked about them; one more is not.";
    plain "call.per_principal_max" = router.calls_per_principal_max, COUNT,
        "Calls and streams of one caller without a session (2026-07-28) at once; one more gets a 429.";
    plain "handler.call_deadline" = handler.call_deadline, DURATION,
        "How long a tool may run, without the time that its client is asked meanwhile.";
    plain "handler.input_deadline" = handler.input_deadline, DURATION,
        "How long a client may take to answer what a call asks it, or to come back with it (2026-07-28).";
    plain "registration.mode" = registration.mode, "off or bridge",
        "Whether agents register here: with bridge, this server is the authorization server that clients see, and each registration becomes a client of its own at the real one.";
    plain "registration.who" = registration.who, "open, token, portal or nobody",
        "Who may register: every program, one that shows the initial access token, developers by the portal alone, or nobody. Where the portal is on, developers may in all cases but the last.";
    path "registration.initial_access_token_file" = registration.initial_access_token_file, PATH,
        "File with that token; not readable by others.";
    plain "registration.scopes" = registration.scopes, SCOPES,
        "Most that a registered agent may ever be granted; without it, resource.scopes.";
    plain "registration.per_address_per_minute" = registration.per_address_per_minute, COUNT,
        "Registrations a minute from one address; one more gets a 429.";
    plain "registration.per_hour" = registration.per_hour, COUNT,
        "Registrations an hour in all, on this node; one more gets a 429.";
    plain "registration.clients_max" = registration.clients_max, COUNT,
        "Registered agents there may be; one more gets a 503.";
    plain "registration.per_developer_max" = registration.per_developer_max, COUNT,
        "Agents that one developer may make in the portal.";
    optional "registration.prune_after" = registration.prune_after, DURATION,
        "Deletes agents that registered themselves so long ago and that no user has a living grant for, at the start and every six hours; without it, they stay until `usher clients prune`. In front of Logto only.";
    plain "registration.deduplicate" = registration.deduplicate, TRUTH,
        "Gives programs that say the same of themselves one client, if it is public and its redirect URIs are all https; nobody but an operator may change it then.";
    optional "registration.address_header" = registration.address_header, "name of a header",
        "Where the balancer in front of this server writes its client's address, as X-Forwarded-For; the last in it counts. Without it, the peer's.";
    plain "registration.dry_run" = registration.dry_run, TRUTH,
        "Judges registrations, writes them down, and makes no client.";
    path "registration.key_file" = registration.key_file, PATH,
        "File with the key that seals what travels with browsers and clients, from openssl rand -hex 32; the same on every node, not readable by others.";
    path "registration.previous_key_file" = registration.previous_key_file, PATH,
        "File with the key before it, which still opens what it sealed.";
    plain "portal.enabled" = portal.enabled, TRUTH,
        "Whether developers make agents at /developers, below the public URL (docs/portal.md).";
    optional "portal.client_id" = portal.client_id, TEXT,
        "A first-party application of the authorization server with the redirect URI /developers/callback, below the public URL: by it, developers sign in.";
    path "portal.client_secret_file" = portal.client_secret_file, PATH,
        "File with its secret, where it has one; not readable by others.";
    secret "portal.client_secret" = portal.client_secret, TEXT,
        "The secret itself, for the environment; prefer the file.";
    plain "portal.session_for" = portal.session_for, DURATION,
        "How long a developer stays signed in.";
    plain "portal.sign_outs_max" = portal.sign_outs_max, COUNT,
        "Sign-outs remembered on this node until their sessions would have ended; of one more, a copy of its cookie stays good until then.";
    optional "logto.client_id" = logto.client_id, TEXT,
        "A machine-to-machine application with the role Logto Management API access: it may do everything in its tenant, so only this server should have it.";
    path "logto.client_secret_file" = logto.client_secret_file, PATH,
        "File with its secret; not readable by others.";
    secret "logto.client_secret" = logto.client_secret, TEXT,
        "The secret itself, for the environment; prefer the file.";
    optional "logto.endpoint" = logto.endpoint, "URL, as https://acme.logto.app",
        "Where Logto is, if not where the issuer is.";
    optional "logto.resource" = logto.resource, TEXT,
        "The Management API's resource indicator, if it is neither https://TENANT.logto.app/api nor https://default.logto.app/api.";
    plain "policy.roles_claim" = policy.roles_claim, CLAIM,
        "Where a token names its bearer's roles: a text or a list of them.";
    plain "policy.missing_scope" = policy.missing_scope, "challenge or tool_error",
        "What the call of a tool becomes that lacks a scope: a 403 by which clients ask their users for more, or a tool's error that the model reads, for clients that take a 403 for a broken sign-in.";
    plain "policy.list_unscoped" = policy.list_unscoped, TRUTH,
        "Whether lists also show what a caller only lacks scopes for, so that its client can find it and ask for them.";
    optional "policy.rate" = policy.rate, "calls in a time, as 10/s, 300/min, 1000/h",
        "How often one caller may call, all it calls together; one call more is refused. Rules have rates of their own.";
    plain "policy.rates_max" = policy.rates_max, COUNT,
        "Callers, for each limit, of whom it is known how often they called; of more, the newcomers share one limit.";
    plain "handler.whoami_meta" = handler.whoami_meta, TRUTH,
        "Whether whoami also tells, in its result's _meta, how its caller was verified: kind of token, age of the verdict, scopes, whose client it is.";
    path "skills.directory" = skills.directory, PATH,
        "A folder of skills to offer, read once at the start; every folder below it with a SKILL.md is one.";
    plain "skills.max" = skills.skills_max, COUNT,
        "Skills in that folder at most; one more, and the server does not start.";
    plain "skills.bytes_max" = skills.bytes_max, SIZE,
        "Bytes of all their files together, which are kept in memory; one more, and the server does not start.";
    plain "task.max" = handler.tasks.max, COUNT,
        "Tasks that run at once on this server; one more is refused.";
    plain "task.per_principal_max" = handler.tasks.per_principal_max, COUNT,
        "Tasks of one caller that run at once; one more is refused.";
    plain "task.kept_max" = handler.tasks.kept_max, COUNT,
        "Ended tasks kept on this server; of more, the oldest of whoever has most is forgotten.";
    plain "task.kept_per_principal_max" = handler.tasks.kept_per_principal_max, COUNT,
        "Ended tasks kept of one caller; of more, the oldest is forgotten.";
    plain "task.ttl" = handler.tasks.ttl, DURATION,
        "How long a task is kept, running or ended, where its client does not say.";
    plain "task.ttl_max" = handler.tasks.ttl_max, DURATION,
        "The longest that a client may ask for.";
    plain "task.poll_interval" = handler.tasks.poll_interval, DURATION,
        "How often clients are told to ask for a task.";
    plain "task.result_max" = handler.tasks.result_max, SIZE,
        "Largest result of a task that is kept; one with a larger fails.";
    plain "task.questions_max" = handler.tasks.questions_max, COUNT,
        "Questions to its client that a task may have open.";
    plain "task.threads" = handler.tasks.threads, COUNT,
        "Threads that tasks run on, where a tool can be one.";
    secret "cluster.url" = cluster.url, "URL, as redis://host:6379 or rediss://user@host:6380/0",
        "The Redis or Valkey (7 or later, one primary) that several nodes share. Without it, this server is the only one.";
    path "cluster.password_file" = cluster.password_file, PATH,
        "File with its password, instead of one in the URL; not readable by others.";
    path "cluster.key_file" = cluster.key_file, PATH,
        "File with the key that all nodes share, from openssl rand -hex 32: whoever has it can speak for any caller. Not readable by others.";
    path "cluster.previous_key_file" = cluster.previous_key_file, PATH,
        "File with the key before it, which still opens what it sealed.";
    address "cluster.listen" = cluster.listen, ADDRESS,
        "Where other nodes are served, where there are any; keep it private.";
    optional "cluster.advertise" = cluster.advertise, "host and port, as 10.1.2.3:3002",
        "Where other nodes reach this one, if not at the address listened on.";
    plain "cluster.prefix" = cluster.prefix, TEXT,
        "How every key and channel in the store begins.";
    plain "cluster.lease" = cluster.lease, DURATION,
        "How long a node that says nothing is taken for alive; after two thirds of it, it takes no step for others.";
    plain "cluster.answer_within" = cluster.answer_within, DURATION,
        "How long the store may take for an answer, before it is taken to be away.";
    plain "cluster.forward_within" = cluster.forward_within, DURATION,
        "How long another node may take for the head of an answer; above 3s.";
    plain "cluster.patience" = cluster.patience, DURATION,
        "How long a request waits for a session whose node is gone or going, before a 503.";
    plain "cluster.leave_after" = cluster.leave_after, DURATION,
        "How long after a signal to stop sessions stay here, since balancers learn of it late; a part of server.drain_after.";
    plain "cluster.writes_max" = cluster.writes_max, COUNT,
        "Changes of sessions that may wait to be written to the store; of more, the newest are left out until the next review.";
    plain "fetch.deadline" = fetch.deadline, DURATION,
        "How long any question to the authorization server may take.";
    plain "fetch.answer_max" = fetch.answer_max, SIZE,
        "Largest answer that is read.";
    plain "log.filter" = log.filter, "tracing filter",
        "What is logged, as info or mcp_usher=debug.";
    plain "log.refusals_per_second" = transport.refusal_lines, COUNT,
        "Lines about requests that were refused; further ones are only counted.";
    plain "log.format" = log.format, "text or json",
        "Shape of a log line.";
    path "log.pseudonym_key_file" = log.pseudonym_key_file, PATH,
        "File with the key, of 32 bytes or more, by which callers are named in logs; the same on every node. Without it a name is good until the restart.";
    plain "audit.to" = audit.to, "off, stdout, otlp or a file's path",
        "Where a JSON line goes for each sign-in, session, call, refusal and cut-off.";
    plain "audit.lines_max" = audit.lines_max, COUNT,
        "Lines of it that may wait to be written; of more, the newest are lost and counted.";
    plain "audit.arguments_max" = handler.audited_arguments, SIZE,
        "How much of a call's arguments it keeps; 0B for nothing.";
    optional "otlp.endpoint" = otlp.endpoint, "URL, as http://127.0.0.1:4318",
        "A collector for traces (OTLP over HTTP). Without it, what OTEL_EXPORTER_OTLP_ENDPOINT says.";
    plain "otlp.sample" = otlp.sample, "number from 0 to 1",
        "Which part of all traces is kept.";
    plain "otlp.queue_max" = otlp.queue_max, COUNT,
        "Spans that may wait to be sent; of more, the newest are lost.";
}
