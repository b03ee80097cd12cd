//! How an expiry looks to a person and to a program.

use insta::assert_snapshot;
use pgcairn::report::Report;
use pgcairn::report::expire::{DumpRow, Expire, Manner, Row};

fn expire() -> Expire {
    let backup = |id: &str, kept, rule: &str| Row {
        id: id.parse().unwrap(),
        cluster: "main".to_owned(),
        system_identifier: "7123".to_owned(),
        stopped: "2026-11-20T03:04:10Z".parse().unwrap(),
        stored_bytes: 12 << 30,
        kept,
        rule: rule.to_owned(),
    };
    let dump = |id: &str, kept, rule: &str| DumpRow {
        id: id.parse().unwrap(),
        cluster: "main".to_owned(),
        system_identifier: "7123".to_owned(),
        finished: "2026-11-20T01:02:11Z".parse().unwrap(),
        stored_bytes: 1 << 30,
        kept,
        rule: rule.to_owned(),
    };
    Expire {
        repository: "file:///var/backups/pgcairn".to_owned(),
        manner: Manner::DryRun,
        retention: true,
        dump_retention: true,
        backups: vec![
            backup("20261013T030000Z-full-7k3f", false, "no rule keeps it"),
            backup("20261120T030000Z-full-aaaa", true, "window"),
        ],
        dropped: 1,
        dumps: vec![
            dump("20261013T010000Z-dump-3mqz", false, "no rule keeps it"),
            dump("20261120T010000Z-dump-bbbb", true, "minimum of odd\u{1b}name"),
        ],
        lacking: Vec::new(),
        wanted_elsewhere: Vec::new(),
        dropped_dumps: 1,
        more_than_half: false,
        freed_bytes: 0,
        freed_wal_files: 0,
        condemned_bytes: 13 << 30,
        condemned_wal_files: 12,
        grace_days: 7,
        only_backups: false,
        window_from: None,
        next: "pgcairn expire".to_owned(),
    }
}

#[test]
fn backups_and_dumps() {
    let mut report = expire();
    assert_snapshot!(report.human());
    assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
    report.manner = Manner::WithGrace;
    assert!(report.human().contains("dropped 1 backup and 1 dump; 0 B are free, 13 GiB with 12 WAL files will be"));
    report.manner = Manner::AtOnce;
    assert!(report.human().contains("deleted 1 backup and 1 dump; "));
}

#[test]
fn dumps_alone_expire() {
    let report = Expire { retention: false, backups: Vec::new(), dropped: 0, condemned_wal_files: 0, ..expire() };
    assert!(report.human().ends_with("would drop 1 dump; 0 B would be free at once, 13 GiB after 7 days\n"));
    let none = Expire { dump_retention: false, ..report };
    assert!(none.human().ends_with("nothing expires: the configuration has no [retention]\n"), "{}", none.human());
}
