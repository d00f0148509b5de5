//! A minimal HTTP/1.1 client: requests are bytes made beforehand, answers are read and hardly looked at.
//!
//! It shares its machine with the server it measures, so what it does for each call has to be little.

use std::{io, net::SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use memchr::memmem;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection that is kept.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    /// How much of `input` belongs to the last answer.
    used: usize,
    body: Vec<u8>,
}

/// What an answer's head says.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The HTTP status.
    pub(crate) status: u16,
    /// `Mcp-Session-Id`.
    pub(crate) session: Option<String>,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            input: Vec::new(),
            used: 0,
            body: Vec::new(),
        })
    }

    /// Sends a request and reads its answer whole.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<(Head, &[u8])> {
        let head = self.begin(request).await?;
        match head.framing {
            Framing::Length(length) => {
                let start = self.used;
                while self.input.len() < start + length {
                    self.read().await?;
                }
                self.used += length;
                Ok((head, &self.input[start..start + length]))
            }
            Framing::Chunked => {
                self.body.clear();
                while let Some(length) = self.chunk().await? {
                    let end = self.used;
                    self.body
                        .extend_from_slice(&self.input[end - length - 2..end - 2]);
                }
                Ok((head, &self.body))
            }
        }
    }

    /// Sends a request whose answer is an event stream, and reads its head.
    pub(crate) async fn listen(mut self, request: &[u8]) -> Result<(Head, Events)> {
        let head = self.begin(request).await?;
        ensure!(head.status == 200, "a stream was answered {}", head.status);
        ensure!(head.framing == Framing::Chunked, "a stream has no end yet");
        let events = Events {
            connection: self,
            text: Vec::new(),
            read: 0,
        };
        Ok((head, events))
    }

    async fn begin(&mut self, request: &[u8]) -> Result<Head> {
        self.input.drain(..self.used);
        self.used = 0;
        self.stream.write_all(request).await?;
        loop {
            if let Some((head, length)) = parse(&self.input)? {
                self.used = length;
                return Ok(head);
            }
            self.read().await?;
        }
    }

    /// Reads the next chunk with its two framing bytes, and returns its length; `None` for the last.
    async fn chunk(&mut self) -> Result<Option<usize>> {
        loop {
            if let Some(end) = memmem::find(&self.input[self.used..], b"\r\n") {
                let size = std::str::from_utf8(&self.input[self.used..self.used + end])?;
                let length = usize::from_str_radix(size.trim(), 16).context("a chunk's size")?;
                let whole = self.used + end + 2 + length + 2;
                while self.input.len() < whole {
                    self.read().await?;
                }
                self.used = whole;
                return Ok((length > 0).then_some(length));
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn parse(input: &[u8]) -> Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = answer.parse(input)? else {
        return Ok(None);
    };
    let mut head = Head {
        status: answer.code.unwrap_or_default(),
        session: None,
        framing: Framing::Length(0),
    };
    for header in answer.headers {
        let value = || std::str::from_utf8(header.value);
        if header.name.eq_ignore_ascii_case("content-length") {
            head.framing = Framing::Length(value()?.parse()?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            head.framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("mcp-session-id") {
            head.session = Some(value()?.to_owned());
        }
    }
    Ok(Some((head, length)))
}

/// An event stream.
#[derive(Debug)]
pub(crate) struct Events {
    connection: Connection,
    /// What was read of the stream and not given out.
    text: Vec<u8>,
    read: usize,
}

impl Events {
    /// The data of the next event that has some; comments and named ends of streams are passed over.
    pub(crate) async fn next(&mut self) -> Result<&[u8]> {
        loop {
            let rest = &self.text[self.read..];
            if let Some(end) = memmem::find(rest, b"\n\n") {
                let (start, end) = (self.read, self.read + end);
                self.read = end + 2;
                if let Some(data) = memmem::find(&self.text[start..end], b"data:") {
                    let data = start + data + b"data:".len();
                    return Ok(self.text[data..end].trim_ascii());
                }
                continue;
            }
            self.text.drain(..self.read);
            self.read = 0;
            let connection = &mut self.connection;
            connection.input.drain(..connection.used);
            connection.used = 0;
            let Some(length) = connection.chunk().await? else {
                bail!("the stream has ended");
            };
            let end = connection.used - 2;
            self.text
                .extend_from_slice(&connection.input[end - length..end]);
        }
    }
}
