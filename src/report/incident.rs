//! What to do in an incident: kinds of it, and for each the commands in order.

mod kinds;

use std::path::PathBuf;

use serde::Serialize;

use super::Report;
use super::text::wrapped;
use crate::model::command_line::CommandLine;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// Why the names are not those of a cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unconfigured: Option<String>,
    pub kinds: Vec<Kind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kind {
    pub title: &'static str,
    /// In the documentation: with what not to do, and how to see that it is right.
    pub page: &'static str,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    pub words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// What stands in the commands.
#[derive(Debug, Clone)]
pub struct Names {
    pub commands: CommandLine,
    pub cluster: String,
    /// Name and URL, the one that backups are made into first.
    pub repositories: Vec<(String, String)>,
    pub data_dir: PathBuf,
    pub major: String,
    pub is_encrypted: bool,
}

impl Default for Names {
    /// As in the documentation.
    fn default() -> Names {
        Names {
            commands: CommandLine { program: "pgcairn".to_owned(), ..CommandLine::default() },
            cluster: "main".to_owned(),
            repositories: vec![("local".to_owned(), "file:///var/backups/pgcairn".to_owned())],
            data_dir: "/var/lib/postgresql/MAJOR/main".into(),
            major: "MAJOR".to_owned(),
            is_encrypted: true,
        }
    }
}

impl Incident {
    pub fn new(names: &Names, unconfigured: Option<String>) -> Incident {
        Incident { unconfigured, kinds: kinds::all(names) }
    }
}

impl Report for Incident {
    const NAME: &'static str = "incident";

    fn human(&self) -> String {
        let doubt =
            self.unconfigured.iter().map(|reason| wrapped(&format!("Names are examples: {reason}"), 2) + "\n\n");
        let kind = |kind: &Kind| {
            let steps: String = kind.steps.iter().map(Step::lines).collect();
            format!("{} ({})\n{steps}", kind.title.to_uppercase(), kind.page)
        };
        doubt.collect::<String>() + &self.kinds.iter().map(kind).collect::<Vec<_>>().join("\n")
    }
}

impl Step {
    /// A command stands alone on its line, to be copied.
    fn lines(&self) -> String {
        let command = self.command.as_ref().map(|command| format!("      {command}\n")).unwrap_or_default();
        wrapped(&format!("  - {}", self.words), 4) + "\n" + &command
    }
}
