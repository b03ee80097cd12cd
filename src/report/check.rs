//! What `check` found: one line for each question it asked.

use serde::Serialize;

use super::Report;
use super::text::count;
use crate::model::error::{Code, Error};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub cluster: String,
    pub repository: String,
    pub findings: Vec<Finding>,
    pub next: String,
}

/// One question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: `archive_mode`, `repository`.
    pub subject: String,
    pub verdict: Verdict,
    /// A lower-case fact with its values.
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip)]
    pub code: Option<Code>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Pass,
    /// Could not be asked (the server is down); not a fault.
    Skipped,
    /// All is well, but could be better. Leaves the exit status at 0.
    Advice,
    /// Works today and will hurt: exit status 3.
    Warning,
    Fail,
}

impl Finding {
    pub fn pass(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding::new(subject, Verdict::Pass, message)
    }

    pub fn skipped(subject: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding::new(subject, Verdict::Skipped, message)
    }

    pub fn advice(subject: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..Finding::new(subject, Verdict::Advice, message) }
    }

    pub fn warning(subject: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..Finding::new(subject, Verdict::Warning, message) }
    }

    /// A refusal or failure of a step, told as a finding so that the other steps still run.
    pub fn fail(subject: impl Into<String>, error: Error) -> Finding {
        Finding { hint: error.hint, code: Some(error.code), ..Finding::new(subject, Verdict::Fail, error.message) }
    }

    fn new(subject: impl Into<String>, verdict: Verdict, message: impl Into<String>) -> Finding {
        Finding { subject: subject.into(), verdict, message: message.into(), hint: None, code: None }
    }

    /// The same, of one repository of several.
    pub fn of(self, repository: &str) -> Finding {
        Finding { subject: format!("{repository}: {}", self.subject), ..self }
    }

    pub fn is_failure(&self) -> bool {
        self.verdict == Verdict::Fail
    }

    fn line(&self) -> String {
        let sign = match self.verdict {
            Verdict::Pass => "ok     ",
            Verdict::Skipped => "skipped",
            Verdict::Advice => "advice ",
            Verdict::Warning => "WARNING",
            Verdict::Fail => "FAIL   ",
        };
        let hint = self.hint.as_ref().map(|hint| format!("         hint: {hint}\n")).unwrap_or_default();
        format!("{sign}  {}: {}\n{hint}", self.subject, self.message)
    }
}

/// The lines of all findings; shared with `init`.
pub(super) fn lines(findings: &[Finding]) -> String {
    findings.iter().map(Finding::line).collect()
}

/// The code of the first failure, else that of a flagged result where there is a warning.
pub(super) fn worst(findings: &[Finding]) -> Option<Code> {
    let has = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    let failure = findings.iter().find(|f| f.verdict == Verdict::Fail).map(|f| f.code.unwrap_or(Code::Internal));
    failure.or_else(|| has(Verdict::Warning).then_some(Code::Flagged))
}

impl Report for Check {
    const NAME: &'static str = "check";

    fn human(&self) -> String {
        let number = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count() as u64;
        let said = [(Verdict::Fail, "failure"), (Verdict::Warning, "warning"), (Verdict::Skipped, "skipped test")];
        let said = said.map(|(verdict, word)| (number(verdict), word)).into_iter().filter(|(number, _)| *number > 0);
        let said: Vec<String> = said.map(|(number, word)| count(number, word)).collect();
        let summary = if said.is_empty() { "all is well".to_owned() } else { said.join(", ") };
        format!("{}{} to {}: {summary}\n", lines(&self.findings), self.cluster, self.repository)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        worst(&self.findings)
    }
}
