//! What goes into one database: what is made before rows, rows by several sessions, what is made after them, and then
//! the count.

use std::io::Write;

use super::Work;
use crate::flow::workers::each_with;
use crate::model::dump::{Large, Part, Stream, TableName};
use crate::model::error::{Code, Error, Result};
use crate::operation::failure::cannot;
use crate::postgres::CopyIn;

/// How many tables with another number of rows are named.
const NAMED: usize = 10;

/// What a worker takes.
enum Item<'p> {
    Rest(&'p Stream),
    Rows(&'p Large, &'p Stream),
}

impl Work<'_> {
    pub(super) fn fill(&self, name: &str, part: &Part) -> Result<()> {
        let archive = tempfile::NamedTempFile::new().map_err(|e| cannot("create", "a temporary file", e))?;
        self.streams.read(&part.schema, |bytes| {
            archive.as_file().write_all(bytes).map_err(|e| cannot("write", "a temporary file", e))
        })?;
        let section = |section, jobs| {
            let interrupt = &self.context.interrupt;
            self.programs.section(&self.reach, name, self.owners, (section, jobs), archive.path(), interrupt)
        };
        section("pre-data", 1)?;
        self.rows(name, part)?;
        section("post-data", self.jobs)?;
        self.count(name, part)
    }

    /// The longest first, after what is one stream in any case.
    fn rows(&self, name: &str, part: &Part) -> Result<()> {
        let mut large: Vec<(&Large, &Stream)> =
            part.large.iter().flat_map(|table| table.streams.iter().map(move |stream| (table, stream))).collect();
        large.sort_by_key(|(_, stream)| std::cmp::Reverse(stream.bytes));
        let rest = part.rest.iter().map(Item::Rest);
        let items: Vec<Item> = rest.chain(large.into_iter().map(|(table, stream)| Item::Rows(table, stream))).collect();
        let loaded = std::sync::Mutex::new(vec![0; part.large.len()]);
        std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                let begin = || CopyIn::begin(&self.reach, name);
                let take = |session: &mut CopyIn, item: Item<'_>| self.take(session, name, part, item, &loaded);
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
        let tables = part.large.iter().zip(loaded).map(|(table, rows)| (&table.table, table.rows, rows));
        differing(tables)
    }

    fn take(
        &self,
        session: &mut CopyIn,
        name: &str,
        part: &Part,
        item: Item<'_>,
        loaded: &std::sync::Mutex<Vec<u64>>,
    ) -> Result<()> {
        match item {
            Item::Rest(stream) => {
                let mut restore = self.programs.rows(&self.reach, name, self.owners)?;
                self.streams.read(stream, |bytes| restore.feed(bytes, self.stop))?;
                restore.finish(self.stop)
            }
            Item::Rows(table, stream) => {
                let rows = session.rows(table, &part.database.encoding, self.stop, |hand_out| {
                    self.streams.read(stream, |bytes| {
                        self.stop.check()?;
                        hand_out(bytes)
                    })
                })?;
                let at = part.large.iter().position(|other| other.table == table.table);
                let mut loaded = loaded.lock().unwrap_or_else(|e| e.into_inner());
                if let Some(counted) = at.and_then(|at| loaded.get_mut(at)) {
                    *counted += rows;
                }
                Ok(())
            }
        }
    }

    fn count(&self, name: &str, part: &Part) -> Result<()> {
        let tables: Vec<TableName> = part.rows.iter().map(|table| table.table.clone()).collect();
        let found = CopyIn::begin(&self.reach, name)?.count(&tables, &self.context.interrupt)?;
        differing(part.rows.iter().zip(found).map(|(table, rows)| (&table.table, table.rows, rows)))
    }
}

fn differing<'t>(tables: impl Iterator<Item = (&'t TableName, u64, u64)>) -> Result<()> {
    let wrong: Vec<String> = tables
        .filter(|(_, dumped, found)| dumped != found)
        .map(|(table, dumped, found)| format!("{table} has {found} rows, not {dumped}"))
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let more = if wrong.len() > NAMED { format!(" and {} more", wrong.len() - NAMED) } else { String::new() };
    let named = wrong.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    Err(Error::new(Code::Damaged, format!("what was loaded is not what was dumped: {named}{more}"))
        .hint("use another dump: pgcairn dump list"))
}
