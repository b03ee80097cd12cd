//! `dumps/<id>/contents.jsonl`: which streams a dump consists of, one line each. A stream is cut into pieces anywhere;
//! what they decompress to, one after another, is what `psql` or `pg_restore` takes.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::catalog::FORMAT;
use crate::model::key::BackupId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// The first line.
    Contents { format: u32, dump: BackupId },
    /// Roles, tablespaces and their privileges: `pg_dumpall --globals-only`, for `psql`.
    Globals(Globals),
    /// What follows until the next such line belongs to it.
    Database(Database),
    /// `pg_dump` in custom format: sections pre-data and post-data.
    Schema { stream: Stream },
    /// The same, section data without the tables that follow: small tables, sequences, large objects.
    Rest { stream: Stream },
    /// Tables that `rest` has, whose rows were counted under the same snapshot.
    Rows(TableRows),
    /// A table of which every stream is one `COPY` of its own, in text format.
    Large(Large),
    /// The last line: without it something is missing.
    End { lines: u64 },
}

/// The numbers of its pieces in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stream {
    pub pieces: Vec<u32>,
    /// Decompressed, of all pieces.
    pub bytes: u64,
}

impl Stream {
    /// What no other stream of the dump has: its first piece.
    pub fn key(&self) -> u32 {
        self.pieces.first().copied().unwrap_or_default()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Globals {
    /// Those of roles are among it.
    pub passwords: bool,
    pub stream: Stream,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub name: String,
    pub owner: String,
    /// As `pg_encoding_to_char` names it.
    pub encoding: String,
    pub locale: Locale,
    /// `name=value`, of `ALTER DATABASE … SET` for all roles.
    pub settings: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The snapshot that all of it was read under, as `pg_current_snapshot` prints it.
    pub snapshot: String,
    /// When that was taken, by the server's clock.
    pub taken: Timestamp,
}

/// As `pg_database` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    pub collate: String,
    pub ctype: String,
    /// `c` for libc, `i` for ICU, `b` for builtin.
    pub provider: String,
    /// Of ICU or builtin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct TableName {
    pub schema: String,
    pub name: String,
}

/// An identifier in quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Tables as a statement takes them, without those that inherit from them.
pub fn only<'t>(tables: impl IntoIterator<Item = &'t TableName>) -> String {
    tables.into_iter().map(|table| format!("ONLY {}", table.quoted())).collect::<Vec<_>>().join(", ")
}

impl TableName {
    /// In the quotes that every server takes.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRows {
    #[serde(flatten)]
    pub table: TableName,
    pub rows: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Large {
    #[serde(flatten)]
    pub table: TableName,
    /// Of every stream, in this order; generated ones are left out.
    pub columns: Vec<String>,
    pub rows: u64,
    pub streams: Vec<Stream>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    #[error("line {0} cannot be read: {1}")]
    Line(usize, String),
    #[error("it is of {0}")]
    OtherDump(BackupId),
    #[error("it has format {0}, this program reads {FORMAT}")]
    TooNew(u32),
    #[error("its end is missing")]
    CutShort,
    #[error("line {0} belongs to no database")]
    Astray(usize),
    #[error("line {0} says a second time what an earlier one has said")]
    Twice(usize),
}

/// A dump as it is restored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    pub globals: Option<Globals>,
    pub databases: Vec<Part>,
}

/// One database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub database: Database,
    pub schema: Stream,
    /// Without rows there is none.
    pub rest: Option<Stream>,
    pub rows: Vec<TableRows>,
    pub large: Vec<Large>,
}

impl Contents {
    pub fn parse(text: &[u8], id: &BackupId) -> Result<Contents, ContentsError> {
        let (mut contents, mut end, mut number) = (Contents::default(), None, 0);
        for text in text.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            number += 1;
            if end.is_some() {
                return Err(ContentsError::Line(number, "the end was before it".to_owned()));
            }
            let line = serde_json::from_slice(text).map_err(|e| ContentsError::Line(number, e.to_string()))?;
            match line {
                Line::Contents { format, .. } if format > FORMAT => return Err(ContentsError::TooNew(format)),
                Line::Contents { dump, .. } if dump != *id => return Err(ContentsError::OtherDump(dump)),
                Line::Contents { .. } if number == 1 => {}
                _ if number == 1 => return Err(ContentsError::Line(1, "it does not say what it is".to_owned())),
                Line::End { lines } => end = Some(lines),
                line => contents.add(line, number)?,
            }
        }
        if end == Some(number as u64) { Ok(contents) } else { Err(ContentsError::CutShort) }
    }

    pub fn streams(&self) -> impl Iterator<Item = &Stream> {
        let parts = self.databases.iter().flat_map(|part| {
            let large = part.large.iter().flat_map(|large| &large.streams);
            [&part.schema].into_iter().chain(&part.rest).chain(large)
        });
        self.globals.iter().map(|globals| &globals.stream).chain(parts)
    }

    fn add(&mut self, line: Line, number: usize) -> Result<(), ContentsError> {
        match line {
            Line::Globals(_) if self.globals.is_some() => return Err(ContentsError::Twice(number)),
            Line::Globals(globals) => self.globals = Some(globals),
            Line::Database(database) => {
                let (schema, rest) = (Stream::default(), None);
                self.databases.push(Part { database, schema, rest, rows: Vec::new(), large: Vec::new() });
            }
            line => {
                let part = self.databases.last_mut().ok_or(ContentsError::Astray(number))?;
                match line {
                    Line::Schema { .. } if !part.schema.pieces.is_empty() => return Err(ContentsError::Twice(number)),
                    Line::Rest { .. } if part.rest.is_some() => return Err(ContentsError::Twice(number)),
                    Line::Schema { stream } => part.schema = stream,
                    Line::Rest { stream } => part.rest = Some(stream),
                    Line::Rows(rows) => part.rows.push(rows),
                    Line::Large(large) => part.large.push(large),
                    _ => return Err(ContentsError::Astray(number)),
                }
            }
        }
        Ok(())
    }

    /// What [`Contents::parse`] reads.
    pub fn format(&self, id: &BackupId) -> Result<Vec<u8>, serde_json::Error> {
        let mut lines = vec![Line::Contents { format: FORMAT, dump: id.clone() }];
        lines.extend(self.globals.clone().map(Line::Globals));
        for part in &self.databases {
            lines.push(Line::Database(part.database.clone()));
            lines.push(Line::Schema { stream: part.schema.clone() });
            lines.extend(part.rest.clone().map(|stream| Line::Rest { stream }));
            lines.extend(part.rows.iter().cloned().map(Line::Rows));
            lines.extend(part.large.iter().cloned().map(Line::Large));
        }
        lines.push(Line::End { lines: lines.len() as u64 + 1 });
        let mut text = Vec::new();
        for line in &lines {
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
        }
        Ok(text)
    }
}

#[cfg(test)]
#[path = "contents_tests.rs"]
mod tests;
