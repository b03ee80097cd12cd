//! What goes into one database: what is made before rows, rows by several sessions, the comparison with what was dumped,
//! and what is made after them.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::Work;
use super::archive::{self, Rows, SchemaArchive, Selected};
use crate::flow::stream_reader::StreamReader;
use crate::flow::workers::each_with;
use crate::model::dump::selection::Selection;
use crate::model::dump::{Large, Part, Stream, TableName};
use crate::model::error::{Code, Error, Result};
use crate::postgres::{CopyIn, Ledger, NewDatabase, Section, Step};

/// How many things are named at once.
const NAMED: usize = 10;

/// A session that is silent for minutes is cut off by many a firewall.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What a worker takes.
enum Item<'p> {
    /// All, or what is selected.
    Rest(&'p Stream, Option<&'p Selection>),
    Rows(&'p Large, &'p Stream),
}

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

    /// What is one stream in any case first. What the ledger has is there.
    fn rows(&self, name: &str, part: &Part, rows: &Rows<'_>, (ledger, is_begun): (&Ledger, bool)) -> Result<()> {
        let there = ledger.loaded(&self.context.interrupt)?;
        let is_missing = |stream: &Stream| !there.contains_key(&stream.key());
        let rest = rows.rest.filter(|rest| is_missing(rest));
        if let Some(rest) = rest.filter(|_| is_begun) {
            self.empty(ledger, rest, rows.selection)?;
        }
        let mut large = in_turn(&rows.large);
        large.retain(|(_, stream)| is_missing(stream));
        let rest = rest.map(|rest| Item::Rest(rest, rows.selection));
        let items: Vec<Item> =
            rest.into_iter().chain(large.into_iter().map(|(table, stream)| Item::Rows(table, stream))).collect();
        std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                let begin = || CopyIn::begin(&self.reach, name);
                let encoding = part.database.encoding.as_str();
                let take = |session: &mut CopyIn, item: Item<'_>| self.take(session, (name, encoding), item);
                each_with(self.jobs, items.into_iter(), begin, take, || self.stop.raise())
            });
            let mut heard = Instant::now();
            while !work.is_finished() {
                std::thread::sleep(Duration::from_millis(20));
                if heard.elapsed() > HEARTBEAT {
                    heard = Instant::now();
                    ledger.heartbeat(self.stop).inspect_err(|_| self.stop.raise())?;
                }
                if self.context.interrupt.is_raised() {
                    self.stop.raise();
                }
            }
            work.join().map_err(|_| crate::flow::caught::Panicked)?
        })
    }

    fn take(&self, session: &mut CopyIn, (name, encoding): (&str, &str), item: Item<'_>) -> Result<()> {
        match item {
            Item::Rest(stream, selection) => {
                self.rest(name, stream, selection)?;
                session.record(stream, 0, self.stop)
            }
            Item::Rows(table, stream) => session.rows((table, stream), encoding, self.stop, |hand_out| {
                self.streams.read(stream, |bytes| {
                    self.stop.check()?;
                    hand_out(bytes)
                })
            }),
        }
    }

    fn rest(&self, name: &str, stream: &Stream, selection: Option<&Selection>) -> Result<()> {
        let Some(selection) = selection else {
            let mut restore = self.programs.rows(&self.reach, name, self.owners, None)?;
            self.streams.read(stream, |bytes| restore.feed(bytes, self.stop))?;
            return restore.finish(self.stop);
        };
        let list = archive::rows_list(self.streams, stream, selection)?;
        let mut restore = self.programs.rows(&self.reach, name, self.owners, Some(list.path()))?;
        let mut feed = |bytes: &[u8]| restore.feed(bytes, self.stop).map(|()| restore.wants_more());
        self.streams.read_while(stream, &mut feed)?;
        restore.finish(self.stop)
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

/// Of the table that has most left first: so sessions are at different tables for as long as one is not much larger.
fn in_turn<'p>(tables: &[&'p Large]) -> Vec<(&'p Large, &'p Stream)> {
    let mut left = Vec::new();
    for table in tables {
        let mut bytes: u64 = table.streams.iter().map(|stream| stream.bytes).sum();
        for stream in &table.streams {
            left.push((bytes, *table, stream));
            bytes -= stream.bytes;
        }
    }
    left.sort_by_key(|(bytes, ..)| std::cmp::Reverse(*bytes));
    left.into_iter().map(|(_, table, stream)| (table, stream)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_take_turns() {
        let table = |name: &str, bytes: &[u64]| Large {
            table: TableName { schema: "s".into(), name: name.into() },
            columns: Vec::new(),
            rows: 0,
            streams: bytes.iter().map(|bytes| Stream { pieces: Vec::new(), bytes: *bytes }).collect(),
        };
        let (a, b, c) = (table("a", &[4, 4, 4]), table("b", &[4, 4]), table("c", &[4, 3]));
        let order: Vec<&str> = in_turn(&[&a, &b, &c]).iter().map(|(table, _)| table.table.name.as_str()).collect();
        assert_eq!(order.concat(), "aabcabc");
    }
}
