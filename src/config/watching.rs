//! Settings of what is written for those who watch: the log, the audit log and traces.
//!
//! Read by the binary, which starts all three; a library's log is its program's.

use std::{fmt, path::PathBuf, str::FromStr};

use url::Url;

/// What is logged.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// As `info` or `mcp_usher=debug,warn` (tracing's env-filter). Default
    /// `info,actix_server=warn,actix_http=off`: actix-http writes an error for every request that is
    /// none, so that any stranger could fill the log.
    pub filter: String,
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
    /// File with the key by which callers are named in logs; 32 bytes or more. Default none: a random
    /// one, so that after a restart everybody has another name.
    pub pseudonym_key_file: Option<PathBuf>,
}

/// Where the audit log goes.
#[derive(Debug, Clone)]
pub struct AuditConfig {
    /// Default `off`.
    pub to: AuditTo,
    /// Lines that may wait to be written; of more, the newest are lost, and counted. Above zero;
    /// default 10,000.
    pub lines_max: usize,
}

/// A place for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditTo {
    /// Nowhere.
    Off,
    /// Standard output, a JSON object a line.
    Stdout,
    /// The collector of `otlp.endpoint`, as log records.
    Otlp,
    /// The end of this file, a JSON object a line. Opened anew where it was moved away.
    File(PathBuf),
}

/// Traces for a collector, over OTLP as protobuf in HTTP.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// The collector, as `http://127.0.0.1:4318`; `/v1/traces` and `/v1/logs` are added. Default none:
    /// what `OTEL_EXPORTER_OTLP_ENDPOINT` says, or no traces at all.
    pub endpoint: Option<Url>,
    /// Which part of all traces is kept, decided by a trace's id: 0 to 1, default 1.
    pub sample: Ratio,
    /// Spans, and lines of the audit log, that may wait to be sent; of more, the newest are lost. Above
    /// zero; default 2,048.
    pub queue_max: usize,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            filter: "info,actix_server=warn,actix_http=off".to_owned(),
            format: LogFormat::Text,
            pseudonym_key_file: None,
        }
    }
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            to: AuditTo::Off,
            lines_max: 10_000,
        }
    }
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample: Ratio::ALL,
            queue_max: 2_048,
        }
    }
}

impl fmt::Display for AuditTo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => formatter.write_str("off"),
            Self::Stdout => formatter.write_str("stdout"),
            Self::Otlp => formatter.write_str("otlp"),
            Self::File(path) => path.display().fmt(formatter),
        }
    }
}

impl FromStr for AuditTo {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "stdout" => Ok(Self::Stdout),
            "otlp" => Ok(Self::Otlp),
            // So that a mistyped word is no file.
            path if path.contains(['/', '\\', '.']) => Ok(Self::File(PathBuf::from(path))),
            _ => Err("an audit log goes to off, stdout, otlp or the path of a file"),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("a log format is text or json"),
        }
    }
}

/// A part of a whole: 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio(f64);

/// A text is no part of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a number from 0 to 1, as 0.1")]
pub struct NoRatio;

impl Ratio {
    /// The whole.
    pub const ALL: Self = Self(1.0);

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Ratio {
    type Err = NoRatio;

    fn from_str(text: &str) -> Result<Self, NoRatio> {
        let number: f64 = text.parse().map_err(|_no_number| NoRatio)?;
        if (0.0..=1.0).contains(&number) {
            Ok(Self(number))
        } else {
            Err(NoRatio)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_is_no_file() {
        for (text, to) in [
            ("off", AuditTo::Off),
            ("stdout", AuditTo::Stdout),
            ("otlp", AuditTo::Otlp),
            (
                "/var/log/usher.jsonl",
                AuditTo::File("/var/log/usher.jsonl".into()),
            ),
            ("audit.jsonl", AuditTo::File("audit.jsonl".into())),
        ] {
            assert_eq!(text.parse(), Ok(to), "{text}");
        }
        for text in ["", "stdot", "true"] {
            assert!(text.parse::<AuditTo>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_ratio_is_part_of_a_whole() {
        for text in ["0", "0.25", "1"] {
            assert_eq!(text.parse::<Ratio>().unwrap().to_string(), text);
        }
        for text in ["-0.1", "1.5", "NaN", "inf", "half", ""] {
            assert_eq!(text.parse::<Ratio>(), Err(NoRatio), "{text}");
        }
    }
}
