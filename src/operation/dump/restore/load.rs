//! What goes into one database: what is made before rows, rows by several sessions, what is made after them, and then
//! the count.

use super::Work;
use super::archive::{self, Rows, SchemaArchive, Selected};
use crate::flow::workers::each_with;
use crate::model::dump::selection::Selection;
use crate::model::dump::{Large, Part, Stream, TableName};
use crate::model::error::{Code, Error, Result};
use crate::postgres::CopyIn;

/// How many things are named at once.
const NAMED: usize = 10;

/// What a worker takes.
enum Item<'p> {
    /// All, or what is selected.
    Rest(&'p Stream, Option<&'p Selection>),
    Rows(&'p Large, &'p Stream),
}

impl Work<'_> {
    pub(super) fn fill(&self, name: &str, part: &Part, selected: Option<&Selected>) -> Result<()> {
        let whole;
        let (archive, list, rows) = match selected {
            Some(selected) => (selected.archive.path(), Some(selected.list()?), selected.rows_of(part)),
            None => {
                whole = SchemaArchive::file(self.streams, part)?;
                (whole.path(), None, Rows::all(part))
            }
        };
        let section = |section, jobs| {
            let archive = (archive, list.as_ref().map(tempfile::NamedTempFile::path));
            let interrupt = &self.context.interrupt;
            self.programs.section(&self.reach, name, self.owners, (section, jobs), archive, interrupt)
        };
        section("pre-data", 1)?;
        self.rows(name, part, &rows)?;
        // What comes after may write rows of its own: an event trigger that keeps a log.
        self.count(name, &rows)?;
        section("post-data", self.jobs)
    }

    /// The longest first, after what is one stream in any case.
    fn rows(&self, name: &str, part: &Part, rows: &Rows<'_>) -> Result<()> {
        let mut large: Vec<(&Large, &Stream)> =
            rows.large.iter().flat_map(|table| table.streams.iter().map(move |stream| (*table, stream))).collect();
        large.sort_by_key(|(_, stream)| std::cmp::Reverse(stream.bytes));
        let rest = rows.rest.iter().map(|rest| Item::Rest(rest, rows.selection));
        let items: Vec<Item> = rest.chain(large.into_iter().map(|(table, stream)| Item::Rows(table, stream))).collect();
        let loaded = std::sync::Mutex::new(vec![0; rows.large.len()]);
        std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                let begin = || CopyIn::begin(&self.reach, name);
                let encoding = part.database.encoding.as_str();
                let take = |session: &mut CopyIn, item: Item<'_>| {
                    self.take(session, (name, encoding), &rows.large, item, &loaded)
                };
                each_with(self.jobs, items.into_iter(), begin, take, || self.stop.raise())
            });
            while !work.is_finished() {
                std::thread::sleep(std::time::Duration::from_millis(20));
                if self.context.interrupt.is_raised() {
                    self.stop.raise();
                }
            }
            work.join().map_err(|_| crate::flow::caught::Panicked)?
        })?;
        let loaded = loaded.into_inner().unwrap_or_else(|e| e.into_inner());
        let tables = rows.large.iter().zip(loaded).map(|(table, rows)| (&table.table, table.rows, rows));
        differing(tables)
    }

    fn take(
        &self,
        session: &mut CopyIn,
        (name, encoding): (&str, &str),
        large: &[&Large],
        item: Item<'_>,
        loaded: &std::sync::Mutex<Vec<u64>>,
    ) -> Result<()> {
        match item {
            Item::Rest(stream, None) => {
                let mut restore = self.programs.rows(&self.reach, name, self.owners, None)?;
                self.streams.read(stream, |bytes| restore.feed(bytes, self.stop))?;
                restore.finish(self.stop)
            }
            Item::Rest(stream, Some(selection)) => {
                let list = archive::rows_list(self.streams, stream, selection)?;
                let mut restore = self.programs.rows(&self.reach, name, self.owners, Some(list.path()))?;
                let mut feed = |bytes: &[u8]| restore.feed(bytes, self.stop).map(|()| restore.wants_more());
                self.streams.read_while(stream, &mut feed)?;
                restore.finish(self.stop)
            }
            Item::Rows(table, stream) => {
                let rows = session.rows(table, encoding, self.stop, |hand_out| {
                    self.streams.read(stream, |bytes| {
                        self.stop.check()?;
                        hand_out(bytes)
                    })
                })?;
                let at = large.iter().position(|other| other.table == table.table);
                let mut loaded = loaded.lock().unwrap_or_else(|e| e.into_inner());
                if let Some(counted) = at.and_then(|at| loaded.get_mut(at)) {
                    *counted += rows;
                }
                Ok(())
            }
        }
    }

    fn count(&self, name: &str, rows: &Rows<'_>) -> Result<()> {
        let small = rows.small.iter().map(|table| (&table.table, table.rows));
        let all: Vec<(&TableName, u64)> =
            small.chain(rows.large.iter().map(|table| (&table.table, table.rows))).collect();
        let tables: Vec<TableName> = all.iter().map(|(table, _)| (*table).clone()).collect();
        let found = CopyIn::begin(&self.reach, name)?.count(&tables, &self.context.interrupt)?;
        differing(all.into_iter().zip(found).map(|((table, dumped), found)| (table, dumped, found)))
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
