//! One database: a snapshot, and workers that take what there is to be read, the longest first.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Run;
use crate::flow::caught::Panicked;
use crate::flow::stream_writer::StreamWriter;
use crate::flow::workers::{each_with, lower_priority};
use crate::model::dump::{Database, Large, Part, Stream, TableRows};
use crate::model::error::Result;
use crate::postgres::{
    COUNTED_AT_ONCE, Connection, CopyOut, DumpedDatabase, HeldSnapshot, LargeTable, Reach, Snapshot,
};
use crate::report::{Phase, Progress};

/// How often the watch looks.
const WATCH: Duration = Duration::from_millis(100);
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Bytes of a table that one stream has, about: enough workers find something, and a load can go on in the middle.
const RANGE: u64 = 64 << 20;

/// What a worker takes.
#[derive(Debug, Clone, Copy)]
enum Item {
    Schema,
    Rest,
    /// Of the large table of that number, its range of that number.
    Range {
        table: usize,
        range: usize,
        blocks: Option<(u64, Option<u64>)>,
    },
}

/// What came of them.
#[derive(Default)]
struct Found {
    schema: Stream,
    rest: Option<Stream>,
    /// By table and range.
    ranges: Vec<(usize, usize, Stream, u64)>,
}

/// What every worker has of its own.
struct Worker<'w> {
    writer: StreamWriter<'w>,
    session: Option<CopyOut>,
}

impl Run<'_> {
    /// `later`: bytes of the databases that come after it, about.
    pub(super) fn database(&self, first: &mut Connection, database: &DumpedDatabase, later: u64) -> Result<Part> {
        let mut held = HeldSnapshot::begin(first, database, self.prepared.manner, &self.context.interrupt)?;
        let (server, snapshot) = (first.reach(), held.snapshot.clone());
        let total = self.read.load(Ordering::Relaxed) + snapshot.tables.bytes + later;
        let total = (!self.prepared.manner.schema_only).then_some(total);
        let items = items(&snapshot, self.prepared.manner.schema_only);
        let (found, mut counts) = (Mutex::new(Found::default()), Vec::new());
        std::thread::scope(|scope| {
            let work = scope.spawn(|| self.work(&server, database, &snapshot, items, &found));
            let watched = self.watch((first, &mut held), &mut counts, total, &|| work.is_finished());
            if watched.is_err() {
                self.stop.raise();
            }
            let worked = work.join().map_err(|_| Panicked);
            watched?;
            worked?
        })?;
        // The locks have held until here.
        held.check_names()?;
        let found = found.into_inner().unwrap_or_else(|e| e.into_inner());
        let part = part(database, &snapshot, found, counts);
        held.end()?;
        Ok(part)
    }

    fn work(
        &self,
        server: &Reach,
        database: &DumpedDatabase,
        snapshot: &Snapshot,
        items: Vec<Item>,
        found: &Mutex<Found>,
    ) -> Result<()> {
        let begin = || {
            lower_priority();
            let writer = StreamWriter::new(&self.pieces, &self.uploads)?;
            let place = (database.name.as_str(), database.encoding.as_str());
            let reads_rows = !self.prepared.manner.schema_only;
            let session = reads_rows.then(|| CopyOut::begin(server, place, snapshot));
            Ok(Worker { writer, session: session.transpose()? })
        };
        let take = |worker: &mut Worker<'_>, item| self.take(server, database, snapshot, worker, item, found);
        each_with(self.jobs, items.into_iter(), begin, take, || self.stop.raise())
    }

    fn take(
        &self,
        server: &Reach,
        database: &DumpedDatabase,
        snapshot: &Snapshot,
        worker: &mut Worker<'_>,
        item: Item,
        found: &Mutex<Found>,
    ) -> Result<()> {
        let (programs, manner, name) = (&self.prepared.programs, self.prepared.manner, &database.name);
        let found = || found.lock().unwrap_or_else(|e| e.into_inner());
        match item {
            Item::Schema => {
                let archive = programs.schema(server, name, snapshot, manner)?;
                let stream = self.archive_into(archive, &mut worker.writer, &self.stop)?;
                found().schema = stream;
            }
            Item::Rest => {
                let in_recovery = self.prepared.server.in_recovery;
                let archive = programs.rest(server, (name, &database.encoding), snapshot, manner, in_recovery)?;
                let stream = self.archive_into(archive, &mut worker.writer, &self.stop)?;
                found().rest = Some(stream);
            }
            Item::Range { table, range, blocks } => {
                if let (Some(session), Some(large)) = (&mut worker.session, snapshot.tables.large.get(table)) {
                    let writer = &mut worker.writer;
                    let rows = session.rows(large, blocks, &self.stop, |bytes| self.write(writer, bytes))?;
                    let stream = writer.finish()?;
                    found().ranges.push((table, range, stream, rows));
                }
            }
        }
        Ok(())
    }

    /// Counts what the workers do not, and keeps the sessions awake.
    fn watch(
        &self,
        (first, held): (&mut Connection, &mut HeldSnapshot),
        counts: &mut Vec<u64>,
        total: Option<u64>,
        finished: &dyn Fn() -> bool,
    ) -> Result<()> {
        // Without their rows tables have none, which a restore can count like any other number.
        let small = if self.prepared.manner.schema_only { Vec::new() } else { held.snapshot.tables.small.clone() };
        let mut uncounted = small.chunks(COUNTED_AT_ONCE);
        let mut heartbeat = Instant::now();
        loop {
            match uncounted.next().filter(|_| !self.stop.is_raised()) {
                Some(some) => counts.extend(held.count(some)?),
                None if finished() => return Ok(()),
                None => std::thread::sleep(WATCH),
            }
            self.context.interrupt.check()?;
            if heartbeat.elapsed() >= HEARTBEAT {
                held.heartbeat()?;
                first.heartbeat()?;
                heartbeat = Instant::now();
            }
            let bytes_done = self.read.load(Ordering::Relaxed);
            // The text of rows may be longer than they are on disk.
            let bytes_total = total.map(|total| total.max(bytes_done));
            self.listener.progress(Progress { bytes_done, bytes_total, ..Progress::new(Phase::Copying) });
        }
    }
}

/// Programs first, which ask for locks themselves; then the longest.
fn items(snapshot: &Snapshot, schema_only: bool) -> Vec<Item> {
    if schema_only {
        return vec![Item::Schema];
    }
    let mut items = vec![Item::Schema, Item::Rest];
    let mut tables: Vec<(usize, &LargeTable)> = snapshot.tables.large.iter().enumerate().collect();
    tables.sort_by_key(|(_, table)| std::cmp::Reverse(table.bytes));
    for (table, large) in tables {
        items.extend(ranges(large).into_iter().enumerate().map(|(range, blocks)| Item::Range { table, range, blocks }));
    }
    items
}

/// Blocks of a table in even parts. The last one has no end: what was appended since is not in the snapshot, but blocks
/// may be.
fn ranges(table: &LargeTable) -> Vec<Option<(u64, Option<u64>)>> {
    let number = (table.bytes / RANGE).max(1);
    let Some(blocks) = table.blocks.filter(|blocks| number > 1 && *blocks >= number) else { return vec![None] };
    let at = |part: u64| blocks / number * part;
    (0..number).map(|part| Some((at(part), (part + 1 < number).then(|| at(part + 1))))).collect()
}

fn part(database: &DumpedDatabase, snapshot: &Snapshot, mut found: Found, counts: Vec<u64>) -> Part {
    found.ranges.sort_by_key(|(table, range, ..)| (*table, *range));
    let mut large: Vec<Large> = snapshot
        .tables
        .large
        .iter()
        .map(|table| Large { table: table.name.clone(), columns: table.columns.clone(), rows: 0, streams: Vec::new() })
        .collect();
    for (table, _, stream, rows) in found.ranges {
        if let Some(large) = large.get_mut(table) {
            large.rows += rows;
            large.streams.push(stream);
        }
    }
    let counts = counts.into_iter().chain(std::iter::repeat(0));
    let rows = snapshot.tables.small.iter().cloned().zip(counts).map(|(table, rows)| TableRows { table, rows });
    let DumpedDatabase { name, owner, encoding, locale, settings, comment, .. } = database.clone();
    let (taken, snapshot) = (snapshot.taken, snapshot.words.clone());
    let database = Database { name, owner, encoding, locale, settings, comment, snapshot, taken };
    Part { database, schema: found.schema, rest: found.rest, rows: rows.collect(), large }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dump::TableName;

    #[test]
    fn ranges_cover_a_table_once() {
        let table = |bytes: u64, blocks: Option<u64>| LargeTable {
            name: TableName { schema: "s".into(), name: "t".into() },
            oid: 1,
            pattern: Vec::new(),
            columns: vec!["a".into()],
            bytes,
            blocks,
        };
        assert_eq!(ranges(&table(RANGE, Some(9000))), [None]);
        assert_eq!(ranges(&table(9 * RANGE, None)), [None]);
        // Nearly all of it is beside the table, in TOAST.
        assert_eq!(ranges(&table(9 * RANGE, Some(3))), [None]);
        let parts = ranges(&table(3 * RANGE + 5, Some(100)));
        assert_eq!(parts, [Some((0, Some(33))), Some((33, Some(66))), Some((66, None))]);
    }
}
