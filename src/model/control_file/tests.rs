//! Control files of real servers, against what each one's pg_controldata said of them.

use super::*;

macro_rules! sample {
    ($major:literal) => {
        (
            $major,
            include_bytes!(concat!("../../../fixtures/control_file/", $major, ".bin")),
            include_str!(concat!("../../../fixtures/control_file/", $major, ".txt")),
        )
    };
}
const SAMPLES: [(u32, &[u8], &str); 5] = [sample!(14), sample!(15), sample!(16), sample!(17), sample!(18)];

/// A line of pg_controldata's output.
fn line<'a>(text: &'a str, name: &str) -> &'a str {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {name}")).trim()
}

#[test]
fn agrees_with_pg_controldata() {
    for (major, bytes, text) in SAMPLES {
        let file = ControlFile::parse(bytes).unwrap();
        let says =
            |name: &str, value: &dyn std::fmt::Display| assert_eq!(value.to_string(), line(text, name), "{major}");
        let on = |value: bool| if value { "on" } else { "off" };
        let yes = |value: bool| if value { "yes" } else { "no" };
        assert_eq!(file.major, major);
        says("Database system identifier", &file.system_identifier);
        says("pg_control version number", &file.pg_control_version);
        says("Catalog version number", &file.catalog_version_no);
        says("Latest checkpoint location", &file.checkpoint);
        says("Latest checkpoint's REDO location", &file.redo);
        says("Latest checkpoint's TimeLineID", &file.timeline);
        says("Latest checkpoint's PrevTimeLineID", &file.previous_timeline);
        says("Minimum recovery ending location", &file.min_recovery_point);
        says("Min recovery ending loc's timeline", &file.min_recovery_timeline);
        says("Backup start location", &file.backup_start_point);
        says("Backup end location", &file.backup_end_point);
        says("End-of-backup record required", &yes(file.backup_end_required));
        says("wal_level setting", &format!("{:?}", file.wal_level).to_lowercase());
        says("wal_log_hints setting", &on(file.wal_log_hints));
        says("max_connections setting", &file.max_connections);
        says("max_worker_processes setting", &file.max_worker_processes);
        says("max_wal_senders setting", &file.max_wal_senders);
        says("max_prepared_xacts setting", &file.max_prepared_transactions);
        says("max_locks_per_xact setting", &file.max_locks_per_transaction);
        says("track_commit_timestamp setting", &on(file.track_commit_timestamp));
        says("Database block size", &file.page_size);
        says("Blocks per segment of large relation", &file.pages_per_segment);
        says("WAL block size", &file.wal_page_size);
        says("Bytes per WAL segment", &file.wal_segment_size);
        says("Data page checksum version", &u32::from(file.data_checksums == DataChecksums::On));
        assert_eq!(file.state, State::InProduction);
        assert_eq!(file.default_char_signedness, (major >= 18).then_some(true));
    }
}

#[test]
fn every_flipped_bit_is_found() {
    for (major, bytes, _) in SAMPLES {
        let end = bytes.iter().rposition(|b| *b != 0).unwrap();
        for bit in 0..(end + 1) * 8 {
            let mut torn = bytes.to_vec();
            torn[bit / 8] ^= 1 << (bit % 8);
            assert!(ControlFile::parse(&torn).is_err(), "{major}: bit {bit}");
        }
    }
}

#[test]
fn no_length_and_no_bytes_make_it_panic() {
    for length in [0, 1, 8, 16, 511] {
        assert_eq!(ControlFile::parse(&vec![0; length]), Err(InvalidControlFile::Short(length)));
    }
    for version in [1300u32, 1700, 1800, 1902, 1903] {
        let mut bytes = vec![0xff; CONTROL_FILE_SIZE];
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        assert!(matches!(ControlFile::parse(&bytes), Err(InvalidControlFile::Checksum { .. })));
    }
    assert_eq!(ControlFile::parse(&[0; CONTROL_FILE_SIZE]), Err(InvalidControlFile::Version(0)));
}

#[test]
fn tablespace_directories_are_named_after_version_and_catalog() {
    let names = SAMPLES.map(|(_, bytes, _)| ControlFile::parse(bytes).unwrap().version_directory());
    let expected = ["PG_14_202107181", "PG_15_202209061", "PG_16_202307071", "PG_17_202406281", "PG_18_202506291"];
    assert_eq!(names, expected);
}
