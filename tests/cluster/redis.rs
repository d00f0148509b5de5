//! A Redis of the test's own.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A store that was started. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Redis {
    program: PathBuf,
    port: u16,
    child: Option<Child>,
}

/// Longest wait for it to answer.
const BOUND: Duration = Duration::from_secs(10);

impl Redis {
    /// One that answers; none where the machine has no such program.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = program() else {
            println!("LEFT OUT: neither redis-server nor valkey-server is on the path");
            return None;
        };
        // Free now, and asked for at once: nobody else is given it in between.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut redis = Self {
            program,
            port,
            child: None,
        };
        redis.run();
        Some(redis)
    }

    /// Runs it, with an empty memory.
    pub(crate) fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let started = Instant::now();
        while self.ask("PING").is_none() {
            assert!(started.elapsed() < BOUND, "redis does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The answer to a command on one line, as it is written.
    pub(crate) fn ask(&self, command: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(BOUND)).ok()?;
        stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
        let mut answer = [0; 4_096];
        let length = stream.read(&mut answer).ok()?;
        (length > 0).then(|| String::from_utf8_lossy(&answer[..length]).into_owned())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let found = ["redis-server", "valkey-server"]
        .into_iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    found.into_iter().find(|program| program.is_file())
}
