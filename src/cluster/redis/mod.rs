//! What nodes share, in a Redis or Valkey (7 or later): one primary, with TLS where the URL says
//! `rediss`.
//!
//! One connection for questions, which comes back by itself, and one to listen. A question that the
//! store does not answer is an error here and no wait: whoever asks has set a deadline.

mod scripts;

use std::{fmt, time::Duration};

use futures_util::{FutureExt, StreamExt};
use redis::{
    Client, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, Script, ScriptInvocation,
    ServerErrorKind,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use super::store::{Answer, Beat, Claimed, Entry, Heard, Holder, Kept, Sight, Store, StoreError};
use crate::secret::Secret;

/// See the file's head. Clones share the connection.
#[derive(Clone)]
pub struct RedisStore {
    client: Client,
    connection: ConnectionManager,
    prefix: String,
    scripts: std::sync::Arc<Scripts>,
}

struct Scripts {
    enter: Script,
    look_up: Script,
    claim: Script,
    release: Script,
    forget: Script,
    rewrite: Script,
    keep: Script,
    beat: Script,
    leave: Script,
    nodes: Script,
}

/// The URL names no Redis.
#[derive(Debug, thiserror::Error)]
#[error("not a URL of a Redis or Valkey, as redis://host:6379 or rediss://user@host:6380/0")]
pub struct NoRedisUrl(#[source] RedisError);

/// Longest pause between two tries to reach it again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(1);

impl RedisStore {
    /// A store that is reached when it is first asked. `password` takes the place of one in the URL; every
    /// key begins with `prefix`; a question or a connection takes no longer than `answer_within`. Needs a
    /// tokio runtime, which has to live as long as the store.
    ///
    /// # Errors
    /// [`NoRedisUrl`].
    pub fn new(
        url: &Secret,
        password: Option<&Secret>,
        prefix: &str,
        answer_within: Duration,
    ) -> Result<Self, NoRedisUrl> {
        let mut info = url.expose().into_connection_info().map_err(NoRedisUrl)?;
        if let Some(password) = password {
            let settings = info.redis_settings().clone();
            info = info.set_redis_settings(settings.set_password(password.expose()));
        }
        let client = Client::open(info).map_err(NoRedisUrl)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_max_delay(RECONNECT_PAUSE_MAX)
            .set_connection_timeout(Some(answer_within))
            .set_response_timeout(Some(answer_within));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config);
        Ok(Self {
            connection: connection.map_err(NoRedisUrl)?,
            client,
            prefix: prefix.to_owned(),
            scripts: std::sync::Arc::new(Scripts::new()),
        })
    }

    async fn run<T: FromRedisValue>(&self, step: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        let mut connection = self.connection.clone();
        step.invoke_async(&mut connection).await.map_err(failure)
    }

    fn session(&self, id: &str) -> String {
        format!("{}:s:{id}", self.prefix)
    }

    fn nodes_prefix(&self) -> String {
        format!("{}:n:", self.prefix)
    }

    fn node(&self, node: &str) -> String {
        self.nodes_prefix() + node
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// A step of a session's holder, which says whether it was that.
    fn step<'a>(
        &'a self,
        script: &'a Script,
        id: &'a str,
        holder: &'a Holder,
        more: Option<(&'a [u8], Duration)>,
    ) -> Answer<'a, bool> {
        async move {
            let mut step = script.key(self.session(id));
            step.arg(&holder.node).arg(holder.epoch);
            if let Some((data, ttl)) = more {
                step.arg(data).arg(milliseconds(ttl));
            }
            self.run(&step).await
        }
        .boxed()
    }
}

impl Scripts {
    fn new() -> Self {
        Self {
            enter: Script::new(scripts::ENTER),
            look_up: Script::new(scripts::LOOK_UP),
            claim: Script::new(scripts::CLAIM),
            release: Script::new(scripts::RELEASE),
            forget: Script::new(scripts::FORGET),
            rewrite: Script::new(scripts::REWRITE),
            keep: Script::new(scripts::KEEP),
            beat: Script::new(scripts::BEAT),
            leave: Script::new(scripts::LEAVE),
            nodes: Script::new(scripts::NODES),
        }
    }
}

/// What `LOOK_UP` returns.
type Looked = (
    Option<String>,
    Option<u64>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    i64,
    Option<String>,
);

impl Store for RedisStore {
    fn enter<'a>(
        &'a self,
        id: &'a str,
        holder: &'a Holder,
        data: &'a [u8],
        ttl: Duration,
    ) -> Answer<'a, bool> {
        self.step(&self.scripts.enter, id, holder, Some((data, ttl)))
    }

    fn look_up<'a>(&'a self, id: &'a str) -> Answer<'a, Sight> {
        async move {
            let mut step = self.scripts.look_up.key(self.session(id));
            step.key(self.key("era")).arg(self.nodes_prefix());
            let (node, epoch, data, lease, left, era): Looked = self.run(&step).await?;
            let entry = node
                .zip(epoch)
                .zip(data)
                .map(|((node, epoch), data)| Entry {
                    holder: Holder { node, epoch },
                    data,
                });
            let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
            Ok(Sight {
                entry,
                lease: lease.map(|data| (data, left)),
                era,
            })
        }
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        id: &'a str,
        from: &'a Holder,
        me: &'a str,
        left_max: Duration,
        ttl: Duration,
    ) -> Answer<'a, Claimed> {
        async move {
            let mut step = self.scripts.claim.key(self.session(id));
            step.arg(&from.node)
                .arg(from.epoch)
                .arg(me)
                .arg(milliseconds(left_max))
                .arg(milliseconds(ttl))
                .arg(self.nodes_prefix());
            let (word, node, epoch): (String, String, u64) = self.run(&step).await?;
            Ok(match word.as_str() {
                "won" => Claimed::Won(epoch),
                "lost" => Claimed::Lost(Holder { node, epoch }),
                "alive" => Claimed::Alive,
                _ => Claimed::Gone,
            })
        }
        .boxed()
    }

    fn release<'a>(&'a self, id: &'a str, holder: &'a Holder) -> Answer<'a, bool> {
        self.step(&self.scripts.release, id, holder, None)
    }

    fn forget<'a>(&'a self, id: &'a str, holder: &'a Holder) -> Answer<'a, bool> {
        self.step(&self.scripts.forget, id, holder, None)
    }

    fn rewrite<'a>(
        &'a self,
        id: &'a str,
        holder: &'a Holder,
        data: &'a [u8],
        ttl: Duration,
    ) -> Answer<'a, bool> {
        self.step(&self.scripts.rewrite, id, holder, Some((data, ttl)))
    }

    fn keep<'a>(
        &'a self,
        sessions: &'a [(String, u64)],
        me: &'a str,
        ttl: Duration,
    ) -> Answer<'a, Vec<Kept>> {
        async move {
            let mut step = self.scripts.keep.arg(me);
            step.arg(milliseconds(ttl));
            for (id, epoch) in sessions {
                step.key(self.session(id)).arg(*epoch);
            }
            let kept: Vec<i64> = self.run(&step).await?;
            let kept = kept.into_iter().map(|word| match word {
                1 => Kept::Yes,
                0 => Kept::Moved,
                _ => Kept::Unknown,
            });
            Ok(kept.collect())
        }
        .boxed()
    }

    fn beat<'a>(
        &'a self,
        me: &'a str,
        data: &'a [u8],
        life: Duration,
        era: &'a str,
    ) -> Answer<'a, Beat> {
        async move {
            let mut step = self.scripts.beat.key(self.node(me));
            step.key(self.key("nodes")).key(self.key("era"));
            step.arg(me).arg(data).arg(milliseconds(life)).arg(era);
            let (era, seconds, micros, lapsed): (String, u64, u64, bool) = self.run(&step).await?;
            Ok(Beat {
                era,
                now: seconds * 1_000 + micros / 1_000,
                lapsed,
            })
        }
        .boxed()
    }

    fn leave<'a>(&'a self, me: &'a str) -> Answer<'a, ()> {
        async move {
            let mut step = self.scripts.leave.key(self.node(me));
            step.key(self.key("nodes")).arg(me);
            let _whether: bool = self.run(&step).await?;
            Ok(())
        }
        .boxed()
    }

    fn nodes(&self) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        async move {
            let mut step = self.scripts.nodes.key(self.key("nodes"));
            step.arg(self.nodes_prefix());
            self.run(&step).await
        }
        .boxed()
    }

    fn order<'a>(&'a self, name: &'a str, data: &'a [u8]) -> Answer<'a, ()> {
        self.command(
            redis::cmd("HSET")
                .arg(self.key("orders"))
                .arg(name)
                .arg(data)
                .clone(),
        )
    }

    fn orders(&self) -> Answer<'_, Vec<(String, Vec<u8>)>> {
        self.command(redis::cmd("HGETALL").arg(self.key("orders")).clone())
    }

    fn withdraw<'a>(&'a self, names: &'a [String]) -> Answer<'a, ()> {
        if names.is_empty() {
            return async { Ok(()) }.boxed();
        }
        self.command(
            redis::cmd("HDEL")
                .arg(self.key("orders"))
                .arg(names)
                .clone(),
        )
    }

    fn say<'a>(&'a self, word: &'a [u8]) -> Answer<'a, ()> {
        self.command(redis::cmd("PUBLISH").arg(self.key("all")).arg(word).clone())
    }

    fn listen(&self) -> Answer<'_, Heard> {
        async move {
            let mut ear = self.client.get_async_pubsub().await.map_err(failure)?;
            ear.subscribe(self.key("all")).await.map_err(failure)?;
            let heard = ear
                .into_on_message()
                .map(|said| said.get_payload_bytes().to_vec());
            let heard: Heard = Box::pin(heard);
            Ok(heard)
        }
        .boxed()
    }
}

impl RedisStore {
    fn command<'a, T: FromRedisValue + Send + 'a>(&'a self, command: redis::Cmd) -> Answer<'a, T> {
        async move {
            let mut connection = self.connection.clone();
            command.query_async(&mut connection).await.map_err(failure)
        }
        .boxed()
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What it refuses is its own word; the rest is as good as silence. Neither holds a key or a value.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failure(error: RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ClusterDown,
        ) => StoreError::Away(error.category().to_owned()),
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType => {
            StoreError::Refused(error.code().unwrap_or("unexpected answer").to_owned())
        }
        _ => StoreError::Away(error.category().to_owned()),
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisStore")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
