//! What goes into one database: what is made before rows, rows, the comparison with what was dumped, and what is made after
//! them.

use std::path::Path;

use tempfile::NamedTempFile;

use super::Work;
use super::archive::{Rows, SchemaArchive, Selected};
use crate::flow::stream_reader::StreamReader;
use crate::model::dump::{Large, Part, TableName};
use crate::model::error::{Code, Error, Result};
use crate::postgres::{Ledger, NewDatabase, Section, Step};
use crate::report::Phase;

/// How many things are named at once.
const NAMED: usize = 10;

impl Work<'_> {
    /// From the step that it is at to its end.
    pub(super) fn fill(
        &self,
        (new, ledger): (&mut NewDatabase<'_>, &Ledger),
        part: &Part,
        selected: Option<&Selected>,
    ) -> Result<()> {
        let interrupt = &self.context.interrupt;
        let rows = selected.map_or_else(|| Rows::all(part), |selected| selected.rows_of(part));
        let (begun, schema) = (new.step, Schema::of(self.streams, part, selected)?);
        if begun == Step::Definitions {
            self.listener.phase(Phase::MakingDefinitions);
            self.section(&new.name, Section { name: "pre-data", jobs: 1, is_begun: false }, &schema)?;
            ledger.begin(interrupt)?;
            new.reach(Step::Rows, |comment| ledger.run(comment, interrupt))?;
        }
        if begun <= Step::Rows {
            self.rows(&new.name, part, &rows, (ledger, begun == Step::Rows))?;
            // What comes after may write rows of its own: an event trigger that keeps a log.
            let compared = self.compare(&rows, ledger)?;
            new.has_other_rows = compared.is_err();
            compared?;
            new.reach(Step::Indexes, |comment| ledger.run(comment, interrupt))?;
        }
        self.listener.phase(Phase::MakingIndexes);
        ledger.end(interrupt)?;
        let after = Section { name: "post-data", jobs: self.jobs, is_begun: begun == Step::Indexes };
        match after.is_begun {
            true => self.rest_of_section(new, ledger, after, (part, schema)),
            false => self.section(&new.name, after, &schema),
        }
    }

    pub(super) fn section(&self, name: &str, section: Section, schema: &Schema<'_>) -> Result<()> {
        let archive = (schema.archive(), schema.list.as_ref().map(NamedTempFile::path));
        self.programs.section(&self.reach, name, self.owners, section, archive, &self.context.interrupt)
    }

    /// What the server says of each `COPY` that has committed, and of small tables, which `pg_restore` has loaded, how many
    /// rows they have.
    fn compare(&self, rows: &Rows<'_>, ledger: &Ledger) -> Result<Result<()>> {
        let interrupt = &self.context.interrupt;
        let loaded = ledger.loaded(interrupt)?;
        let of = |table: &Large| table.streams.iter().filter_map(|stream| loaded.get(&stream.key())).sum();
        let small: Vec<TableName> = rows.small.iter().map(|table| table.table.clone()).collect();
        let counted = ledger.count(&small, interrupt)?;
        let small = rows.small.iter().zip(counted).map(|(table, found)| (&table.table, table.rows, found));
        Ok(differing(small.chain(rows.large.iter().map(|table| (&table.table, table.rows, of(table))))))
    }
}

/// What is made before rows and after them: a file, and which of its statements.
pub(super) struct Schema<'s> {
    own: Option<NamedTempFile>,
    selected: Option<&'s Selected>,
    list: Option<NamedTempFile>,
}

impl<'s> Schema<'s> {
    fn of(streams: &StreamReader<'_>, part: &Part, selected: Option<&'s Selected>) -> Result<Schema<'s>> {
        Ok(match selected {
            Some(chosen) => Schema { own: None, selected, list: Some(chosen.list()?) },
            None => Schema { own: Some(SchemaArchive::file(streams, part)?), selected, list: None },
        })
    }

    pub fn of_list(self, list: NamedTempFile) -> Schema<'s> {
        Schema { list: Some(list), ..self }
    }

    pub fn has(&self, id: u32) -> bool {
        self.selected.is_none_or(|selected| selected.selection.statements.contains(&id))
    }

    fn archive(&self) -> &Path {
        let selected = self.selected.map(|selected| selected.archive.path());
        self.own.as_ref().map(NamedTempFile::path).or(selected).unwrap_or(Path::new(""))
    }
}

pub(super) fn differing<'t>(tables: impl Iterator<Item = (&'t TableName, u64, u64)>) -> Result<()> {
    let wrong: Vec<String> = tables
        .filter(|(_, dumped, found)| dumped != found)
        .map(|(table, dumped, found)| format!("{table} has {found} rows, not {dumped}"))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::Damaged, format!("what was loaded is not what was dumped: {}", some_of(&wrong)))
        .hint("use another dump: pgcairn dump list"))
}

/// The first of them, and how many others there are.
pub(super) fn some_of(words: &[String]) -> String {
    let more = if words.len() > NAMED { format!(" and {} more", words.len() - NAMED) } else { String::new() };
    words.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ") + &more
}
