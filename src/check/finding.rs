//! What was found: one line, a verdict, and how to mend it.
//!
//! Each step of the walk writes into one [`Findings`], which hands every finding on as it is made.

use std::fmt;

use serde::Serialize;

use crate::agent::Said;

/// How good a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Right,
    /// Not looked at, and why.
    Skipped,
    /// Works for most clients, or is weaker than it could be.
    Warning,
    /// Clients will fail, or strangers won't.
    Problem,
}

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Which check, as `challenge`; does not change between releases.
    pub check: &'static str,
    /// How good it is.
    pub verdict: Verdict,
    /// What was found, in one line without control characters.
    pub found: String,
    /// How to mend it; there for every warning and problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// All findings so far.
pub(super) struct Findings<'t> {
    all: Vec<Finding>,
    tell: Box<dyn FnMut(&Finding) + 't>,
}

impl<'t> Findings<'t> {
    pub(super) fn new(tell: impl FnMut(&Finding) + 't) -> Self {
        Self {
            all: Vec::new(),
            tell: Box::new(tell),
        }
    }

    pub(super) fn right(&mut self, check: &'static str, found: impl AsRef<str>) {
        self.add(check, Verdict::Right, found.as_ref(), None);
    }

    pub(super) fn skip(&mut self, check: &'static str, why: impl AsRef<str>) {
        self.add(check, Verdict::Skipped, why.as_ref(), None);
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        found: impl AsRef<str>,
        mend: impl AsRef<str>,
    ) {
        self.add(check, Verdict::Warning, found.as_ref(), Some(mend.as_ref()));
    }

    pub(super) fn problem(
        &mut self,
        check: &'static str,
        found: impl AsRef<str>,
        mend: impl AsRef<str>,
    ) {
        self.add(check, Verdict::Problem, found.as_ref(), Some(mend.as_ref()));
    }

    /// Everything shown was said by strangers, so it is cleaned here, once.
    fn add(&mut self, check: &'static str, verdict: Verdict, found: &str, mend: Option<&str>) {
        let clean = |text: &str| Said::new(text).to_string();
        let finding = Finding {
            check,
            verdict,
            found: clean(found),
            mend: mend.map(clean),
        };
        (self.tell)(&finding);
        self.all.push(finding);
    }

    pub(super) fn into_all(self) -> Vec<Finding> {
        self.all
    }
}

impl fmt::Debug for Findings<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.all.fmt(formatter)
    }
}
