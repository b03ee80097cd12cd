//! The dumps of a repository, and one of them in full.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::holds::Holds;
use super::text::{bytes, count, facts, plain, table, utc, utc_and_local};
use super::{Report, signature};
use crate::model::key::BackupId;
use crate::model::signature::Standing;

/// Names of databases that a line has room for.
const NAMES_SHOWN: usize = 4;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct List {
    pub repository: String,
    /// Those that are not held were left out.
    pub held_only: bool,
    /// Oldest first.
    pub dumps: Vec<Row>,
    pub next: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub id: BackupId,
    pub cluster: String,
    pub started: Timestamp,
    pub finished: Timestamp,
    /// `server_version_num`.
    pub server_version: u32,
    pub schema_only: bool,
    /// The first of them.
    pub databases: Vec<String>,
    pub database_count: u64,
    pub tables: u64,
    pub rows: u64,
    pub data_bytes: u64,
    pub stored_bytes: u64,
    pub labels: BTreeMap<String, String>,
    pub signature: Standing,
    /// Where it lies, by name; empty where one repository is configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
    #[serde(flatten)]
    pub holds: Holds,
}

impl Row {
    fn names(&self) -> String {
        let shown = self.databases.iter().take(NAMES_SHOWN).map(|name| plain(name)).collect::<Vec<_>>().join(", ");
        let hidden = self.database_count.saturating_sub(NAMES_SHOWN as u64);
        if hidden > 0 { format!("{shown} and {hidden} more") } else { shown }
    }

    fn remarks(&self) -> String {
        let schema = self.schema_only.then(|| "schema alone".to_owned());
        let places = (!self.repositories.is_empty()).then(|| format!("in {}", self.repositories.join(" and ")));
        let labels = self.labels.iter().map(|(key, value)| format!("{key}={value}"));
        let remarks = schema.into_iter().chain(places).chain(self.holds.words(&self.repositories)).chain(labels);
        remarks.collect::<Vec<_>>().join(", ")
    }
}

impl Report for List {
    const NAME: &'static str = "dump-list";

    fn human(&self) -> String {
        if self.dumps.is_empty() {
            let what = if self.held_only { "held dump" } else { "dump" };
            return format!("{} holds no {what}\n", self.repository);
        }
        let row = |row: &Row| {
            vec![
                row.id.to_string(),
                row.cluster.clone(),
                utc(row.finished),
                (row.server_version / 10_000).to_string(),
                row.names(),
                bytes(row.data_bytes),
                bytes(row.stored_bytes),
                signature::word(&row.signature).to_owned(),
                row.remarks(),
            ]
        };
        let rows: Vec<_> = self.dumps.iter().map(row).collect();
        table(&["dump", "cluster", "finished", "pg", "databases", "data", "stored", "signed by", "remarks"], &rows)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Show {
    pub repository: String,
    #[serde(flatten)]
    pub dump: Row,
    /// `None` without the key.
    pub contents: Option<Vec<ShownDatabase>>,
    pub next: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownDatabase {
    pub name: String,
    pub owner: String,
    pub encoding: String,
    /// It is as it was then.
    pub taken: Timestamp,
    pub tables: Vec<ShownTable>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShownTable {
    pub table: String,
    pub rows: u64,
}

impl Report for Show {
    const NAME: &'static str = "dump-show";

    fn human(&self) -> String {
        let row = &self.dump;
        let version = row.server_version;
        let mut rows = vec![
            ("dump", row.id.to_string()),
            ("cluster", row.cluster.clone()),
            ("repository", self.repository.clone()),
            ("started", utc_and_local(row.started)),
            ("finished", utc_and_local(row.finished)),
            ("postgresql", format!("{}.{}", version / 10_000, version % 10_000)),
            ("databases", row.names()),
            ("tables", format!("{} with {}", count(row.tables, "table"), count(row.rows, "row"))),
            ("data", bytes(row.data_bytes)),
            ("stored", bytes(row.stored_bytes)),
            ("signature", signature::sentence(&row.signature)),
        ];
        if !row.remarks().is_empty() {
            rows.push(("remarks", row.remarks()));
        }
        let text = facts(&rows);
        let Some(contents) = &self.contents else {
            return text + "which tables it has only the key tells: --identity FILE\n";
        };
        let lines = contents.iter().flat_map(|database| {
            let table = |table: &ShownTable| vec![plain(&database.name), plain(&table.table), table.rows.to_string()];
            database.tables.iter().map(table)
        });
        let moment = |database: &ShownDatabase| vec![plain(&database.name), utc(database.taken)];
        let moments: Vec<_> = contents.iter().map(moment).collect();
        text + &table(&["database", "as of"], &moments)
            + &table(&["database", "table", "rows"], &lines.collect::<Vec<_>>())
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
