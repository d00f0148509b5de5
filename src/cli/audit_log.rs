//! The audit log's lines on their way to a file or to standard output.
//!
//! A thread of its own writes them, so that a full disk holds up no request. What waits is bounded by
//! `audit.lines_max`; a line for which there is no place is lost, and counted. A file that was moved
//! away, as log rotation does, is opened anew.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter},
};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use crate::config::{AuditConfig, AuditTo};

/// How often it is looked whether the file was moved away.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The audit log of this process. Dropped, it writes what still waits.
pub(super) struct AuditLog {
    writer: NonBlocking,
    _guard: WorkerGuard,
}

impl AuditLog {
    /// Starts the thread, where the settings want lines.
    pub(super) fn start(config: &AuditConfig) -> io::Result<Option<Self>> {
        let sink: Box<dyn Write + Send> = match &config.to {
            AuditTo::Off | AuditTo::Otlp => return Ok(None),
            AuditTo::Stdout => Box::new(io::stdout()),
            AuditTo::File(path) => Box::new(MovableFile::open(path)?),
        };
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(config.lines_max)
            .lossy(true)
            .thread_name("audit-log")
            .finish(sink);
        Ok(Some(Self {
            writer,
            _guard: guard,
        }))
    }

    /// Takes lines, and never waits.
    pub(super) fn writer(&self) -> NonBlocking {
        self.writer.clone()
    }

    /// How many lines were lost, as a metric.
    pub(super) fn lost(&self) -> Box<dyn Collector> {
        Box::new(Lost(self.writer.error_counter()))
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AuditLog")
    }
}

#[derive(Debug)]
struct Lost(ErrorCounter);

impl Collector for Lost {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let lost = u64::try_from(self.0.dropped_lines()).unwrap_or(u64::MAX);
        let help = "Lines of the audit log for which there was no place";
        let kind = MetricType::Counter;
        let family = encoder.encode_descriptor("usher_audit_lines_lost", help, None, kind)?;
        ConstCounter::new(lost).encode(family)
    }
}

/// A file that is written at its end, wherever its name has gone meanwhile.
#[derive(Debug)]
struct MovableFile {
    path: PathBuf,
    file: File,
    looked: Instant,
    /// Whether the last line could not be written, so that it is said once.
    is_broken: bool,
}

impl MovableFile {
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: opened(path)?,
            looked: Instant::now(),
            is_broken: false,
        })
    }

    fn look(&mut self) {
        if self.looked.elapsed() < LOOK_EVERY {
            return;
        }
        self.looked = Instant::now();
        if is_same(&self.path, &self.file) {
            return;
        }
        match opened(&self.path) {
            Ok(file) => self.file = file,
            // The old one is better than none.
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not open the audit log anew"
            ),
        }
    }
}

impl Write for MovableFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.look();
        let written = self.file.write_all(line);
        if let Err(error) = &written
            && !self.is_broken
        {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "could not write the audit log"
            );
        }
        self.is_broken = written.is_err();
        written.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Nobody but its owner's group may read who was here.
fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    options.open(path)
}

#[cfg(unix)]
fn is_same(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;

    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (named, held) = (path.metadata().map(identity), file.metadata().map(identity));
    matches!((named, held), (Ok(named), Ok(held)) if named == held)
}

#[cfg(not(unix))]
fn is_same(path: &Path, _file: &File) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let path = std::env::temp_dir().join(format!("usher-audit-{}", std::process::id()));
        let moved = path.with_extension("1");
        let mut file = MovableFile::open(&path).unwrap();
        file.write_all(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        file.write_all(b"two\n").unwrap();
        file.looked = Instant::now().checked_sub(LOOK_EVERY).unwrap();
        file.write_all(b"three\n").unwrap();

        assert_eq!(fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        fs::remove_file(path).unwrap();
        fs::remove_file(moved).unwrap();
    }
}
