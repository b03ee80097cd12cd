//! One page from which somebody who has never seen this system brings the database back. No secret is on it.

mod by_hand;
mod content;
mod page;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{WIDTH, narrow_facts, wrapped};
use content::Section;

pub use by_hand::ByHand;
pub use page::Page;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    pub cluster: String,
    pub made: Timestamp,
    /// Where it was made.
    pub host: String,
    /// A string, because it has 64 bits.
    pub system_identifier: String,
    /// The major version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgresql: Option<u32>,
    pub data_dir: PathBuf,
    /// Left out where the server could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tablespaces: Option<Vec<Tablespace>>,
    pub repositories: Vec<Repository>,
    pub encrypted: bool,
    pub recipients: Vec<String>,
    /// As whoever keeps the keys says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_location: Option<String>,
    /// Public keys of the hosts that sign the backups.
    pub trusted: Vec<String>,
    pub pgcairn: &'static str,
}

/// One repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Repository {
    pub name: String,
    pub url: String,
    /// Where it is one on a file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Left out where it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Where the access key is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<String>,
}

/// One outside of the data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tablespace {
    pub oid: u32,
    pub name: String,
    pub location: String,
}

impl Report for Sheet {
    const NAME: &'static str = "recovery-sheet";

    fn human(&self) -> String {
        let heading = self.title();
        let rule = "=".repeat(heading.chars().count().min(WIDTH));
        format!("{heading}\n{rule}\n{}", self.sections().iter().map(text).collect::<String>())
    }
}

/// Commands stand alone on their lines, to be copied.
fn text(section: &Section) -> String {
    let words: String = section.words.iter().map(|words| wrapped(words, 0) + "\n").collect();
    let facts: Vec<(&str, String)> = section.facts.iter().map(|(name, value)| (*name, value.clone())).collect();
    let commands: String = section.commands.iter().map(|command| format!("    {command}\n")).collect();
    let after: String = section.after.iter().map(|words| wrapped(words, 0) + "\n").collect();
    format!("\n{}\n\n{words}{}{commands}{after}", section.title, narrow_facts("  ", &facts))
}
