//! Servers under load: the real binary with a real issuer behind it, and the floor to compare with.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use actix_web::{App, HttpResponse, HttpServer, rt::System, web};
use anyhow::{Context, Result, bail, ensure};
use mcp_usher::time::Clock;
use serde_json::{Value, json};

use super::{
    issuer::{FakeIssuer, signing::SigningKey},
    meter,
    user::Pass,
};

/// What the floor's process is started with.
pub(crate) const FLOOR: &str = "--serve-the-floor";

/// 242 bytes, as many as a small useful answer has.
const FLOOR_ANSWER: &str = concat!(
    r#"{"jsonrpc":"2.0","id":10000001,"result":{"content":[{"type":"text","text":"a fixed answer here."}],"#,
    r#""structuredContent":{"sub":"nobody in particular","iss":"https://issuer.example.com/oidc","#,
    r#""client_id":"a client of nobody's"},"isError":false}}"#
);

/// A server in a process of its own. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it is called.
    pub(crate) address: SocketAddr,
    /// Where its probes and metrics are; the floor has none.
    admin: Option<SocketAddr>,
}

impl Server {
    /// `usher serve` with this many threads for HTTP and as many for sessions.
    pub(crate) fn usher(issuer: &Issuer, threads: usize, more: &[&str]) -> Result<Self> {
        let mut command = under(env!("CARGO_BIN_EXE_usher"), issuer.under.as_deref())?;
        command.args(["serve", "--json"]);
        command.args(["--issuer", &issuer.url]);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        for setting in [
            format!("server.workers={threads}"),
            format!("session.threads={threads}"),
            "resource.audiences=load".to_owned(),
            "issuer.introspection_client_id=load".to_owned(),
        ] {
            command.args(["--set", &setting]);
        }
        command.args(["--set", "issuer.introspection_client_secret=load"]);
        for setting in more {
            command.args(["--set", setting]);
        }
        let (child, said) = started(command)?;
        let said: Value =
            serde_json::from_str(&said).context("what usher says when it is ready")?;
        let address = |member: &str| -> Result<SocketAddr> {
            let url = said[member].as_str().context("an address")?;
            Ok(url.trim_start_matches("http://").parse()?)
        };
        let server = Self {
            address: address("url")?,
            admin: Some(address("admin")?),
            child,
        };
        server.wait_until("it is ready", |server| {
            Ok(server.probe("/readyz")?.starts_with("HTTP/1.1 200"))
        })?;
        Ok(server)
    }

    /// Plain actix-web that reads a body and answers always the same.
    pub(crate) fn floor(threads: usize) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args([FLOOR, &threads.to_string()]);
        let (child, said) = started(command)?;
        let address = said.trim().parse()?;
        Ok(Self {
            child,
            address,
            admin: None,
        })
    }

    /// Processor time used until now.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        meter::processor_time(self.child.id())
    }

    /// Memory of its own, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        meter::memory(self.child.id())
    }

    /// Open files.
    pub(crate) fn files(&self) -> Result<usize> {
        meter::files(self.child.id())
    }

    /// The sum of a metric over its labels.
    pub(crate) fn metric(&self, name: &str) -> Result<f64> {
        let text = self.probe("/metrics")?;
        let lines = text.lines().filter(|line| line.starts_with(name));
        let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        Ok(values.sum())
    }

    /// Waits for something that is bound to happen, for half a minute at most.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        is_so: impl Fn(&Self) -> Result<bool>,
    ) -> Result<()> {
        for _ in 0..600 {
            if is_so(self)? {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("waited half a minute until {what}, in vain")
    }

    fn probe(&self, path: &str) -> Result<String> {
        let admin = self.admin.context("the floor has no probes")?;
        let mut stream = std::net::TcpStream::connect(admin)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes())?;
        Ok(std::io::read_to_string(stream)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Gently, since what watches it (`--under`) writes at its end.
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").arg(pid).status();
        for _ in 0..200 {
            match self.child.try_wait() {
                Ok(None) if asked.is_ok() => thread::sleep(Duration::from_millis(50)),
                _ => break,
            }
        }
        let _over_already = self.child.kill();
        let _over_already = self.child.wait();
    }
}

/// A command with a clean environment, run by another one if there is one.
fn under(program: &str, under: Option<&str>) -> Result<Command> {
    let Some(under) = under else {
        let mut command = Command::new(program);
        command.env_clear();
        return Ok(command);
    };
    let mut words = under.split_whitespace();
    let mut command = Command::new(words.next().context("--under needs a command")?);
    command.args(words).arg(program);
    Ok(command)
}

/// Starts a server and reads the line it says when it listens.
fn started(mut command: Command) -> Result<(Child, String)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("its output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if line.is_empty() {
        child.kill()?;
        bail!("{command:?} did not start: {}", child.wait()?);
    }
    Ok((child, line))
}

/// Serves the floor until the process is killed.
pub(crate) fn serve_the_floor(threads: usize) -> Result<()> {
    System::new().block_on(async move {
        let server = HttpServer::new(|| {
            App::new().default_service(web::to(async |_body: web::Bytes| {
                HttpResponse::Ok()
                    .content_type("application/json")
                    .body(FLOOR_ANSWER)
            }))
        })
        .workers(threads)
        .tcp_nodelay(true)
        // Its connections are idle while others are measured.
        .keep_alive(Duration::from_secs(600))
        .bind(("127.0.0.1", 0))?;
        println!("{}", server.addrs()[0]);
        server.run().await?;
        Ok(())
    })
}

/// Who signs the users in: metadata, key set and introspection on a thread of their own.
pub(crate) struct Issuer {
    url: String,
    fake: FakeIssuer,
    key: SigningKey,
    /// What its servers are run by, as a profiler.
    under: Option<String>,
}

impl Issuer {
    /// Starts one.
    pub(crate) fn start(under: Option<String>) -> Result<Self> {
        let (send, started) = mpsc::channel();
        let key = SigningKey::new("ES384", "load");
        let jwk = key.jwk();
        thread::spawn(move || {
            let system = System::new();
            system.block_on(async {
                let fake = FakeIssuer::start(&[]);
                fake.publish_jwks(&[jwk]);
                send.send(fake)
            })?;
            system.run().map_err(anyhow::Error::from)
        });
        let fake = started.recv().context("the issuer has not started")?;
        ensure!(fake.issuer().starts_with("http://127.0.0.1"));
        Ok(Self {
            url: fake.issuer().to_owned(),
            fake,
            key,
            under,
        })
    }

    /// A user with a JWT.
    pub(crate) fn jwt(&self, subject: &str) -> Pass {
        Pass {
            token: self.key.token(&self.claims(subject)),
            subject: subject.to_owned(),
        }
    }

    /// A user with a token that only the issuer can read.
    pub(crate) fn opaque(&self, subject: &str) -> Pass {
        let token = format!("opaque-token-of-{subject}-{:032}", 7);
        let mut claims = self.claims(subject);
        claims["active"] = json!(true);
        self.fake.know(&token, claims);
        Pass {
            token,
            subject: subject.to_owned(),
        }
    }

    fn claims(&self, subject: &str) -> Value {
        let now = Clock::system().now().as_unix_seconds();
        json!({
            "iss": self.url, "sub": subject, "aud": "load", "client_id": "load",
            "scope": "openid", "iat": now, "exp": now + 7200, "jti": subject,
        })
    }
}
