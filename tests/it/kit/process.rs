//! The `usher` binary, started and ended by its pid.

use std::{
    ffi::OsStr,
    fs,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{BOUND, scene::admin};

/// A binary that was started. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Usher {
    child: Child,
    /// What it said when it was ready.
    pub(crate) ready: Value,
    logs: Option<thread::JoinHandle<String>>,
}

/// The binary with these arguments and a clean environment.
pub(crate) fn usher(arguments: &[&str]) -> Command {
    quiet(env!("CARGO_BIN_EXE_usher"), arguments)
}

/// An example with these arguments and a clean environment, built if it is not yet.
pub(crate) fn example(name: &str, arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--offline", "--example", name]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "{cargo:?}");
    let folder = Path::new(env!("CARGO_BIN_EXE_usher")).parent().unwrap();
    quiet(folder.join("examples").join(name), arguments)
}

fn quiet(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    ended(usher(arguments).spawn().unwrap())
}

/// Waits for a binary's end within the bound.
pub(crate) fn ended(mut child: Child) -> (Option<i32>, String, String) {
    // Read meanwhile: what says more than a pipe holds would never end.
    let out = child.stdout.take().map(read_all);
    let err = child.stderr.take().map(read_all);
    let code = await_exit(&mut child, BOUND);
    let text = |reading: Option<thread::JoinHandle<String>>| {
        reading.map_or_else(String::new, |reading| reading.join().unwrap())
    };
    (code, text(out), text(err))
}

fn read_all(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

fn await_exit(child: &mut Child, bound: Duration) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if started.elapsed() > bound {
            child.kill().unwrap();
            panic!("the binary did not end within {bound:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

impl Usher {
    /// `usher serve` for this issuer, on free ports.
    pub(crate) fn serve(issuer: &str, more: &[&str]) -> Self {
        let arguments = [
            "serve",
            "--issuer",
            issuer,
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--json",
        ];
        let arguments: Vec<_> = arguments.iter().chain(more).copied().collect();
        Self::start(usher(&arguments))
    }

    /// Starts a command that says in one line, which may be JSON, when it is ready.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let logs = thread::spawn(move || {
            let mut text = String::new();
            let _whole = errors.read_to_string(&mut text);
            text
        });
        let mut line = Vec::new();
        let mut byte = [0];
        while output.read(&mut byte).unwrap() == 1 && byte != *b"\n" {
            line.push(byte[0]);
        }
        if line.is_empty() {
            let _gone = child.kill();
            let _gone = child.wait();
            panic!("the binary did not start: {}", logs.join().unwrap());
        }
        let text = || Value::String(String::from_utf8_lossy(&line).into_owned());
        let ready = serde_json::from_slice(&line).unwrap_or_else(|_no_json| text());
        Self {
            child,
            ready,
            logs: Some(logs),
        }
    }

    /// Where clients are served.
    pub(crate) fn authority(&self) -> String {
        let url = self.ready["url"].as_str().unwrap();
        url.strip_prefix("http://").unwrap().to_owned()
    }

    /// Where probes are.
    pub(crate) fn admin(&self) -> std::net::SocketAddr {
        let url = self.ready["admin"].as_str().unwrap();
        url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// Waits until it has heard of its issuer.
    pub(crate) async fn is_ready(&self) {
        let started = Instant::now();
        while admin(self.admin(), "/readyz").await.0 != 200 {
            assert!(started.elapsed() < BOUND, "not ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Sends a signal to this very process.
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &command]).status();
        assert!(status.unwrap().success(), "{command}");
    }

    /// Waits for its end: exit code and everything it logged.
    pub(crate) fn end(&mut self, bound: Duration) -> (Option<i32>, String) {
        let code = await_exit(&mut self.child, bound);
        let logs = self.logs.take().expect("ended once").join().unwrap();
        (code, logs)
    }
}

impl Drop for Usher {
    fn drop(&mut self) {
        let _over = self.child.kill();
        let _over = self.child.wait();
    }
}

/// A file of a test's own, readable by whom `mode` says; removed when dropped.
#[derive(Debug)]
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new(name: &str, text: &str, mode: u32) -> Self {
        let path = std::env::temp_dir().join(format!("usher-it-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}
