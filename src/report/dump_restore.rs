//! What `dump restore` made, or would make.

use serde::Serialize;

use super::Report;
use super::text::{bytes, count, facts, seconds, table};
use crate::model::dump::Part;
use crate::model::key::BackupId;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DumpRestore {
    pub dump: BackupId,
    /// Nothing was done.
    pub planned: bool,
    /// Version of the server that got it.
    pub server: String,
    pub globals: bool,
    pub databases: Vec<RestoredDatabase>,
    pub seconds: f64,
    pub next: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestoredDatabase {
    /// In the dump.
    pub from: String,
    pub name: String,
    pub tables: u64,
    /// Compared with those that were dumped.
    pub rows: u64,
    pub data_bytes: u64,
    /// What had the name before is called that now.
    pub kept_as: Option<String>,
    pub seconds: f64,
}

impl RestoredDatabase {
    pub fn planned(part: &Part, name: &str) -> RestoredDatabase {
        let small: u64 = part.rows.iter().map(|table| table.rows).sum();
        let large: u64 = part.large.iter().map(|table| table.rows).sum();
        let streams = part.large.iter().flat_map(|table| &table.streams);
        RestoredDatabase {
            from: part.database.name.clone(),
            name: name.to_owned(),
            tables: (part.rows.len() + part.large.len()) as u64,
            rows: small + large,
            data_bytes: streams.chain([&part.schema]).chain(&part.rest).map(|stream| stream.bytes).sum(),
            kept_as: None,
            seconds: 0.0,
        }
    }
}

impl Report for DumpRestore {
    const NAME: &'static str = "dump-restore";

    fn human(&self) -> String {
        let all = count(self.databases.len() as u64, "database");
        let what = if self.planned { format!("{all} would be made") } else { all };
        let mut rows = vec![("dump", self.dump.to_string()), ("server", format!("PostgreSQL {}", self.server))];
        rows.push(("restored", what));
        if self.globals {
            rows.push(("roles", "those of the dump that were not there".to_owned()));
        }
        if !self.planned {
            rows.push(("took", seconds(self.seconds)));
        }
        let row = |database: &RestoredDatabase| {
            let kept = database.kept_as.iter().map(|name| format!("the old one is {name} now"));
            vec![
                database.name.clone(),
                database.from.clone(),
                database.tables.to_string(),
                database.rows.to_string(),
                bytes(database.data_bytes),
                kept.collect(),
            ]
        };
        let lines: Vec<_> = self.databases.iter().map(row).collect();
        facts(&rows) + &table(&["database", "of the dump", "tables", "rows", "data", "remarks"], &lines)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
