//! What `copy` brought where.

use serde::Serialize;

use super::Report;
use super::text::{bytes, count};
use crate::model::error::{Code, Error};
use crate::model::key::BackupId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Copy {
    pub repositories: Vec<Brought>,
    pub next: String,
}

/// One repository that was brought up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Brought {
    pub name: String,
    pub url: String,
    /// Newest first.
    pub backups: Vec<BackupId>,
    /// Newest first, too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dumps: Vec<BackupId>,
    pub wal_files: u64,
    /// All that was written, WAL included.
    pub objects: u64,
    pub bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
}

/// A backup or a WAL file that could not be copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    pub what: String,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip)]
    pub code: Code,
}

impl Failed {
    /// One of many that went well.
    pub fn one(what: String, error: Error) -> Failed {
        Failed { what, reason: error.message, hint: error.hint, code: Code::Flagged }
    }
}

impl Brought {
    pub fn new(name: &str, url: &str) -> Brought {
        let (name, url, dumps) = (name.to_owned(), url.to_owned(), Vec::new());
        Brought { name, url, backups: Vec::new(), dumps, wal_files: 0, objects: 0, bytes: 0, failed: Vec::new() }
    }

    /// Nothing came to it, for this reason.
    pub fn failed(name: &str, url: &str, error: Error) -> Brought {
        let (code, what) = (error.code, "everything".to_owned());
        Brought { failed: vec![Failed { code, ..Failed::one(what, error) }], ..Brought::new(name, url) }
    }

    pub fn is_incomplete(&self) -> bool {
        !self.failed.is_empty()
    }

    pub fn line(&self) -> String {
        let what = match (self.objects, self.backups.len() as u64) {
            (0, 0) if self.is_incomplete() => "got nothing".to_owned(),
            (0, 0) => "has all that it should".to_owned(),
            (_, backups) => {
                let (backups, wal) = (count(backups, "backup"), count(self.wal_files, "WAL file"));
                let got = match self.dumps.len() as u64 {
                    0 => format!("{backups} and {wal}"),
                    dumps => format!("{backups}, {} and {wal}", count(dumps, "dump")),
                };
                format!("got {got}, {} in {}", bytes(self.bytes), count(self.objects, "object"))
            }
        };
        let hint = |failed: &Failed| failed.hint.as_ref().map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
        let failed = |failed: &Failed| format!("NOT COPIED: {}: {}\n{}", failed.what, failed.reason, hint(failed));
        format!("{} {what}\n{}", self.name, self.failed.iter().map(failed).collect::<String>())
    }
}

impl Report for Copy {
    const NAME: &'static str = "copy";

    fn human(&self) -> String {
        self.repositories.iter().map(Brought::line).collect()
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        let codes = self.repositories.iter().flat_map(|brought| &brought.failed).map(|failed| failed.code);
        codes.max_by_key(|code| code.exit_status())
    }
}
