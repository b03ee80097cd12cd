//! The WAL reader over frozen WAL of real servers, whole and damaged (`fixtures/wal`). Needs no server.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pgcairn::model::lsn::Lsn;
use pgcairn::model::wal::page::LONG_HEADER_FLAG;
use pgcairn::model::wal::{
    Event, Outcome, PageHeader, Record, SegmentScanner, WalFormat, WalIdentity, WalReader, scan_segment,
};
use pgcairn::model::wal_name::{Segment, WalName};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const SEGMENT: usize = 1 << 20;
const PAGE: usize = 8192;
/// Random places flipped in each sample, besides every place of some pages.
const FLIPS: usize = 300;
/// How long bytes are mangled at random.
const MANGLING: Duration = Duration::from_secs(3);

struct Sample {
    identity: WalIdentity,
    first: Segment,
    /// Both segments.
    bytes: Vec<u8>,
    expected: String,
}

fn directories() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wal");
    let entries = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    found.sort();
    found
}

fn unpack(path: &Path) -> Vec<u8> {
    zstd::decode_all(fs::File::open(path).unwrap()).unwrap()
}

fn sample(directory: &Path) -> Sample {
    let major = directory.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.file_stem().is_some_and(|stem| stem.len() == 24));
    names.sort();
    let name = names[0].file_stem().unwrap().to_str().unwrap().parse();
    let Ok(WalName::Segment(name)) = name else { panic!("{names:?}") };
    let bytes: Vec<u8> = names.iter().flat_map(|path| unpack(path)).collect();
    let long = PageHeader::parse(&bytes).unwrap().long.unwrap();
    let format = WalFormat::of_major(major).unwrap();
    let (system_identifier, segment_size) = (Some(long.system_identifier), u64::from(long.segment_size));
    Sample {
        identity: WalIdentity { format, system_identifier, segment_size },
        first: name.to_segment(segment_size).unwrap(),
        bytes,
        expected: String::from_utf8(unpack(&directory.join("records.txt.zst"))).unwrap(),
    }
}

fn samples() -> Vec<Sample> {
    let samples: Vec<_> = directories().iter().map(|directory| sample(directory)).collect();
    assert!(samples.len() >= 4);
    samples
}

impl Sample {
    fn start(&self) -> u64 {
        self.first.start(self.identity.segment_size).0
    }

    /// The records up to the end or the first break, and where that is.
    fn read(&self, bytes: &[u8]) -> (Vec<Record>, Option<Lsn>) {
        let mut records = Vec::new();
        let mut reader = WalReader::at_segment(self.identity, self.first);
        let fed = reader.feed(1, bytes, &mut |record| records.push(record.clone()));
        (records, fed.err().map(|broken| broken.at))
    }
}

fn line(record: &Record) -> String {
    const NAMES: [&str; 22] = [
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
    let event = match &record.event {
        Some(Event::TransactionEnd(end)) => {
            let kind = if end.outcome == Outcome::Commit { "COMMIT" } else { "ABORT" };
            let prepared = if end.prepared { format!("_PREPARED {}:", end.xid) } else { String::new() };
            format!(" {kind}{prepared} {}", end.time.to_string().trim_end_matches("+00"))
        }
        Some(Event::RestorePoint(point)) => format!(" RESTORE_POINT {}", point.name_lossy()),
        _ => String::new(),
    };
    let Record { lsn, prev, xid, total_length, .. } = record;
    format!("{lsn} {prev} {} {xid} {total_length}{event}", NAMES[usize::from(record.rmid)])
}

#[test]
fn every_record_is_read_as_postgresql_reads_it() {
    for sample in samples() {
        let (records, broken) = sample.read(&sample.bytes);
        assert_eq!((records.len(), broken), (sample.expected.lines().count(), None));
        for (record, expected) in records.iter().zip(sample.expected.lines()) {
            assert_eq!(line(record), expected);
        }
    }
}

#[test]
fn each_segment_alone_says_what_crosses_in() {
    for sample in samples() {
        let scans: Vec<_> = (sample.bytes.chunks(SEGMENT).zip(sample.first.number..))
            .map(|(bytes, number)| scan_segment(sample.identity, Segment { timeline: 1, number }, bytes))
            .collect();
        assert!(scans.iter().all(|scan| scan.broken.is_none()));
        let records: u64 = scans.iter().map(|scan| scan.records).sum();
        assert_eq!(records + 1, sample.expected.lines().count() as u64, "one crosses");
        let (whole, _) = sample.read(&sample.bytes);
        let boundary = sample.start() + SEGMENT as u64;
        let crossing = whole.iter().find(|record| record.lsn.0 < boundary && record.end.0 > boundary).unwrap();
        assert_eq!((scans[0].crossing(), scans[1].crossing()), (None, Some(crossing.lsn)));
    }
}

/// Bytes that PostgreSQL looks at no more than we do: padding behind records and in page headers, all behind the
/// switch, a continuation length where nothing is continued, flags that matter only to a continued record.
fn is_unchecked(sample: &Sample, records: &[Record], position: usize) -> bool {
    let address = sample.start() + position as u64;
    let switch = records.last().unwrap();
    let header = PageHeader::parse(&sample.bytes[position / PAGE * PAGE..]).unwrap();
    match position % PAGE {
        _ if address >= switch.lsn.0 + u64::from(switch.total_length) => true,
        2 | 20..24 => true,
        16..20 => !header.begins_with_continuation(),
        offset if offset < header.length() => false,
        _ => records.iter().any(|record| (1..8).contains(&record.end.0.wrapping_sub(address))),
    }
}

fn flip(sample: &Sample, good: &[Record], bytes: &mut [u8], position: usize, bit: u8) {
    bytes[position] ^= 1 << bit;
    let (records, broken) = sample.read(bytes);
    bytes[position] ^= 1 << bit;
    let address = sample.start() + position as u64;
    match broken {
        Some(at) => assert!(at.0 <= address, "flip at {address:X}: break at {at}"),
        None => assert!(is_unchecked(sample, good, position), "flip at {address:X}, bit {bit}, went unnoticed"),
    }
    assert_eq!(records[..], good[..records.len()]);
}

#[test]
fn every_flipped_bit_is_noticed_at_its_record() {
    for sample in samples() {
        let (good, _) = sample.read(&sample.bytes);
        let mut bytes = sample.bytes.clone();
        let mut random = StdRng::seed_from_u64(sample.identity.format.major.into());
        // The beginning of a segment, and its first boundary between pages.
        for position in (0..300).chain(PAGE - 100..PAGE + 100).chain(SEGMENT - 40..SEGMENT + 80) {
            flip(&sample, &good, &mut bytes, position, random.random_range(0..8));
        }
        for _ in 0..FLIPS {
            let position = random.random_range(0..bytes.len());
            flip(&sample, &good, &mut bytes, position, random.random_range(0..8));
        }
    }
}

/// Pages copied elsewhere, runs overwritten, lengths changed, ends cut off: whatever it is, the reader survives,
/// and what it still hands out is real.
#[test]
fn mangled_wal_is_survived() {
    let samples = samples();
    let mut random = StdRng::seed_from_u64(4711);
    let begun = Instant::now();
    let mut rounds = 0;
    while begun.elapsed() < MANGLING {
        let sample = &samples[rounds % samples.len()];
        let mut bytes = sample.bytes.clone();
        for _ in 0..random.random_range(1..6) {
            mangle(&mut bytes, &mut random);
        }
        let (records, _) = sample.read(&bytes);
        assert!(records.windows(2).all(|pair| pair[1].prev == pair[0].lsn));
        let mut scanner = SegmentScanner::new(sample.identity, sample.first);
        bytes.chunks(4 * PAGE).take(SEGMENT / PAGE / 4).for_each(|pages| scanner.feed(pages));
        let _ = scanner.finish();
        rounds += 1;
    }
    assert!(rounds > 20, "{rounds} rounds");
}

fn mangle(bytes: &mut Vec<u8>, random: &mut StdRng) {
    let place = random.random_range(0..bytes.len());
    let page = place / PAGE * PAGE;
    match random.random_range(0..6) {
        0 => bytes.truncate(place.max(1)),
        1 => {
            let other = random.random_range(0..bytes.len() / PAGE + 1) * PAGE;
            let end = (page + PAGE).min(bytes.len());
            if other + PAGE <= bytes.len() {
                bytes.copy_within(page..end, other);
            }
        }
        2 => {
            let end = (place + random.random_range(1..200)).min(bytes.len());
            random.fill(&mut bytes[place..end]);
        }
        3 => {
            // A length, wherever a record may begin.
            let place = place / 8 * 8;
            let length: u32 = random.random_range(0..100_000);
            if let Some(field) = bytes.get_mut(place..place + 4) {
                field.copy_from_slice(&length.to_le_bytes());
            }
        }
        4 => bytes[page..].iter_mut().take(PAGE).for_each(|byte| *byte = 0),
        _ => {
            // Flags and continuation length of a page.
            let flags = random.random_range(0..16u16) & !LONG_HEADER_FLAG;
            if let Some(header) = bytes.get_mut(page..page + 24) {
                header[2..4].copy_from_slice(&flags.to_le_bytes());
                header[16..20].copy_from_slice(&random.random_range(0..50_000u32).to_le_bytes());
            }
        }
    }
}
