//! What `dump restore` made, or would make.

use jiff::Timestamp;
use serde::Serialize;

use super::text::{bytes, count, facts, few, plain, seconds, table, utc};
use super::{Report, signature};
use crate::model::dump::Part;
use crate::model::key::BackupId;
use crate::model::signature::Standing;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DumpRestore {
    pub dump: BackupId,
    /// Whether anybody vouches for it.
    pub signature: Standing,
    /// Nothing was done.
    pub planned: bool,
    /// Version of the server that got it.
    pub server: String,
    /// `None` where they were not asked for.
    pub globals: Option<RestoredGlobals>,
    /// There are no rows in it.
    pub schema_only: bool,
    pub databases: Vec<RestoredDatabase>,
    pub seconds: f64,
    pub next: String,
}

/// Roles and tablespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoredGlobals {
    /// The dump has those of roles.
    pub passwords: bool,
    /// Of the dump, and there already: these are as they were.
    pub kept_roles: Vec<String>,
    pub kept_tablespaces: Vec<String>,
}

impl RestoredGlobals {
    pub fn planned(passwords: bool) -> RestoredGlobals {
        RestoredGlobals { passwords, kept_roles: Vec::new(), kept_tablespaces: Vec::new() }
    }

    fn words(&self) -> String {
        let mut words = "those of the dump that the server has not".to_owned();
        if !self.passwords {
            words.push_str(", WITHOUT PASSWORDS, which the dump has not");
        }
        let kept: Vec<String> = self.kept_roles.iter().chain(&self.kept_tablespaces).map(|name| plain(name)).collect();
        if !kept.is_empty() {
            words.push_str(&format!("; left as they are: {}", few(&kept)));
        }
        words
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestoredDatabase {
    /// In the dump.
    pub from: String,
    pub name: String,
    /// It is as it was then.
    pub as_of: Timestamp,
    pub tables: u64,
    /// Compared with those that were dumped.
    pub rows: u64,
    pub data_bytes: u64,
    /// What had the name before is called that now.
    pub kept_as: Option<String>,
    /// Made by the restore; else it was there.
    pub is_new: bool,
    /// What a run before had left, and this one went on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<String>,
    /// Where it was not all of the dump: its tables.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub selected: Vec<RestoredTable>,
    /// Made because what was selected relies on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub along: Vec<String>,
    /// Belongs to it, and refers to what is not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// What was there before and made room.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<String>,
    pub seconds: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoredTable {
    pub table: String,
    /// None where it has none of its own, or they were not asked for.
    pub rows: Option<u64>,
}

impl RestoredDatabase {
    pub fn planned(part: &Part, name: &str) -> RestoredDatabase {
        let small: u64 = part.rows.iter().map(|table| table.rows).sum();
        let large: u64 = part.large.iter().map(|table| table.rows).sum();
        let streams = part.large.iter().flat_map(|table| &table.streams);
        RestoredDatabase {
            from: part.database.name.clone(),
            name: name.to_owned(),
            as_of: part.database.taken,
            tables: (part.rows.len() + part.large.len()) as u64,
            rows: small + large,
            data_bytes: streams.chain([&part.schema]).chain(&part.rest).map(|stream| stream.bytes).sum(),
            kept_as: None,
            is_new: true,
            resumed: None,
            selected: Vec::new(),
            along: Vec::new(),
            left_out: Vec::new(),
            replaced: Vec::new(),
            seconds: 0.0,
        }
    }

    fn remarks(&self, planned: bool) -> String {
        let tense = if planned { "would be" } else { "is now" };
        let kept = self.kept_as.iter().map(|name| format!("the old one {tense} {name}"));
        let there = (!self.is_new).then(|| "it was there".to_owned());
        let there = there.map(|words| if planned { "it is there".to_owned() } else { words });
        let goes_on = if planned { "would go on with" } else { "went on with" };
        let resumed = self.resumed.iter().map(|name| format!("{goes_on} {name}"));
        kept.chain(there).chain(resumed).collect::<Vec<_>>().join("; ")
    }

    /// What of the dump it is, line by line.
    fn parts(&self, planned: bool) -> Vec<(&'static str, String)> {
        let table = |table: &RestoredTable| match table.rows {
            Some(rows) => format!("{}, {}", table.table, count(rows, "row")),
            None => table.table.clone(),
        };
        let replaced = if planned { "would go" } else { "gone" };
        let lines = |does: &'static str, words: Vec<String>| {
            let hidden = words.len().saturating_sub(NAMED);
            let more = (hidden > 0).then(|| format!("and {hidden} more, see --json"));
            words.into_iter().take(NAMED).chain(more).map(move |words| (does, plain(&words))).collect::<Vec<_>>()
        };
        let tables = lines("table", self.selected.iter().map(table).collect());
        let rest = [("comes along", &self.along), ("left out", &self.left_out), (replaced, &self.replaced)];
        tables.into_iter().chain(rest.into_iter().flat_map(|(does, words)| lines(does, words.clone()))).collect()
    }
}

/// Of each kind; the others are in the JSON.
const NAMED: usize = 30;

impl Report for DumpRestore {
    const NAME: &'static str = "dump-restore";

    fn human(&self) -> String {
        let all = count(self.databases.len() as u64, "database");
        let verb = if self.databases.iter().all(|database| database.is_new) { "made" } else { "filled" };
        let what = if self.planned { format!("{all} would be {verb}") } else { all };
        let signature = ("signature", signature::sentence(&self.signature));
        let mut rows =
            vec![("dump", self.dump.to_string()), signature, ("server", format!("PostgreSQL {}", self.server))];
        rows.push(("restored", what));
        if self.schema_only {
            rows.push(("rows", "NONE: schema alone".to_owned()));
        }
        rows.extend(self.globals.iter().map(|globals| ("roles", globals.words())));
        if !self.planned {
            rows.push(("took", seconds(self.seconds)));
        }
        let row = |database: &RestoredDatabase| {
            vec![
                database.name.clone(),
                database.from.clone(),
                utc(database.as_of),
                database.tables.to_string(),
                database.rows.to_string(),
                bytes(database.data_bytes),
                database.remarks(self.planned),
            ]
        };
        let lines: Vec<_> = self.databases.iter().map(row).collect();
        let parts: Vec<_> = self.databases.iter().flat_map(|database| database.parts(self.planned)).collect();
        facts(&rows)
            + &table(&["database", "of the dump", "as of", "tables", "rows", "data", "remarks"], &lines)
            + &facts(&parts)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
