//! Holds docs/format.md against the code: every example is read, and written again byte for byte; every bound is
//! the constant's.

use std::fmt::Debug;

use pgcairn::codec::{MAX_HEADER, MAX_RECIPIENTS};
use pgcairn::model::catalog::{
    self, FlaggedPage, MAX_COMMIT_MARKER, MAX_FLAGGED_PAGES, MAX_LABELS, MAX_OBJECTS, ObjectLine, Summary,
};
use pgcairn::model::deletion::{
    Condemned, GRACE, Hold, MAX_CONDEMNED, MAX_CONDEMNED_KEYS, MAX_HOLD, MAX_REASON, RunMarker,
};
use pgcairn::model::digest::{DigestHeader, PartDigests};
use pgcairn::model::drill::{DumpRecord, Record};
use pgcairn::model::dump;
use pgcairn::model::envelope::{Envelope, MAX_ENVELOPE};
use pgcairn::model::key::{BackupId, ClusterKeys, ClusterName, Encryption, MAX_CLUSTER_NAME};
use pgcairn::model::manifest::{
    DIGEST_BLOCK, Line, MAX_FRAME, MAX_PACK, MAX_PART_BYTES, MAX_PART_DATA, MAX_PART_EXTENTS, MAX_PART_LINES,
    MAX_PART_TEXT, MAX_SLICE, Part,
};
use pgcairn::model::path::{MAX_NAME, MAX_PATH};
use pgcairn::model::signature::{Signed, SigningKey};
use pgcairn::model::timeline::TimelineJson;
use pgcairn::model::verification;
use pgcairn::model::wal_name::{MAX_SEGMENT_SIZE, MIN_SEGMENT_SIZE};
use pgcairn::model::{key_check, record, recovery_sheet};
use pgcairn::store::Marker;
use serde::{Serialize, de::DeserializeOwned};

const TEXT: &str = include_str!("../docs/format.md");

/// Examples: what follows "```json" on the fence, and the lines.
fn examples() -> Vec<(&'static str, &'static str)> {
    let blocks = TEXT.split("\n```json ").skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap().split_once('\n').unwrap()).collect()
}

/// The examples with this word.
fn examples_of(word: &str) -> Vec<&'static str> {
    let found: Vec<_> = examples().into_iter().filter(|(info, _)| *info == word).map(|(_, text)| text).collect();
    assert!(!found.is_empty(), "no example of {word}");
    found
}

fn example(word: &str) -> &'static str {
    examples_of(word)[0]
}

/// Reads a line and writes it again, which must change nothing.
fn same<T: Serialize + DeserializeOwned + Debug>(line: &str) -> T {
    let value: T = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), line);
    value
}

fn backup() -> BackupId {
    same::<Summary>(example("commit").lines().next().unwrap()).id
}

fn keys() -> ClusterKeys {
    let summary: Summary = same(example("commit").lines().next().unwrap());
    ClusterKeys::new(&ClusterName::new("main").unwrap(), summary.system_identifier, Encryption::Age)
}

#[test]
fn every_example_is_tested() {
    let known = [
        "marker",
        "envelope pack",
        "envelope wal",
        "timeline",
        "manifest",
        "digests",
        "object",
        "commit",
        "dump",
        "dump-contents",
        "hold",
        "condemned",
        "drill",
        "dump-drill",
        "verification",
        "key-check",
        "recovery-sheet",
        "run",
    ];
    let unknown: Vec<_> = examples().into_iter().map(|(info, _)| info).filter(|info| !known.contains(info)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn marker() {
    let marker: Marker = same(example("marker"));
    assert_eq!((marker.format, marker.minimum_reader), (pgcairn::store::FORMAT, 1));
}

#[test]
fn envelopes() {
    for kind in ["pack", "wal"] {
        let json = example(&format!("envelope {kind}"));
        let envelope = Envelope::parse(&["1", kind], json.as_bytes()).unwrap();
        assert_eq!(envelope.to_json().unwrap(), json);
        if kind == "wal" {
            assert!(keys().wal_name_of(&envelope.name).is_some(), "{}", envelope.name);
        }
    }
}

#[test]
fn timeline() {
    let json: TimelineJson = same(example("timeline"));
    let line = format!("{}\n", example("timeline"));
    assert_eq!(TimelineJson::parse(json.timeline, line.as_bytes()), Ok(json.clone()));
    assert_eq!(json.to_bytes(), line.as_bytes());
}

#[test]
fn manifest_and_digests_belong_together() {
    let text = example("manifest");
    text.lines().for_each(|line| drop(same::<Line>(line)));
    let part = Part::parse(text.as_bytes(), &backup(), 1).unwrap();
    let header: DigestHeader = same(example("digests"));
    assert_eq!(header.count, part.digests());
    let values = vec![0; header.count as usize];
    let seed = u64::from_str_radix(&header.seed, 16).unwrap();
    let object = PartDigests { seed, values }.format(&backup(), 1);
    assert!(object.starts_with(format!("{}\n", example("digests")).as_bytes()));
    assert_eq!(object.len() as u64, example("digests").len() as u64 + 1 + 8 * header.count);
}

#[test]
fn commit_marker_and_list_of_objects() {
    let text = format!("{}\n", example("commit"));
    let marker = catalog::parse_commit_marker(text.as_bytes(), &keys().backup(&backup())).unwrap();
    let host = SigningKey::from_seed([1; 32]);
    assert_eq!(marker.signed, Signed::By(host.public()));
    let written = catalog::format_commit_marker(&marker.summary, Some(&host)).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), text);
    let object: ObjectLine = same(example("object"));
    let pack = pgcairn::model::key::PackId { backup: backup(), number: 1 };
    assert_eq!(object.key, keys().pack(&pack));
}

#[test]
fn dumps() {
    let text = format!("{}\n", example("dump"));
    let summary: dump::Summary = same(example("dump").lines().next().unwrap());
    let marker = dump::parse_marker(text.as_bytes(), &keys().dump(&summary.id)).unwrap();
    assert_eq!((&marker.signed, &marker.summary), (&Signed::No, &summary));
    assert_eq!(String::from_utf8(dump::format_marker(&summary, None).unwrap()).unwrap(), text);
    let elsewhere = ClusterKeys::new(&ClusterName::new("other").unwrap(), 1, Encryption::Age).dump(&summary.id);
    assert!(dump::parse_marker(text.as_bytes(), &elsewhere).is_err());
    let contents = dump::Contents::parse(example("dump-contents").as_bytes(), &summary.id).unwrap();
    let written = contents.format(&summary.id).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), format!("{}\n", example("dump-contents")));
}

/// However many databases there are, and whatever they are called.
#[test]
fn the_largest_marker_of_a_dump_fits() {
    let mut summary: dump::Summary = same(example("dump").lines().next().unwrap());
    let name = "\u{1}".repeat(63);
    summary.databases = dump::named(std::iter::repeat_n(name.as_str(), 10_000));
    assert!(summary.databases.len() > 40);
    summary.labels = (0..MAX_LABELS).map(|n| (format!("{n:0>63}"), "\"".repeat(255))).collect();
    summary.recipients = vec![summary.recipients[0].clone(); MAX_RECIPIENTS];
    dump::format_marker(&summary, Some(&SigningKey::from_seed([1; 32]))).unwrap();
    assert!(TEXT.contains(&format!("{} KiB as JSON", dump::MAX_NAMED >> 10)));
}

#[test]
fn holds_and_what_is_condemned() {
    let hold: Hold = same(example("hold"));
    assert_eq!(Hold::parse(example("hold").as_bytes(), &backup()), Ok(hold.clone()));
    let line = format!("{}\n", example("hold"));
    assert_eq!(record::to_line(&hold), line.as_bytes());
    let condemned: Condemned = same(example("condemned"));
    assert_eq!(keys().writer_of(&condemned.keys[0]), Some(backup()));
    assert!(keys().wal_name_of(&condemned.keys[1]).is_some());
    same::<RunMarker>(example("run"));
    same::<Record>(example("drill"));
    same::<DumpRecord>(example("dump-drill"));
    same::<verification::Record>(example("verification"));
    same::<key_check::Record>(example("key-check"));
    same::<recovery_sheet::Record>(example("recovery-sheet"));
    let grace = format!("The grace time is {} days", GRACE.as_hours() / 24);
    assert!(TEXT.contains(&grace) && TEXT.contains(&format!("at most {MAX_REASON} bytes")));
    assert!(TEXT.contains(&format!("up to {MAX_CONDEMNED_KEYS} keys")));
    // The longest hold, and the longest list of the longest keys, fit.
    let longest = Hold { reason: "\"".repeat(MAX_REASON), ..hold };
    assert!(record::to_line(&longest).len() <= MAX_HOLD);
    let cluster = ClusterName::new("x".repeat(MAX_CLUSTER_NAME)).unwrap();
    let keys = ClusterKeys::new(&cluster, u64::MAX, Encryption::Age);
    let wal = keys.wal_file(&"000000010000000A000000FE.00000028.backup".parse().unwrap());
    let full = Condemned { format: 1, keys: vec![wal; MAX_CONDEMNED_KEYS] };
    assert!(record::to_line(&full).len() <= MAX_CONDEMNED);
}

/// A backup must not fail at its very end because too much was to be said of it.
#[test]
fn the_largest_commit_marker_fits() {
    let mut summary: Summary = same(example("commit").lines().next().unwrap());
    let path = "pg_tblspc/4294967295/PG_18_202506291/4294967295/4294967295_init.131071".to_owned();
    summary.flagged.pages = vec![FlaggedPage { path, block: u64::from(u32::MAX) }; MAX_FLAGGED_PAGES];
    summary.recipients = vec![summary.recipients[0].clone(); MAX_RECIPIENTS];
    let label = |n| (format!("{n:063}"), "\"".repeat(255));
    summary.labels = (0..MAX_LABELS).map(label).collect();
    assert!(catalog::format_commit_marker(&summary, Some(&SigningKey::from_seed([1; 32]))).is_ok());
}

/// The row of the table of bounds with this name.
fn bound(name: &str) -> &'static str {
    let rows = TEXT.split("\n## Bounds\n").nth(1).unwrap().lines();
    let cells = rows.filter_map(|row| row.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    cells.into_iter().find(|(what, _)| *what == name).unwrap_or_else(|| panic!("no bound of {name}")).1
}

fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.iter().find(|(unit, _)| bytes.is_multiple_of(*unit));
    unit.map_or(format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

#[test]
fn bounds_are_the_constants() {
    let is = |name: &str, value: String| assert!(bound(name).starts_with(&value), "{name}: {value}");
    is("name of a cluster", size(MAX_CLUSTER_NAME as u64));
    is("`pgcairn.json`, commit marker", size(MAX_COMMIT_MARKER as u64));
    is("hold", format!("{MAX_HOLD} bytes"));
    is("object in `condemned/`", size(MAX_CONDEMNED as u64));
    is("keys that one condemns", MAX_CONDEMNED_KEYS.to_string());
    is("JSON line of an envelope", size(MAX_ENVELOPE as u64));
    is("header of an age file", size(MAX_HEADER as u64));
    is("recipients", MAX_RECIPIENTS.to_string());
    is("objects in one list", MAX_OBJECTS.to_string());
    is("content of a frame", size(MAX_FRAME));
    is("compressed frame", size(2 * MAX_FRAME));
    is("pack as stored", size(MAX_PACK));
    is("contents of a dump, decompressed", size(dump::MAX_CONTENTS));
    is("slice", size(MAX_SLICE));
    is("manifest or digest part, decompressed", size(MAX_PART_BYTES));
    let (data, text) = (size(MAX_PART_DATA), size(MAX_PART_TEXT as u64));
    let part = format!("{MAX_PART_LINES}, {MAX_PART_EXTENTS}, {data}, {text}:");
    is("lines, extents, bytes of files, bytes of text of one part", part);
    is("path, part of a path", format!("{MAX_PATH} bytes, {MAX_NAME} bytes"));
    is("WAL segment", format!("{} to {}", size(MIN_SEGMENT_SIZE), size(MAX_SEGMENT_SIZE)));
    assert!(TEXT.contains(&format!("multiple of {DIGEST_BLOCK}")) && TEXT.contains(&format!("⌈*l* / {DIGEST_BLOCK}⌉")));
}
