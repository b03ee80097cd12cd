//! What goes into one database: what is made before rows, rows by several sessions, what is made after them, and then
//! the count.

use super::Work;
use super::archive::{self, Rows, SchemaArchive, Selected};
use crate::flow::workers::each_with;
use crate::model::dump::selection::Selection;
use crate::model::dump::{Large, Part, Stream, TableName};
use crate::model::error::{Code, Error, Result};
use crate::postgres::{CopyIn, Ledger, NewDatabase, Section, Step};

/// How many things are named at once.
const NAMED: usize = 10;

/// What a worker takes.
enum Item<'p> {
    /// All, or what is selected.
    Rest(&'p Stream, Option<&'p Selection>),
    Rows(&'p Large, &'p Stream),
}

impl Work<'_> {
    /// From where the database is.
    pub(super) fn fill(
        &self,
        (new, ledger): (&mut NewDatabase<'_>, Ledger),
        part: &Part,
        selected: Option<&Selected>,
    ) -> Result<()> {
        let (name, interrupt) = (new.name.clone(), &self.context.interrupt);
        let whole;
        let (archive, list, rows) = match selected {
            Some(selected) => (selected.archive.path(), Some(selected.list()?), selected.rows_of(part)),
            None => {
                whole = SchemaArchive::file(self.streams, part)?;
                (whole.path(), None, Rows::all(part))
            }
        };
        let section = |section, list: Option<&tempfile::NamedTempFile>| {
            let archive = (archive, list.map(tempfile::NamedTempFile::path));
            self.programs.section(&self.reach, &name, self.owners, section, archive, interrupt)
        };
        let begun = new.step;
        if begun == Step::Definitions {
            section(Section { name: "pre-data", jobs: 1, is_begun: false }, list.as_ref())?;
            ledger.begin(interrupt)?;
            new.reach(Step::Rows)?;
        }
        if begun <= Step::Rows {
            self.rows(&name, part, &rows, (&ledger, begun == Step::Rows))?;
            // What comes after may write rows of its own: an event trigger that keeps a log.
            self.count(&name, &rows)?;
            new.reach(Step::Indexes)?;
        }
        ledger.end(interrupt)?;
        let after = Section { name: "post-data", jobs: self.jobs, is_begun: begun == Step::Indexes };
        if !after.is_begun {
            return section(after, list.as_ref());
        }
        new.reset()?;
        ledger.detach_subscriptions(interrupt)?;
        section(after, Some(&self.remaining(new, part, selected)?))
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
        let of_table = |table: &&Large| table.streams.iter().filter_map(|stream| there.get(&stream.key())).sum();
        let loaded = std::sync::Mutex::new(rows.large.iter().map(of_table).collect::<Vec<u64>>());
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
            Item::Rest(stream, selection) => {
                self.rest(name, stream, selection)?;
                session.record(stream, 0, self.stop)
            }
            Item::Rows(table, stream) => {
                let rows = session.rows((table, stream), encoding, self.stop, |hand_out| {
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

    /// Small tables: what `COPY` says of large ones is compared already.
    fn count(&self, name: &str, rows: &Rows<'_>) -> Result<()> {
        let tables: Vec<TableName> = rows.small.iter().map(|table| table.table.clone()).collect();
        let found = CopyIn::begin(&self.reach, name)?.count(&tables, &self.context.interrupt)?;
        differing(rows.small.iter().zip(found).map(|(table, found)| (&table.table, table.rows, found)))
    }
}

/// First of the table that has most left: sessions come together at one table only where the others are done.
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
