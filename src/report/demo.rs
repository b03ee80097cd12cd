//! The summary of `demo`.

use serde::Serialize;

use super::Report;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Demo {
    /// What was shown, one sentence each.
    pub steps: Vec<String>,
    pub next: String,
}

impl Report for Demo {
    const NAME: &'static str = "demo";

    fn human(&self) -> String {
        self.steps.iter().map(|step| format!("  {step}\n")).collect()
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
