//! What one node needs to be one of several.

use std::{net::SocketAddr, path::PathBuf};

use crate::{secret::Secret, units::HumanDuration};

/// See the file's head. Without [`Config::url`] a node stands alone.
#[derive(Debug, Clone)]
pub struct Config {
    /// The Redis or Valkey that the nodes share, as `redis://host:6379` or `rediss://user@host:6380/0`.
    /// Default none: this server is the only one.
    pub url: Option<Secret>,
    /// File with its password; not readable by others. Default none.
    pub password_file: Option<PathBuf>,
    /// File with the key that all nodes share, of 32 bytes or more; not readable by others. Default none,
    /// and needed where there is a URL.
    pub key_file: Option<PathBuf>,
    /// File with the key before it, which still opens what it sealed. Default none.
    pub previous_key_file: Option<PathBuf>,
    /// Where other nodes are served: never a public address. Default 127.0.0.1:3002.
    pub listen: SocketAddr,
    /// Where other nodes reach this one, as `10.1.2.3:3002`. Default the address it listens on.
    pub advertise: Option<String>,
    /// How every key and channel in the store begins. Default `usher`.
    pub prefix: String,
    /// How long others take a node for alive that says nothing; it says so three times in that time, and
    /// takes no step for others after two thirds of it. Above zero; default 15 s.
    pub lease: HumanDuration,
    /// How long the store may take for an answer. Above zero; default 500 ms.
    pub answer_within: HumanDuration,
    /// How long another node may take for the first byte of an answer. Above 3 s; default 4 s.
    pub forward_within: HumanDuration,
    /// How long a request waits for a session whose node is gone or going, before its client is told to
    /// come back. Default 4 s.
    pub patience: HumanDuration,
    /// How long after a signal to stop sessions stay and are opened, since balancers learn of it late.
    /// Default 3 s.
    pub leave_after: HumanDuration,
    /// Changes of sessions that may wait to be written; a further one is left out, and the next review
    /// makes up for it. Above zero; default 10,000.
    pub writes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            url: None,
            password_file: None,
            key_file: None,
            previous_key_file: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 3002)),
            advertise: None,
            prefix: "usher".to_owned(),
            lease: HumanDuration::from_secs(15),
            answer_within: HumanDuration::new(std::time::Duration::from_millis(500)),
            forward_within: HumanDuration::from_secs(4),
            patience: HumanDuration::from_secs(4),
            leave_after: HumanDuration::from_secs(3),
            writes_max: 10_000,
        }
    }
}
