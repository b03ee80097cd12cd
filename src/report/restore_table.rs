//! Tables that were brought back out of a backup: from which moment, with how many rows, and where they are.

use std::path::PathBuf;

use serde::Serialize;

use super::Report;
use super::drill::{Restored, Span};
use super::text::{bytes, count, facts, grouped, seconds, table, utc_and_local};

/// The plan; with [`RestoredTables::reached`] once it was carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestoredTables {
    pub cluster: String,
    pub repository: String,
    /// The copy that they come from.
    pub restored: Restored,
    /// Below it the copy is made, and removed.
    pub scratch: PathBuf,
    pub bytes_needed: u64,
    pub bytes_free: u64,
    /// As they were asked for.
    pub wanted: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<LiveSchema>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// What the copy's log proves; left out of a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached: Option<String>,
    pub tables: Vec<Table>,
    /// What a table had and has not here.
    pub left_out: Vec<String>,
    /// What it relies on and does not bring.
    pub needs: Vec<String>,
    /// Out of the repository, compressed as it lies there.
    pub read_bytes: u64,
    pub phases: Vec<Span>,
    pub seconds: f64,
    pub commands: Vec<Command>,
    pub next: String,
}

/// A schema of a live database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveSchema {
    pub database: String,
    pub schema: String,
    pub postgresql: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    pub path: PathBuf,
    pub format: Format,
    /// Left out of a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For psql.
    Script,
    /// For pg_restore.
    Archive,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    pub database: String,
    pub schema: String,
    pub name: String,
    /// Partitions and tables that inherit from it, which came along.
    pub parts: u64,
    pub rows: u64,
    /// As the copy holds them, without indexes.
    pub bytes: u64,
    /// Counted in the live database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loaded_rows: Option<u64>,
}

/// For a person, as a shell takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// `look`, `load`, `put back`, `remove`.
    pub does: &'static str,
    pub command: String,
}

impl RestoredTables {
    fn origin(&self) -> Vec<(&'static str, String)> {
        let restored = &self.restored;
        let mut rows = vec![
            ("backup", format!("{} of {} in {}", restored.backup, self.cluster, self.repository)),
            ("target", restored.target.clone()),
        ];
        rows.extend(restored.target_time.map(|time| ("moment", utc_and_local(time))));
        rows.extend(restored.last_commit.map(|time| ("last commit", utc_and_local(time))));
        rows.push(("copy", format!("{} of data, {} of WAL", bytes(restored.data_bytes), bytes(restored.wal_bytes))));
        rows
    }

    fn destination(&self) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        rows.extend(self.into.iter().map(|into| {
            let LiveSchema { database, schema, postgresql } = into;
            ("into", format!("schema {schema} of database {database}, PostgreSQL {postgresql}"))
        }));
        rows.extend(self.files.iter().map(|file| {
            let kind = if file.format == Format::Script { "a script for psql" } else { "an archive for pg_restore" };
            ("into", format!("{}, {kind}", file.path.display()))
        }));
        rows
    }

    fn planned(&self) -> String {
        let mut rows = self.origin();
        rows.push(("tables", self.wanted.join(", ")));
        rows.extend(self.destination());
        let (needed, free) = (bytes(self.bytes_needed), bytes(self.bytes_free));
        rows.push(("space", format!("{needed} needed below {}, {free} free", self.scratch.display())));
        facts(&rows) + "nothing was written\n"
    }

    fn took(&self) -> String {
        let whole = self.phases.iter().filter(|phase| !phase.name.contains(": "));
        let parts: Vec<String> = whole.map(|phase| format!("{} {}", phase.name, seconds(phase.seconds))).collect();
        format!("{}: {}", seconds(self.seconds), parts.join(", "))
    }

    fn rows(&self) -> String {
        let row = |table: &Table| {
            let parts = if table.parts == 0 { String::new() } else { count(table.parts, "part") };
            let loaded = table.loaded_rows.map(grouped).unwrap_or_default();
            let name = format!("{}.{}.{}", table.database, table.schema, table.name);
            vec![name, parts, grouped(table.rows), loaded, bytes(table.bytes)]
        };
        let rows: Vec<Vec<String>> = self.tables.iter().map(row).collect();
        table(&["table", "with", "rows in the copy", "rows loaded", "size"], &rows)
    }
}

impl Report for RestoredTables {
    const NAME: &'static str = "restore-table";

    fn human(&self) -> String {
        let Some(reached) = &self.reached else { return self.planned() };
        let mut rows = self.origin();
        rows.push(("log says", reached.clone()));
        rows.extend(self.destination());
        rows.push(("read", format!("{} of the repository", bytes(self.read_bytes))));
        rows.push(("took", self.took()));
        rows.extend(self.left_out.iter().map(|what| ("left out", what.clone())));
        rows.extend(self.needs.iter().map(|what| ("relies on", what.clone())));
        let commands: Vec<(&str, String)> =
            self.commands.iter().map(|command| (command.does, command.command.clone())).collect();
        facts(&rows) + &self.rows() + &facts(&commands)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
