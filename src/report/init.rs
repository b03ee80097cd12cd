//! What `init` made, and what is left to do.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::check::{Finding, lines, worst};
use super::text::{facts, utc, whole_second, wrapped};
use crate::model::error::Code;
use crate::model::key::Encryption;
use crate::model::signature::PublicKey;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Init {
    pub repository: String,
    pub repository_id: String,
    /// `false` where it was there already.
    pub created: bool,
    /// To which backups are copied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Other>,
    pub encryption: Encryption,
    pub recipients: Vec<String>,
    /// Where the key lies that signs backups, and its public half.
    pub signing_key: Option<PathBuf>,
    pub public_key: Option<PublicKey>,
    pub cluster: String,
    /// `None` where the server and its data directory could not be read.
    pub system_identifier: Option<String>,
    /// Lines for postgresql.conf, in order.
    pub settings: Vec<Setting>,
    /// Where `--write` put them.
    pub written: Option<PathBuf>,
    pub findings: Vec<Finding>,
    /// With `--recreate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recreated: Option<Recreated>,
    pub next: String,
}

/// Made anew, in place of what was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recreated {
    /// Their names.
    pub repositories: Vec<String>,
    /// When the last backup of this host succeeded, where that is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<Timestamp>,
    /// What is to be done, in order. Commands, but for what stands in the configuration; what follows `   #` is for a
    /// person.
    pub steps: Vec<String>,
}

/// A further repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Other {
    pub name: String,
    pub url: String,
    pub id: String,
    pub created: bool,
}

/// One line of postgresql.conf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub name: String,
    /// As it must stand in the file, quoted where needed.
    pub value: String,
    /// What the running server has.
    pub current: Option<String>,
    pub takes: Takes,
}

/// What must happen to the server before a line has effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Takes {
    Nothing,
    Reload,
    Restart,
}

/// What a plan of `restore` shows too.
const RESTORED: &str = "a restored copy has archive_mode = off and max_logical_replication_workers = 0 instead, \
     in its postgresql.auto.conf\n";

/// Before the lines that pin the key.
const PIN: &str = "\nadd to the configuration of every other host that restores these backups:\n";

impl Report for Init {
    const NAME: &'static str = "init";

    fn human(&self) -> String {
        let made = |created: bool| if created { "created" } else { "was there already" };
        let closed = match self.encryption {
            Encryption::Age => format!("age, to {}", self.recipients.join(", ")),
            Encryption::None => "NONE: whoever reads the repository reads the database".to_owned(),
        };
        let mut rows = vec![
            ("repository", format!("{} {}", self.repository, made(self.created))),
            ("id", self.repository_id.clone()),
            ("encryption", closed),
            ("cluster", self.cluster.clone()),
        ];
        rows.extend(self.signing_key.iter().map(|file| ("signing key", file.display().to_string())));
        let other = |other: &Other| {
            [("repository", format!("{} {}", other.url, made(other.created))), ("id", other.id.clone())]
        };
        rows.splice(2..2, self.others.iter().flat_map(other));
        rows.extend(self.system_identifier.iter().map(|id| ("system identifier", id.clone())));
        facts(&rows) + &lines(&self.findings) + &self.settings_text() + &self.pin_text() + &self.lost_text()
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        worst(&self.findings)
    }
}

impl Init {
    /// Whoever restores elsewhere needs it, and must not have it from the repository.
    fn pin_text(&self) -> String {
        self.public_key.iter().map(|key| format!("{PIN}    [signing]\n    trusted = [\"{key}\"]\n")).collect()
    }

    fn lost_text(&self) -> String {
        let Some(recreated) = &self.recreated else { return String::new() };
        let last = recreated
            .last_backup
            .map(|at| format!("; the last backup of this host succeeded at {}", utc(whole_second(at))));
        let names = recreated.repositories.join(" and ");
        let lost = format!(
            "\nLOST with {names}: every backup and all WAL that no other repository has{}",
            last.unwrap_or_default()
        );
        let steps: String = recreated.steps.iter().map(|step| format!("    {step}\n")).collect();
        format!("{}\nto be done now:\n{steps}", wrapped(&lost, 0))
    }

    fn settings_text(&self) -> String {
        if self.settings.is_empty() {
            return String::new();
        }
        let heading = match &self.written {
            Some(file) => format!("\nwritten to {}:\n", file.display()),
            None => "\nadd to postgresql.conf:\n".to_owned(),
        };
        let lines: String = self.settings.iter().map(|s| format!("    {} = {}\n", s.name, s.value)).collect();
        let named =
            |takes| -> Vec<&str> { self.settings.iter().filter(|s| s.takes == takes).map(|s| &*s.name).collect() };
        let takes = match (named(Takes::Restart), named(Takes::Reload)) {
            (restart, _) if !restart.is_empty() => format!("PostgreSQL must be restarted for {}\n", restart.join(", ")),
            (_, reload) if !reload.is_empty() => format!("PostgreSQL must be reloaded for {}\n", reload.join(", ")),
            _ => "the server has these settings already\n".to_owned(),
        };
        heading + &lines + &takes + RESTORED
    }
}
