//! The clocks: a token is good from one moment to another, and two machines have to agree on them.
//!
//! Every answer says what time it is (RFC 9110 §6.6.1), so the walk looks at answers it had anyway.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap};
use url::Url;

use super::{finding::Findings, probe::Probe};
use crate::time::Timestamp;

/// What the road and whole seconds make of two clocks that agree.
const SLACK: Duration = Duration::from_secs(5);

/// Compares the server's clock with that of who issues its tokens; `leeway` is what the server allows.
pub(super) fn walk(
    probe: &Probe,
    server: &Url,
    issuer: &str,
    leeway: Duration,
    findings: &mut Findings<'_>,
) {
    let issuer = Url::parse(issuer).ok();
    let of_issuer = issuer.and_then(|issuer| probe.ahead(&issuer));
    let (Some(server), Some(issuer)) = (probe.ahead(server), of_issuer) else {
        findings.skip("clock", "one of the two does not say what time it is");
        return;
    };
    let apart = Duration::from_secs(server.abs_diff(issuer));
    let found = format!(
        "the server's clock is {} s {} the provider's",
        apart.as_secs(),
        if server > issuer {
            "ahead of"
        } else {
            "behind"
        }
    );
    let mend = "have both set their clocks by NTP: a token's exp and nbf are the provider's time";
    if apart > leeway {
        findings.problem("clock", found, mend);
    } else if apart > SLACK {
        findings.warn("clock", found, mend);
    } else {
        findings.right("clock", "the server's clock and the provider's agree");
    }
}

/// Seconds that an answer's clock is ahead of ours.
pub(super) fn ahead(headers: &HeaderMap, now: Timestamp) -> Option<i64> {
    let said = headers.get(DATE)?.to_str().ok()?;
    let said = httpdate::parse_http_date(said).ok()?;
    let said = said.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let now = i64::try_from(now.as_unix_seconds()).ok()?;
    Some(i64::try_from(said).ok()? - now)
}
