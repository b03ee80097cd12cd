//! The archives of a dump, read before `pg_restore` is told which of their statements it shall run.

use std::collections::BTreeSet;
use std::io::Write;

use tempfile::NamedTempFile;

use crate::flow::stream_reader::StreamReader;
use crate::model::dump::archive::{ArchiveError, Entry, entries};
use crate::model::dump::selection::{Selection, SelectionError, Wish};
use crate::model::dump::{Large, Part, Stream, TableName, TableRows};
use crate::model::error::{Code, Error, Result};
use crate::operation::failure::cannot;
use crate::report::dump_restore::{RestoredDatabase, RestoredTable};

/// Of the beginning of an archive: some millions of statements.
const MAX_TABLE_OF_CONTENTS: usize = 1 << 30;

/// What is made before rows and after them, in a file, and its table of contents.
pub struct SchemaArchive {
    pub file: NamedTempFile,
    pub entries: Vec<Entry>,
}

/// What of it is restored.
pub struct Selected {
    pub archive: NamedTempFile,
    pub selection: Selection,
    schema_only: bool,
    /// Tables are filled that somebody else has made.
    data_only: bool,
}

/// The streams and tables that a restore has rows of.
pub struct Rows<'p> {
    pub rest: Option<&'p Stream>,
    /// What of `rest`; all where there is none.
    pub selection: Option<&'p Selection>,
    pub small: Vec<&'p TableRows>,
    pub large: Vec<&'p Large>,
}

impl<'p> Rows<'p> {
    pub fn all(part: &'p Part) -> Rows<'p> {
        let (small, large) = (part.rows.iter().collect(), part.large.iter().collect());
        Rows { rest: part.rest.as_ref(), selection: None, small, large }
    }

    /// How many each table must have.
    pub fn expected(&self) -> Vec<(TableName, u64)> {
        let small = self.small.iter().map(|table| (table.table.clone(), table.rows));
        small.chain(self.large.iter().map(|table| (table.table.clone(), table.rows))).collect()
    }
}

impl SchemaArchive {
    pub fn file(streams: &StreamReader<'_>, part: &Part) -> Result<NamedTempFile> {
        let file = temporary()?;
        streams.read(&part.schema, |bytes| write(&file, bytes))?;
        Ok(file)
    }

    pub fn read(streams: &StreamReader<'_>, part: &Part) -> Result<SchemaArchive> {
        let entries = table_of_contents(streams, &part.schema)?;
        Ok(SchemaArchive { file: SchemaArchive::file(streams, part)?, entries })
    }

    pub fn select(self, wish: &Wish, there: Option<&BTreeSet<u32>>) -> Result<Selected> {
        let selection = Selection::of(&self.entries, wish, there).map_err(not_selected)?;
        let (schema_only, data_only) = (wish.schema_only, wish.data_only);
        Ok(Selected { archive: self.file, selection, schema_only, data_only })
    }
}

fn not_selected(error: SelectionError) -> Error {
    let message = error.to_string();
    match error {
        SelectionError::Nothing(_) => {
            Error::new(Code::NotFound, message).hint("which tables there are: pgcairn dump show latest --identity FILE")
        }
        SelectionError::Lacking(_) => Error::new(Code::Refused, message)
            .hint("restore that too, or make it first; into a new database, without --existing, it comes along"),
    }
}

impl Selected {
    /// For `pg_restore`.
    pub fn list(&self) -> Result<NamedTempFile> {
        list(&self.selection.statements)
    }

    /// The same without privileges, and these alone.
    pub fn lists(&self) -> Result<(NamedTempFile, NamedTempFile)> {
        let is_privilege = |id: &&u32| self.selection.privileges.contains(id);
        let (privileges, rest): (Vec<u32>, Vec<u32>) =
            self.selection.statements.iter().partition(|id| is_privilege(id));
        Ok((list(&rest)?, list(&privileges)?))
    }

    pub fn attachments(&self) -> Result<Option<NamedTempFile>> {
        let ids = &self.selection.attachments;
        if ids.is_empty() { Ok(None) } else { list(ids).map(Some) }
    }

    pub fn makes_objects(&self) -> bool {
        !self.data_only
    }

    pub fn rows_of<'p>(&'p self, part: &'p Part) -> Rows<'p> {
        if self.schema_only {
            return Rows { rest: None, selection: None, small: Vec::new(), large: Vec::new() };
        }
        let names: BTreeSet<&TableName> = self.selection.tables.iter().collect();
        let small: Vec<&TableRows> = part.rows.iter().filter(|table| names.contains(&table.table)).collect();
        let large = part.large.iter().filter(|table| names.contains(&table.table)).collect();
        let needs_rest = !small.is_empty() || !self.selection.sequences.is_empty();
        Rows { rest: part.rest.as_ref().filter(|_| needs_rest), selection: Some(&self.selection), small, large }
    }

    pub fn tell(&self, part: &Part, told: &mut RestoredDatabase) {
        let rows = self.rows_of(part);
        let expected = rows.expected();
        let streams = rows.large.iter().flat_map(|table| &table.streams).chain(rows.rest);
        told.data_bytes = streams.map(|stream| stream.bytes).sum();
        told.rows = expected.iter().map(|(_, rows)| rows).sum();
        told.tables = self.selection.tables.len() as u64;
        let of = |name: &TableName| expected.iter().find(|(table, _)| table == name).map(|(_, rows)| *rows);
        let table = |name: &TableName| RestoredTable { table: name.to_string(), rows: of(name) };
        told.selected = self.selection.tables.iter().map(table).collect();
        told.along.clone_from(&self.selection.along);
        told.left_out.clone_from(&self.selection.left_out);
    }
}

/// Of an archive of rows those that are selected.
pub fn rows_list(streams: &StreamReader<'_>, rest: &Stream, selection: &Selection) -> Result<NamedTempFile> {
    list(&selection.rows(&table_of_contents(streams, rest)?))
}

pub fn list(ids: &[u32]) -> Result<NamedTempFile> {
    let file = temporary()?;
    write(&file, Selection::list(ids).as_bytes())?;
    Ok(file)
}

/// It stands before everything else: no more of the stream is read.
pub fn table_of_contents(streams: &StreamReader<'_>, stream: &Stream) -> Result<Vec<Entry>> {
    let (mut beginning, mut found, mut tried) = (Vec::new(), Err(ArchiveError::Short), 0);
    streams.read_while(stream, |bytes| -> Result<bool> {
        beginning.extend_from_slice(bytes);
        // Each time twice as much, so that all of it is looked at no more than twice.
        if beginning.len() < 2 * tried {
            return Ok(true);
        }
        tried = beginning.len();
        found = entries(&beginning);
        Ok(found == Err(ArchiveError::Short) && tried <= MAX_TABLE_OF_CONTENTS)
    })?;
    if found == Err(ArchiveError::Short) {
        found = entries(&beginning);
    }
    found.map_err(|error| {
        Error::new(Code::Damaged, format!("an archive of the dump cannot be read: {error}"))
            .hint("restore all of it into a new database, or use another dump: pgcairn dump list")
    })
}

fn temporary() -> Result<NamedTempFile> {
    NamedTempFile::new().map_err(|e| cannot("create", "a temporary file", e))
}

fn write(file: &NamedTempFile, bytes: &[u8]) -> Result<()> {
    file.as_file().write_all(bytes).map_err(|e| cannot("write", "a temporary file", e))
}
