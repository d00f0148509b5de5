//! Rules that a value alone can't keep: above zero, and what rooms ask of each other.

use std::time::Duration;

use url::Url;

use super::{Config, Key, Problem};
use crate::registration::Who;

/// Settings that mean nothing at zero.
const ABOVE_ZERO: &[&str] = &[
    "server.workers",
    "issuer.metadata_refresh",
    "issuer.keys_refresh",
    "issuer.keys_stale_max",
    "verifier.waiters_max",
    "verifier.tokens_max",
    "verifier.upstream_max",
    "verifier.upstream_per_second",
    "verifier.rechecks_max",
    "verifier.verdict_within",
    "cut_off.max",
    "cut_off.token_life_max",
    "notice.window",
    "roll_call.per_second",
    "notice.seen_max",
    "transport.body_max",
    "transport.body_deadline",
    "transport.batch_max",
    "transport.keep_alive",
    "stream.frames_max",
    "stream.bytes_max",
    "session.max",
    "session.per_principal_max",
    "session.threads",
    "session.idle_after",
    "session.initialize_deadline",
    "session.calls_max",
    "session.mailbox_max",
    "call.per_principal_max",
    "handler.call_deadline",
    "handler.input_deadline",
    "registration.per_address_per_minute",
    "registration.per_hour",
    "registration.clients_max",
    "registration.per_developer_max",
    "registration.prune_after",
    "portal.session_for",
    "portal.sign_outs_max",
    "skills.max",
    "skills.bytes_max",
    "task.max",
    "task.per_principal_max",
    "task.kept_max",
    "task.kept_per_principal_max",
    "task.ttl",
    "task.poll_interval",
    "task.result_max",
    "task.questions_max",
    "task.threads",
    "policy.rates_max",
    "cluster.lease",
    "cluster.answer_within",
    "cluster.writes_max",
    "fetch.deadline",
    "audit.lines_max",
    "otlp.queue_max",
];

/// Least time that another node is given for the head of an answer.
const FORWARD_WITHIN_MIN: Duration = Duration::from_secs(3);

impl Config {
    /// What is wrong with the whole, where each part is right.
    #[must_use]
    pub fn check(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = ABOVE_ZERO
            .iter()
            .filter(|path| Key::find(path).is_some_and(|key| is_zero(&key.get(self))))
            .map(|path| problem(path, "must be above zero"))
            .collect();
        for (index, section) in self.issuers.iter().enumerate() {
            let zero = section.settings().filter(|(name, value)| {
                is_zero(value) && ABOVE_ZERO.contains(&format!("issuer.{name}").as_str())
            });
            problems.extend(zero.map(|(name, _)| {
                problem(&format!("issuers[{index}].{name}"), "must be above zero")
            }));
        }
        let server = &self.server;
        if server.listen.ip().is_unspecified() && server.public_url.is_none() {
            problems.push(problem(
                "server.public_url",
                "is needed where server.listen is every address: the URL that clients use, as \
                 https://mcp.example.com",
            ));
        }
        if server.listen == server.admin_listen && server.listen.port() != 0 {
            problems.push(problem(
                "server.admin_listen",
                "is the public address too: metrics must not be public",
            ));
        }
        if let Some(resource) = &self.resource.url
            && !Url::parse(resource).is_ok_and(|url| url.fragment().is_none())
        {
            problems.push(problem(
                "resource.url",
                "must be an absolute URL without a fragment",
            ));
        }
        if self.registration.who == Who::Portal && !self.portal.enabled {
            problems.push(problem(
                "registration.who",
                "is portal, and portal.enabled is not: nobody could register",
            ));
        }
        if self.handler.tasks.ttl > self.handler.tasks.ttl_max {
            problems.push(problem("task.ttl", "is above task.ttl_max"));
        }
        problems.extend(self.check_cluster());
        problems.extend(self.check_gate());
        problems.extend(self.check_rules());
        // Without an issuer there is nothing to check yet: `usher dev` brings its own.
        if self.has_issuer() {
            problems.extend(self.to_auth().err().into_iter().flat_map(|error| error.0));
        }
        problems
    }

    /// What it takes to be one of several nodes.
    fn check_cluster(&self) -> Vec<Problem> {
        let cluster = &self.cluster;
        if cluster.url.is_none() {
            return Vec::new();
        }
        let mut problems = Vec::new();
        if cluster.key_file.is_none() {
            problems.push(problem(
                "cluster.key_file",
                "is needed where there is a cluster.url: the key that all nodes share, from \
                 openssl rand -hex 32",
            ));
        }
        if cluster.listen.ip().is_unspecified() && cluster.advertise.is_none() {
            problems.push(problem(
                "cluster.advertise",
                "is needed where cluster.listen is every address: where other nodes reach this one",
            ));
        }
        let listeners = [self.server.listen, self.server.admin_listen];
        if cluster.listen.port() != 0 && listeners.contains(&cluster.listen) {
            problems.push(problem(
                "cluster.listen",
                "is another listener's address too",
            ));
        }
        // A node answers another within two seconds, or begins a stream.
        if cluster.forward_within.get() < FORWARD_WITHIN_MIN {
            problems.push(problem("cluster.forward_within", "must be 3s or more"));
        }
        problems
    }

    /// Origins and hosts are compared as text, so one written otherwise would never match.
    fn check_gate(&self) -> impl Iterator<Item = Problem> {
        let gate = &self.transport.gate;
        let origins = gate.allowed_origins.iter().filter(|origin| {
            !Url::parse(origin).is_ok_and(|url| url.origin().ascii_serialization() == **origin)
        });
        let hosts = gate
            .allowed_hosts
            .iter()
            .filter(|host| host.contains([':', '/', '*']));
        let origins = origins.map(|origin| {
            let text =
                format!("{origin:?} is no origin, as https://app.example.com without a slash");
            problem("transport.allowed_origins", &text)
        });
        let hosts = hosts.map(|host| {
            let text = format!("{host:?} is no host name, as mcp.example.com without a port");
            problem("transport.allowed_hosts", &text)
        });
        origins.chain(hosts)
    }
}

/// Every number and unit value is shown with its digits first.
fn is_zero(shown: &str) -> bool {
    shown.starts_with('0')
}

fn problem(key: &str, text: &str) -> Problem {
    Problem {
        source: key.to_owned(),
        text: text.to_owned(),
    }
}
