//! The key that `key generate` made. The secret is in the file and nowhere else.

use std::path::PathBuf;

use serde::Serialize;

use super::Report;
use super::text::facts;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GeneratedKey {
    pub recipient: String,
    pub identity_file: PathBuf,
    pub next: String,
}

impl Report for GeneratedKey {
    const NAME: &'static str = "key-generate";

    fn human(&self) -> String {
        let file = self.identity_file.display();
        facts(&[("recipient", self.recipient.clone()), ("identity", format!("{file} (0600)"))])
            + &format!(
                "\nIn the configuration of the database host:\n    [encryption]\n    recipients = [\"{}\"]\n",
                self.recipient
            )
            + "\nKeep the identity file away from that host, and a copy of it on paper: without it nobody reads the\n\
               backups, the authors of pgcairn included.\n"
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
