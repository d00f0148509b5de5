//! One connection, byte for byte: nothing is repaired on the way out, nothing smoothed on the way in.

use std::{future::Future, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Ask, BOUND, Reply, check};

/// A connection. Everything read through it has passed [`check`].
#[derive(Debug)]
pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
    /// Tokens sent so far, which must not come back.
    secrets: Vec<String>,
    method: String,
    target: String,
}

/// What a stream says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Event { name: String, data: String },
    Comment(String),
}

/// An event stream that was opened.
#[derive(Debug)]
pub(crate) struct Events {
    wire: Wire,
    pub(crate) head: Reply,
    text: Vec<u8>,
    over: bool,
    /// The id of the last event that had one.
    pub(crate) last_id: Option<String>,
}

async fn bounded<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = timeout(BOUND, future).await;
    done.unwrap_or_else(|elapsed| panic!("{what} took longer than {BOUND:?}: {elapsed}"))
}

impl Wire {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = bounded("connecting", TcpStream::connect(address))
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
            secrets: Vec::new(),
            method: "GET".to_owned(),
            target: "/".to_owned(),
        }
    }

    /// Sends bytes as they are. A peer that has closed is not an error here: its answer still counts.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _closed = bounded("sending", self.stream.write_all(bytes.as_ref())).await;
    }

    /// Sends a request without waiting for its answer.
    pub(crate) async fn send_ask(&mut self, ask: &Ask) {
        self.note(ask);
        self.send(ask.bytes()).await;
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Reply {
        self.send_ask(ask).await;
        self.reply().await
    }

    /// Sends a request whose answer is a stream.
    pub(crate) async fn events(mut self, ask: &Ask) -> Events {
        self.send_ask(ask).await;
        let head = self.head().await.is(200);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("transfer-encoding"), Some("chunked"));
        Events {
            wire: self,
            head,
            text: Vec::new(),
            over: false,
            last_id: None,
        }
    }

    /// Remembers what is asked, so that its answer can be judged.
    pub(crate) fn note(&mut self, ask: &Ask) {
        self.method.clone_from(&ask.method);
        self.target.clone_from(&ask.target);
        for (name, value) in &ask.headers {
            if name.eq_ignore_ascii_case("authorization") {
                let token = value.split(' ').next_back().unwrap_or_default();
                self.secrets.extend(check::secrets_of(token));
            }
        }
        self.secrets.dedup();
    }

    /// Reads one whole answer.
    pub(crate) async fn reply(&mut self) -> Reply {
        let mut reply = self.head().await;
        let has_body = self.method != "HEAD" && !matches!(reply.status, 204 | 304);
        if has_body {
            if reply.header("transfer-encoding") == Some("chunked") {
                while let Some(chunk) = self.chunk().await {
                    reply.body.extend(chunk);
                }
            } else {
                let length = reply
                    .header("content-length")
                    .map_or(0, |length| length.parse().expect("a length"));
                reply.body = self.take(length).await;
            }
        }
        check::reply(&reply, &self.method, &self.target, &self.secrets);
        reply
    }

    /// Reads an answer's head, and leaves its body.
    pub(crate) async fn head(&mut self) -> Reply {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end;
            }
            assert!(
                self.fill().await,
                "closed before an answer to {} {}: {:?}",
                self.method,
                self.target,
                String::from_utf8_lossy(&self.read)
            );
        };
        let head = String::from_utf8(self.take(end + 4).await).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Reply {
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: Vec::new(),
        }
    }

    /// The next chunk of a body; `None` at its end.
    async fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n") {
                break end;
            }
            // Cut off: for a stream that is an end like any other.
            if !self.fill().await {
                return None;
            }
        };
        let size = self.take(end + 2).await;
        let size = usize::from_str_radix(std::str::from_utf8(&size[..end]).unwrap(), 16).unwrap();
        let mut chunk = self.take(size + 2).await;
        chunk.truncate(size);
        (size > 0).then_some(chunk)
    }

    async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.fill().await, "closed in the middle of an answer");
        }
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    /// Reads more; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let what = format!("an answer to {} {}", self.method, self.target);
        self.read.reserve(16 * 1024);
        let read = bounded(&what, self.stream.read_buf(&mut self.read)).await;
        matches!(read, Ok(1..))
    }

    /// Waits until the server closes, and says what else it sent before.
    pub(crate) async fn rest(&mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// Whether nothing is there to be read within a moment; for what must *not* come.
    pub(crate) async fn is_silent_for(&mut self, moment: std::time::Duration) -> bool {
        let mut buffer = [0; 1024];
        self.read.is_empty()
            && timeout(moment, self.stream.read(&mut buffer))
                .await
                .is_err()
    }

    /// Says that nothing more will be sent (FIN), and keeps on reading.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Cuts the connection (RST).
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

impl Events {
    /// The next event or comment; `None` at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(end) = find(&self.text, b"\n\n") {
                let rest = self.text.split_off(end + 2);
                let item = std::mem::replace(&mut self.text, rest);
                let item = String::from_utf8(item).unwrap();
                check::no_secret(&item, &self.wire.secrets);
                return Some(self.take(item.trim_end_matches('\n')));
            }
            if self.over {
                assert!(self.text.is_empty(), "half an event at the end");
                return None;
            }
            match self.wire.chunk().await {
                Some(chunk) => self.text.extend(chunk),
                None => self.over = true,
            }
        }
    }

    /// Keeps an item's id; an event without data, which only carries one, is told as a comment.
    fn take(&mut self, item: &str) -> Item {
        let mut rest = Vec::new();
        for line in item.split('\n') {
            match line.split_once(": ") {
                Some(("id", id)) => self.last_id = Some(id.to_owned()),
                Some(("retry", _)) => {}
                _ => rest.push(line),
            }
        }
        match rest[..] {
            ["data: "] => Item::Comment("primed".to_owned()),
            _ => read_item(&rest.join("\n")),
        }
    }

    /// The next event, comments left out.
    pub(crate) async fn event(&mut self) -> Option<(String, String)> {
        loop {
            match self.next().await? {
                Item::Event { name, data } => return Some((name, data)),
                Item::Comment(_) => {}
            }
        }
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> serde_json::Value {
        let (name, data) = self.event().await.expect("a message before the end");
        assert_eq!(name, "message");
        serde_json::from_str(&data).unwrap()
    }

    /// Reads to the end, and returns the last comment: why the server ended the stream.
    pub(crate) async fn farewell(&mut self) -> String {
        let mut last = String::new();
        while let Some(item) = self.next().await {
            if let Item::Comment(text) = item {
                last = text;
            }
        }
        last
    }

    /// Whether nothing is said within a moment; for what must *not* come.
    pub(crate) async fn is_silent_for(&mut self, moment: std::time::Duration) -> bool {
        self.text.is_empty() && self.wire.is_silent_for(moment).await
    }

    pub(crate) fn reset(self) {
        self.wire.reset();
    }

    /// The connection of a stream that has ended, for the next request.
    pub(crate) fn into_wire(self) -> Wire {
        assert!(self.over && self.text.is_empty(), "the stream goes on");
        self.wire
    }

    pub(crate) async fn finish(&mut self) {
        self.wire.finish().await;
    }
}

/// Exactly the form we write: a name and one line of data, or one comment.
fn read_item(text: &str) -> Item {
    if let Some(comment) = text.strip_prefix(": ") {
        assert!(!comment.contains('\n'), "{text:?}");
        return Item::Comment(comment.to_owned());
    }
    let (name, data) = text.split_once('\n').expect("two lines");
    let name = name.strip_prefix("event: ").expect("an event's name");
    let data = data.strip_prefix("data: ").expect("an event's data");
    assert!(!data.contains(['\n', '\r']), "{text:?}");
    Item::Event {
        name: name.to_owned(),
        data: data.to_owned(),
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}
