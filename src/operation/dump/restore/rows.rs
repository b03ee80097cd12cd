//! Rows, by several sessions at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Work;
use super::archive::{self, Rows};
use crate::flow::caught::Panicked;
use crate::flow::workers::each_with;
use crate::model::dump::selection::Selection;
use crate::model::dump::{Large, Part, Stream};
use crate::model::error::Result;
use crate::postgres::{CopyIn, Ledger};
use crate::report::{Phase, Progress};

/// Between two looks at what the workers do.
const WATCH: Duration = Duration::from_millis(20);

/// A session that is silent for minutes is cut off by many a firewall.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// What a worker takes.
enum Item<'p> {
    /// All, or what is selected.
    Rest(&'p Stream, Option<&'p Selection>),
    Rows(&'p Large, &'p Stream),
}

impl Item<'_> {
    fn bytes(&self) -> u64 {
        match self {
            Item::Rest(stream, _) | Item::Rows(_, stream) => stream.bytes,
        }
    }
}

/// Where to, for all workers.
struct Target<'t> {
    database: &'t str,
    encoding: &'t str,
    /// Bytes so far, for progress.
    handed_out: AtomicU64,
}

impl Work<'_> {
    /// What is one stream in any case first. What the ledger has is there.
    pub(super) fn rows(
        &self,
        database: &str,
        part: &Part,
        rows: &Rows<'_>,
        (ledger, is_begun): (&Ledger, bool),
    ) -> Result<()> {
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
        let total = items.iter().map(Item::bytes).sum();
        let target = Target { database, encoding: &part.database.encoding, handed_out: AtomicU64::new(0) };
        std::thread::scope(|scope| {
            let work = scope.spawn(|| {
                let begin = || CopyIn::begin(&self.reach, database);
                let take = |session: &mut CopyIn, item: Item<'_>| self.take(session, &target, item);
                each_with(self.jobs, items.into_iter(), begin, take, || self.stop.raise())
            });
            let mut heard = Instant::now();
            while !work.is_finished() {
                std::thread::sleep(WATCH);
                if heard.elapsed() > HEARTBEAT {
                    heard = Instant::now();
                    ledger.heartbeat(self.stop).inspect_err(|_| self.stop.raise())?;
                }
                if self.context.interrupt.is_raised() {
                    self.stop.raise();
                }
                let (bytes_done, bytes_total) = (target.handed_out.load(Ordering::Relaxed), Some(total));
                self.listener.progress(Progress { bytes_done, bytes_total, ..Progress::new(Phase::LoadingRows) });
            }
            work.join().map_err(|_| Panicked)?
        })
    }

    fn take(&self, session: &mut CopyIn, target: &Target<'_>, item: Item<'_>) -> Result<()> {
        match item {
            Item::Rest(stream, selection) => {
                self.rest(target, stream, selection)?;
                session.record(stream, 0, self.stop)
            }
            Item::Rows(table, stream) => session.rows((table, stream), target.encoding, self.stop, |hand_out| {
                self.streams.read(stream, |bytes| {
                    self.stop.check()?;
                    target.count(bytes);
                    hand_out(bytes)
                })
            }),
        }
    }

    fn rest(&self, target: &Target<'_>, stream: &Stream, selection: Option<&Selection>) -> Result<()> {
        let list = selection.map(|selection| archive::rows_list(self.streams, stream, selection)).transpose()?;
        let list = list.as_ref().map(tempfile::NamedTempFile::path);
        let mut restore = self.programs.rows(&self.reach, target.database, self.owners, list)?;
        let is_all = list.is_none();
        self.streams.read_while(stream, |bytes| {
            target.count(bytes);
            restore.feed(bytes, self.stop).map(|()| is_all || restore.wants_more())
        })?;
        restore.finish(self.stop)
    }
}

impl Target<'_> {
    fn count(&self, bytes: &[u8]) {
        self.handed_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::TableName;

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
