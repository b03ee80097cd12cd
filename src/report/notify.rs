//! What the `notify` commands say.

use serde::Serialize;

use super::Report;
use super::status::Failure;
use crate::model::error::{Code, Error};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotifyTest {
    pub cluster: String,
    pub sent: Vec<Sent>,
    pub next: String,
}

/// One that is told, and whether it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// `ping`, `webhook`, `command`.
    pub kind: &'static str,
    /// The host, or the program.
    pub to: String,
    pub delivered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// What became of a failure that somebody else found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotifyFailed {
    pub cluster: String,
    /// As it was called.
    pub command: String,
    /// As systemd has it.
    pub reason: String,
    /// By the run itself, before it ended.
    pub told_before: bool,
    /// Why somebody was not told.
    #[serde(serialize_with = "failures")]
    pub warnings: Vec<Error>,
}

fn failures<S: serde::Serializer>(errors: &[Error], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(errors.iter().map(Failure::of))
}

impl Report for NotifyFailed {
    const NAME: &'static str = "notify-failed";

    fn human(&self) -> String {
        let NotifyFailed { command, reason, .. } = self;
        match self.told_before {
            true => format!("{command}: its failure was told already\n"),
            false => format!("{command} failed: {reason}\n"),
        }
    }

    fn flaw(&self) -> Option<Code> {
        (!self.warnings.is_empty()).then_some(Code::Flagged)
    }
}

impl Sent {
    pub fn new(kind: &'static str, to: String, result: Result<(), Error>) -> Sent {
        let error = result.as_ref().err().map(Failure::of);
        Sent { kind, to, delivered: error.is_none(), error }
    }

    fn line(&self) -> String {
        let Sent { kind, to, .. } = self;
        match &self.error {
            None => format!("ok       {kind}: {to} took it\n"),
            Some(Failure { message, hint, .. }) => {
                let hint = hint.as_ref().map(|hint| format!("         hint: {hint}\n")).unwrap_or_default();
                format!("FAIL     {message}\n{hint}")
            }
        }
    }
}

impl Report for NotifyTest {
    const NAME: &'static str = "notify-test";

    fn human(&self) -> String {
        self.sent.iter().map(Sent::line).collect()
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        self.sent.iter().any(|sent| !sent.delivered).then_some(Code::Flagged)
    }
}
