//! The WAL reader against PostgreSQL's own: every record of a mixed load as pg_waldump and pg_walinspect tell it;
//! a record given up after a crash; timelines.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use pgcairn::model::lsn::Lsn;
use pgcairn::model::wal::{
    Break, Crossing, Event, Outcome as End, PageHeader, Record, WalFormat, WalIdentity, WalReader, scan_segment,
};
use pgcairn::model::wal_name::{Segment, WalName};

use super::support::majors::Installation;
use super::support::server::{Server, Shutdown, run};
use super::support::{Outcome, Scenario, account::account, ledger, skip};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "wal_records::agree_in_small_segments", run: |install| agree(install, 1) },
        Scenario { name: "wal_records::agree_in_large_segments", run: |install| agree(install, 64) },
        Scenario { name: "wal_records::given_up_after_a_crash", run: given_up_after_a_crash },
        Scenario { name: "wal_records::across_two_promotions", run: across_two_promotions },
    ]
}

/// Resource managers as pg_waldump names them, by number.
const RESOURCE_MANAGERS: [&str; 22] = [
    "XLOG",
    "Transaction",
    "Storage",
    "CLOG",
    "Database",
    "Tablespace",
    "MultiXact",
    "RelMap",
    "Standby",
    "Heap2",
    "Heap",
    "Btree",
    "Hash",
    "Gin",
    "Gist",
    "Sequence",
    "SPGist",
    "BRIN",
    "CommitTs",
    "ReplicationOrigin",
    "Generic",
    "LogicalMessage",
];

/// Segments of a directory, one file per number: the newest timeline's, as recovery prefers it.
pub fn segments(dir: &Path, segment_size: u64, up_to: &str) -> Outcome<Vec<(Segment, Vec<u8>)>> {
    let number = |name: &str| match name.parse() {
        Ok(WalName::Segment(name)) => name.to_segment(segment_size),
        _ => None,
    };
    let last = number(up_to).ok_or("not a segment")?;
    let names = fs::read_dir(dir)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut newest = BTreeMap::new();
    for segment in names.filter_map(|name| number(&name)).filter(|segment| segment.number <= last.number) {
        let held = newest.entry(segment.number).or_insert(segment);
        *held = (*held).max(segment);
    }
    let read = |segment: Segment| Ok((segment, fs::read(dir.join(segment.name(segment_size).to_string()))?));
    newest.into_values().map(read).collect()
}

pub fn identity(segments: &[(Segment, Vec<u8>)]) -> Outcome<WalIdentity> {
    let header = segments.first().and_then(|(_, bytes)| PageHeader::parse(bytes)).ok_or("no segment")?;
    let long = header.long.ok_or("no long header")?;
    let format = WalFormat::of_magic(header.magic).ok_or("unknown page magic")?;
    let (system_identifier, segment_size) = (Some(long.system_identifier), long.segment_size.into());
    Ok(WalIdentity { format, system_identifier, segment_size })
}

/// Every record from the first that begins in these segments to their end.
pub fn read(segments: &[(Segment, Vec<u8>)]) -> Outcome<Vec<Record>> {
    let mut records = Vec::new();
    let mut reader = WalReader::at_segment(identity(segments)?, segments[0].0);
    for (segment, bytes) in segments {
        reader.feed(segment.timeline, bytes, &mut |record| records.push(record.clone()))?;
    }
    Ok(records)
}

/// Work of all kinds that leaves unusual WAL: prepared and aborted transactions, subtransactions, records that
/// fill whole segments, dropped relations, restore points, switches in the middle.
fn load(server: &Server) -> Outcome<String> {
    ledger::create(server)?;
    ledger::churn(server, 4, Duration::from_millis(800))?;
    for statement in [
        "select pg_create_restore_point('before the deploy')",
        "create table wide as select repeat(md5(n::text), 100) as t from generate_series(1, 2000) n",
        "select pg_logical_emit_message(true, 'test', repeat('y', 2500000))",
        "do $$ begin for i in 1..200 loop begin insert into ledger default values; \
         exception when others then null; end; end loop; end $$",
        "begin; create table kept (i int); drop table wide; prepare transaction 'with everything'",
        "commit prepared 'with everything'",
        "select pg_switch_wal()",
        "checkpoint",
        "alter table ledger add column more text default 'x'",
        "vacuum full ledger",
    ] {
        server.sql(statement)?;
    }
    server.sql(&format!("select pg_create_restore_point('{}')", "n".repeat(63)))?;
    ledger::churn(server, 4, Duration::from_millis(300))?;
    server.switch_segment()
}

fn agree(install: &'static Installation, segment_mib: u32) -> Outcome {
    let server = Server::builder(install).segment_mib(segment_mib).setting("wal_level", "logical").start()?;
    let ended = load(&server)?;
    let segment_size = u64::from(segment_mib) << 20;
    let wal = segments(&server.data().join("pg_wal"), segment_size, &ended)?;
    let records = read(&wal)?;
    assert!(records.len() > 5000, "{} records", records.len());
    assert_eq!(records.last().map(|record| record.end), Some(wal[wal.len() - 1].0.end(segment_size)));
    scan_each(&wal, &records)?;
    let dumped = install.has("pg_waldump");
    if dumped {
        agree_with_pg_waldump(&server, &wal, &records)?;
    }
    if install.major >= 15 {
        return agree_with_pg_walinspect(&server, &records);
    }
    if dumped { Ok(()) } else { skip("neither pg_waldump nor pg_walinspect is here") }
}

/// Segment by segment, as they are pushed: nothing broken, and no record lost.
fn scan_each(wal: &[(Segment, Vec<u8>)], records: &[Record]) -> Outcome {
    let identity = identity(wal)?;
    let mut seen = 0;
    for (number, (segment, bytes)) in wal.iter().enumerate() {
        let mut scan = scan_segment(identity, *segment, bytes);
        // What crosses into the first of them began in a segment that is gone.
        if let Some(start) = scan.crossing().filter(|_| number > 0) {
            scan.add_crossing(cross(identity, &wal[..=number], start), identity.segment_size);
            seen += 1;
        }
        assert_eq!(scan.broken, None, "{segment:?}");
        seen += scan.records;
    }
    assert_eq!(seen, records.len() as u64);
    Ok(())
}

fn cross(identity: WalIdentity, wal: &[(Segment, Vec<u8>)], start: Lsn) -> Result<Record, Break> {
    let mut crossing = Crossing::new(identity, 8192, start);
    let first = Segment::containing(0, start, identity.segment_size).number;
    let mut skip = crossing.position().offset_in_segment(identity.segment_size) as usize;
    for (segment, bytes) in wal.iter().filter(|(segment, _)| segment.number >= first) {
        if let Some(record) = crossing.feed(segment.timeline, &bytes[std::mem::take(&mut skip)..])? {
            return Ok(record);
        }
    }
    unreachable!("the segment was found to hold the end of this record")
}

fn agree_with_pg_waldump(server: &Server, wal: &[(Segment, Vec<u8>)], records: &[Record]) -> Outcome {
    let name = |place: usize| wal[place].0.name(identity(wal).expect("read before").segment_size).to_string();
    let mut dump = account().command(server.install.program("pg_waldump"));
    dump.arg("--path").arg(server.data().join("pg_wal")).args([name(0), name(wal.len() - 1)]);
    let text = run(&mut dump)?;
    let mut lines = text.lines();
    for record in records {
        let line = lines.next().ok_or("pg_waldump ends early")?;
        assert_eq!(dumped(line)?, told(record), "{line}");
    }
    assert_eq!(lines.next(), None);
    Ok(())
}

/// LSN, link back, resource manager, xid, length, and what the event says.
type Told = (String, String, String, u32, u32, String);

/// `rmgr: Heap  len (rec/tot): 59/ 59, tx: 736, lsn: 0/0150, prev 0/0120, desc: …`
fn dumped(line: &str) -> Outcome<Told> {
    let part = |from: &str, to: &str| -> Outcome<String> {
        let rest = line.split_once(from).ok_or_else(|| format!("no {from:?}: {line}"))?.1;
        Ok(rest.split_once(to).map_or(rest, |(part, _)| part).trim().to_owned())
    };
    let lsn = |text: String| text.parse::<Lsn>().map(|lsn| lsn.to_string());
    let rmgr = part("rmgr: ", " ")?;
    let description = part("desc: ", "\0")?;
    let length = part("(rec/tot):", ",")?;
    let length = length.split_once('/').ok_or("no length")?.1.trim().parse()?;
    let event = described(&rmgr, &description);
    Ok((lsn(part("lsn: ", ",")?)?, lsn(part("prev ", ",")?)?, rmgr, part("tx:", ",")?.parse()?, length, event))
}

/// Of `COMMIT_PREPARED 4711: 2026-11-20 03:00:00.000001 UTC; …`: kind, prepared xid, time.
fn described(rmgr: &str, description: &str) -> String {
    let (kind, rest) = description.split_once(' ').unwrap_or((description, ""));
    if rmgr == "XLOG" && kind == "RESTORE_POINT" {
        return rest.to_owned();
    }
    if rmgr != "Transaction" || !(kind.starts_with("COMMIT") || kind.starts_with("ABORT")) {
        return String::new();
    }
    let end = rest.find("+00").or(rest.find(" UTC")).unwrap_or(rest.len());
    format!("{kind} {}", rest[..end].trim_end_matches(['0', '.']))
}

fn told(record: &Record) -> Told {
    let event = match &record.event {
        Some(Event::TransactionEnd(end)) => {
            let kind = if end.outcome == End::Commit { "COMMIT" } else { "ABORT" };
            let time = end.time.to_string();
            let time = time.trim_end_matches("+00").trim_end_matches(['0', '.']);
            if end.prepared { format!("{kind}_PREPARED {}: {time}", end.xid) } else { format!("{kind} {time}") }
        }
        Some(Event::RestorePoint(point)) => point.name_lossy(),
        _ => String::new(),
    };
    let rmgr = RESOURCE_MANAGERS[usize::from(record.rmid)].to_owned();
    (record.lsn.to_string(), record.prev.to_string(), rmgr, record.xid, record.total_length, event)
}

fn agree_with_pg_walinspect(server: &Server, records: &[Record]) -> Outcome {
    let (first, last) = (&records[0], &records[records.len() - 1]);
    let text = format!(
        "select start_lsn, prev_lsn, resource_manager, xid, record_length, record_type || ' ' || description, end_lsn \
         from pg_get_wal_records_info('{}', '{}') order by start_lsn",
        first.lsn, last.end
    );
    let rows = server.sql(&text)?;
    assert_eq!(rows.len(), records.len());
    for (row, record) in rows.iter().zip(records) {
        let event = described(&row[2], &row[5]);
        let (xid, length) = (row[3].parse()?, row[4].parse()?);
        assert_eq!((row[0].clone(), row[1].clone(), row[2].clone(), xid, length, event), told(record));
        assert_eq!(row[6], record.end.to_string(), "{record:?}");
    }
    Ok(())
}

/// As PostgreSQL's own 026_overwrite_contrecord: a record loses its end in a crash, and the server goes on.
fn given_up_after_a_crash(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).segment_mib(1).start()?;
    server.sql("create table before (i int)")?;
    server.sql("checkpoint")?;
    server.sql("select pg_logical_emit_message(true, 'lost', repeat('xyzxz', 600000))")?;
    let tail = server.segment()?;
    server.stop(Shutdown::Immediate)?;
    fs::remove_file(server.data().join("pg_wal").join(tail))?;
    server.start()?;
    server.sql("create table after (i int)")?;
    let ended = server.switch_segment()?;

    let wal = segments(&server.data().join("pg_wal"), 1 << 20, &ended)?;
    let records = read(&wal)?;
    let overwrites = |record: &&Record| matches!(record.event, Some(Event::OverwriteContrecord { .. }));
    assert_eq!(records.iter().filter(overwrites).count(), 1);
    scan_each(&wal, &records)
}

/// Ends recovery twice; the segments of three timelines are one log.
fn across_two_promotions(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("restore_command", "'false'").start()?;
    ledger::create(&server)?;
    for timeline in [2, 3] {
        ledger::churn(&server, 2, Duration::from_millis(200))?;
        server.stop(Shutdown::Fast)?;
        account().write(&server.data().join("recovery.signal"), "", 0o600)?;
        server.start()?;
        server.wait_promoted()?;
        let now = server.value("select timeline_id from pg_control_checkpoint()")?;
        assert_eq!(now, timeline.to_string());
    }
    ledger::churn(&server, 2, Duration::from_millis(200))?;
    let ended = server.switch_segment()?;

    let wal = segments(&server.data().join("pg_wal"), 16 << 20, &ended)?;
    let records = read(&wal)?;
    let mut timelines: Vec<_> = records.iter().filter_map(timeline_of).collect();
    timelines.dedup();
    assert_eq!(timelines, [1, 2, 3]);
    scan_each(&wal, &records)
}

fn timeline_of(record: &Record) -> Option<u32> {
    match record.event {
        Some(Event::Checkpoint { timeline, .. } | Event::EndOfRecovery { timeline, .. }) => Some(timeline),
        _ => None,
    }
}
