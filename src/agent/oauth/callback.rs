//! The loopback listener at which a sign-in ends (RFC 8252 §7.3).
//!
//! `authorizer` binds it before the browser opens and waits on it once. It takes one `GET /callback`,
//! answers it with a page, and is gone; whatever else knocks (a browser's idle connection, a favicon)
//! is answered or left alone without ending the wait. A dozen lines of HTTP are enough for that and
//! are all there is: a bounded head, no body, one answer per connection.

use std::{
    future::poll_fn,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::AsyncWrite,
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{
    authorization::Authorization,
    page::{answer, ending},
};
use crate::{agent::error::AgentError, secret::Secret, units::HumanDuration};

const PATH: &str = "/callback";

/// Longest request head that is read, in bytes. Codes are at most some KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Connections served at once; a browser opens two or three.
const CONNECTIONS_MAX: usize = 16;

/// How long one connection may take to send its request, and then to take the page.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(5);

/// A bound port on 127.0.0.1.
#[derive(Debug)]
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

impl Callback {
    /// Takes `port`, or a free one for 0.
    pub(super) async fn bind(port: u16) -> Result<Self, AgentError> {
        let taken = |error| AgentError::CallbackPort { port, error };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).await.map_err(taken)?;
        let port = listener.local_addr().map_err(taken)?.port();
        Ok(Self { listener, port })
    }

    /// The port that was taken.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Where the browser comes back to. The literal address, not `localhost` (RFC 8252 §8.3).
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// Waits for the answer to `authorization`, at most `deadline`.
    pub(super) async fn wait(
        self,
        authorization: &Authorization,
        deadline: HumanDuration,
    ) -> Result<Secret, AgentError> {
        timeout(deadline.get(), self.first_answer(authorization))
            .await
            .map_err(|_elapsed| AgentError::SignInDeadline(deadline))?
    }

    async fn first_answer(self, authorization: &Authorization) -> Result<Secret, AgentError> {
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                    // A connection that broke before it was accepted is the client's affair.
                    if let Ok((stream, _peer)) = accepted {
                        connections.push(serve(stream, authorization));
                    }
                }
                Some(outcome) = connections.next() => {
                    if let Some(outcome) = outcome {
                        return outcome;
                    }
                }
            }
        }
    }
}

/// Serves one connection; some outcome if it brought the callback.
async fn serve(
    stream: TcpStream,
    authorization: &Authorization,
) -> Option<Result<Secret, AgentError>> {
    let head = timeout(CONNECTION_DEADLINE, read_head(&stream))
        .await
        .ok()??;
    let (page, outcome) = match parse(&head) {
        Request::Callback(query) => {
            let outcome = authorization.judge(query);
            (ending(&outcome), Some(outcome))
        }
        Request::Elsewhere => (
            answer(
                "404 Not Found",
                "Nothing here",
                "You can close this window.",
                None,
            ),
            None,
        ),
        Request::OtherMethod => (
            answer(
                "405 Method Not Allowed",
                "Nothing here",
                "Only GET is answered.",
                None,
            ),
            None,
        ),
        Request::Malformed => (
            answer(
                "400 Bad Request",
                "Nothing here",
                "The request can't be read.",
                None,
            ),
            None,
        ),
    };
    // The outcome stands whether or not the browser waits for its page.
    let _ = timeout(CONNECTION_DEADLINE, write(stream, &page)).await;
    outcome
}

/// What a request head asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request<'a> {
    /// `GET /callback`, with its query.
    Callback(&'a str),
    Elsewhere,
    OtherMethod,
    Malformed,
}

fn parse(head: &[u8]) -> Request<'_> {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let Ok(line) = std::str::from_utf8(line) else {
        return Request::Malformed;
    };
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Request::Malformed;
    };
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
        return Request::Malformed;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match (method, path) {
        ("GET", PATH) => Request::Callback(query),
        ("GET", _) => Request::Elsewhere,
        _ => Request::OtherMethod,
    }
}

/// Everything up to the empty line; none if the connection ends or the head is too long.
async fn read_head(stream: &TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    loop {
        stream.readable().await.ok()?;
        match stream.try_read(&mut piece) {
            Ok(0) => return None,
            Ok(read) => {
                head.extend_from_slice(piece.get(..read)?);
                if head.windows(4).any(|end| end == b"\r\n\r\n") {
                    return Some(head);
                }
                if head.len() > HEAD_BYTES_MAX {
                    return None;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}

/// Writes the whole answer and says that nothing follows, so that closing does not cut it off.
async fn write(mut stream: TcpStream, mut answer: &[u8]) -> Option<()> {
    while !answer.is_empty() {
        stream.writable().await.ok()?;
        match stream.try_write(answer) {
            Ok(written) => answer = answer.get(written..)?,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context))
        .await
        .ok()
}
