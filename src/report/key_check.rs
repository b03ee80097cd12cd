//! What a key opens.

use serde::Serialize;

use super::Report;
use super::text::facts;
use crate::model::key::BackupId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyCheck {
    pub repository: String,
    pub cluster: String,
    /// Public halves of the keys that open the backup.
    pub recipients: Vec<String>,
    /// The backup that was opened.
    pub opened: BackupId,
    /// How many of all backups are encrypted to the key.
    pub opens: u64,
    pub backups: u64,
    /// Where it proves little: the key must work without that host.
    pub on_the_database_host: bool,
    pub next: String,
}

impl Report for KeyCheck {
    const NAME: &'static str = "key-check";

    fn human(&self) -> String {
        let elsewhere = match self.on_the_database_host {
            true => {
                "\nThis host has the database, so it is lost together with it: check the key on another machine too.\n"
            }
            false => "",
        };
        facts(&[
            ("key", self.recipients.join(", ")),
            ("opened", format!("{} of cluster {} in {}", self.opened, self.cluster, self.repository)),
            ("opens", format!("{} of {} backups", self.opens, self.backups)),
        ]) + elsewhere
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
