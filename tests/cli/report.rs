//! How results look to a person and to a program.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use jiff::Timestamp;
use pgcairn::model::error::{Code, Error};
use pgcairn::model::key::Encryption;
use pgcairn::model::lsn::Lsn;
use pgcairn::model::recovery_log::RecoveryLog;
use pgcairn::model::signature::{PublicKey, SigningKey, Standing};
use pgcairn::report::Report;
use pgcairn::report::backup::{Backup, FlaggedPage};
use pgcairn::report::check::{Check, Finding};
use pgcairn::report::drill::{Restored, Span};
use pgcairn::report::holds::Holds;
use pgcairn::report::init::{Init, Recreated, Setting, Takes};
use pgcairn::report::list::{List, Row};
use pgcairn::report::restore::{Done, Plan, Restore, Started, Tablespace};
use pgcairn::report::restore_table::{Command, File, Format, LiveSchema, RestoredTables, Table};
use pgcairn::report::wal::{Flaw, Flush, Range, Shown, Timeline, WalList};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Exit status, text, next command; without local times, which are those of the machine.
fn read<R: Report>(report: &R) -> String {
    let next = report.next().map(|next| format!("next: {next}\n")).unwrap_or_default();
    let universal = |line: &str| line.split_once("Z (20").map_or(line.to_owned(), |(utc, _)| format!("{utc}Z")) + "\n";
    let text: String = report.human().lines().map(universal).collect();
    format!("exit {}\n{text}{next}", report.flaw().map_or(0, Code::exit_status))
}

/// Of the host that made the backups.
fn host() -> PublicKey {
    SigningKey::from_seed([1; 32]).public()
}

fn backup() -> Backup {
    Backup {
        copies: Vec::new(),
        id: "20261120T030000Z-full-7k3f".parse().unwrap(),
        cluster: "main".to_owned(),
        repository: "file:///var/backups/pgcairn".to_owned(),
        timeline: 1,
        start_lsn: Lsn(0x2000028),
        stop_lsn: Lsn(0x5000138),
        started: at("2026-11-20T03:00:00Z"),
        stopped: at("2026-11-20T03:04:10Z"),
        seconds: 251.2,
        copy_seconds: 0.0,
        files: 1204,
        data_bytes: 40 << 30,
        stored_bytes: 12 << 30,
        vanished_files: 0,
        shrunk_files: 0,
        skipped_files: 0,
        flagged_pages: 0,
        flagged: Vec::new(),
        wal_broken_at: None,
        signed_by: Some(host()),
        next: "pgcairn show latest".to_owned(),
    }
}

#[test]
fn a_backup() {
    assert_snapshot!(read(&backup()));
}

#[test]
fn a_backup_with_damage() {
    let page =
        |block| FlaggedPage { relation: "app public.users".to_owned(), path: "base/16384/16385".to_owned(), block };
    let flagged = (0..12).map(page).collect();
    let damaged = Backup {
        vanished_files: 1,
        shrunk_files: 2,
        flagged_pages: 14,
        flagged,
        wal_broken_at: Some(Lsn(0x3000000)),
        ..backup()
    };
    assert_snapshot!(read(&damaged));
}

#[test]
fn a_list() {
    let row = |id: &str, labels: &[(&str, &str)], flagged_pages, signature| Row {
        repositories: Vec::new(),
        id: id.parse().unwrap(),
        cluster: "main".to_owned(),
        system_identifier: "7123".to_owned(),
        method: "full".to_owned(),
        started: at("2026-11-20T03:00:00Z"),
        stopped: at("2026-11-20T03:04:10Z"),
        timeline: 1,
        start_lsn: Lsn(0x2000028),
        stop_lsn: Lsn(0x5000138),
        postgresql: 17,
        data_bytes: 40 << 30,
        stored_bytes: 12 << 30,
        labels: labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<BTreeMap<_, _>>(),
        flagged_pages,
        wal_broken_at: None,
        holds: Holds::default(),
        other_signatures: Vec::new(),
        signature,
    };
    let key = host();
    let wrong = Standing::Wrong { reason: "it is a forgery".to_owned() };
    let backups = vec![
        row("20261120T030000Z-full-7k3f", &[("ticket", "1234")], 0, Standing::Pinned { key }),
        row("20261121T030000Z-full-aaaa", &[], 3, Standing::Unsigned),
        row("20261122T030000Z-full-bbbb", &[], 0, Standing::Unknown { key }),
        row("20261123T030000Z-full-cccc", &[], 0, wrong),
    ];
    let repository = "file:///var/backups/pgcairn".to_owned();
    let next = "pgcairn show latest".to_owned();
    assert_snapshot!(read(&List { repository: repository.clone(), held_only: false, backups, next: next.clone() }));
    assert_snapshot!(read(&List { repository, held_only: false, backups: Vec::new(), next }));
}

#[test]
fn a_check() {
    let check = |findings| Check {
        cluster: "main".to_owned(),
        repository: "file:///var/backups/pgcairn".to_owned(),
        findings,
        next: "pgcairn backup".to_owned(),
    };
    let pass = Finding::pass("archive_mode", "on");
    assert_snapshot!(read(&check(vec![pass.clone()])));
    let advice = Finding::advice("recipients", "there is one", "add a second one");
    assert_eq!(check(vec![pass.clone(), advice.clone()]).flaw(), None);
    let warning = Finding::warning("archive_timeout", "1h is more than the rpo of 5min", "archive_timeout = 60");
    assert_eq!(check(vec![warning.clone()]).flaw(), Some(Code::Flagged));
    let error = Error::new(Code::Unreachable, "the server does not answer").hint("pg_ctlcluster 17 main start");
    let failure = Finding::fail("server", error);
    let skipped = Finding::skipped("settings", "the server does not answer");
    assert_snapshot!(read(&check(vec![pass, advice, warning, failure, skipped])));
}

#[test]
fn an_init() {
    let setting = |name: &str, value: &str, takes| Setting {
        name: name.to_owned(),
        value: value.to_owned(),
        current: None,
        takes,
    };
    let init = Init {
        others: Vec::new(),
        repository: "file:///var/backups/pgcairn".to_owned(),
        repository_id: "5f1d".to_owned(),
        created: true,
        encryption: Encryption::None,
        recipients: Vec::new(),
        signing_key: Some("/etc/pgcairn/main.signing.pem".into()),
        public_key: Some(host()),
        cluster: "main".to_owned(),
        system_identifier: Some("7123".to_owned()),
        settings: vec![
            setting("archive_mode", "on", Takes::Restart),
            setting("archive_command", "'pgcairn wal push %p'", Takes::Reload),
        ],
        written: None,
        findings: Vec::new(),
        recreated: None,
        next: "restart PostgreSQL, then pgcairn check".to_owned(),
    };
    assert_snapshot!(read(&init));
    let recreated = Recreated {
        repositories: vec!["local".to_owned()],
        last_backup: Some(at("2026-11-20T03:04:05.5Z")),
        steps: vec!["pgcairn backup --hold first   # at once".to_owned(), "pgcairn recovery-sheet".to_owned()],
    };
    let init = Init { recreated: Some(recreated), next: "pgcairn backup --hold first".to_owned(), ..init };
    assert_snapshot!(read(&init));
}

#[test]
fn a_restore() {
    let plan = Plan {
        repository: "file:///var/backups/pgcairn".to_owned(),
        cluster: "main".to_owned(),
        backup: "20261120T030000Z-full-7k3f".parse().unwrap(),
        signature: Standing::Pinned { key: host() },
        target: "the last commit not later than the moment".to_owned(),
        target_time: Some(at("2026-11-20T14:05:00.000001Z")),
        stops_at: Lsn(0x7000060),
        last_commit: Some(at("2026-11-20T14:04:59.9Z")),
        timeline: 1,
        action: "pause".to_owned(),
        target_dir: "/srv/restored".into(),
        tablespaces: vec![Tablespace { oid: 16400, was: "/fast".into(), becomes: "/srv/fast".into() }],
        files: 1204,
        data_bytes: 40 << 30,
        wal_segments: 31,
        wal_bytes: 31 << 24,
        bytes_needed: 41 << 30,
        bytes_free: 500 << 30,
        settings: vec!["recovery_target_time = '2026-11-20 14:05:00.000001+00'".to_owned()],
    };
    let next = "pg_ctl -D /srv/restored start".to_owned();
    assert_snapshot!(read(&Restore { plan: plan.clone(), done: None, started: None, next: next.clone() }));
    let done = Some(Done { seconds: 95.0, bytes: 40 << 30, files: 1204 });
    assert_snapshot!(read(&Restore { plan, done, started: Some(started()), next }));
}

#[test]
fn tables() {
    let table = |name: &str, parts, rows, loaded_rows| Table {
        database: "app".to_owned(),
        schema: "public".to_owned(),
        name: name.to_owned(),
        parts,
        rows,
        bytes: rows * 100,
        loaded_rows,
    };
    let planned = RestoredTables {
        cluster: "main".to_owned(),
        repository: "file:///var/backups/pgcairn".to_owned(),
        restored: Restored {
            backup: "20261120T030000Z-full-7k3f".parse().unwrap(),
            system_identifier: "7461093382717234431".to_owned(),
            target: "2026-11-20T13:05:00Z".to_owned(),
            target_time: Some(at("2026-11-20T13:05:00Z")),
            stops_at: Lsn(0x5000138),
            last_commit: Some(at("2026-11-20T13:04:59.123Z")),
            postgresql: "18.4".to_owned(),
            data_bytes: 40 << 30,
            wal_bytes: 3 << 30,
        },
        scratch: "/srv/scratch".into(),
        bytes_needed: 43 << 30,
        bytes_free: 90 << 30,
        wanted: vec!["app.public.orders".to_owned(), "app.public.events".to_owned()],
        into: Some(LiveSchema {
            database: "app".to_owned(),
            schema: "restored_20261120_130500".to_owned(),
            postgresql: "18.4".to_owned(),
        }),
        files: Vec::new(),
        reached: None,
        tables: Vec::new(),
        left_out: Vec::new(),
        needs: Vec::new(),
        read_bytes: 0,
        phases: Vec::new(),
        seconds: 4.2,
        commands: Vec::new(),
        next: "pgcairn restore --table app.public.orders --to latest".to_owned(),
    };
    assert_snapshot!(read(&planned));
    let phase = |name: &str, from_seconds, seconds| Span { name: name.to_owned(), from_seconds, seconds };
    let done = RestoredTables {
        reached: Some("recovery stopping before commit of transaction 731".to_owned()),
        tables: vec![table("orders", 0, 1_250_000, Some(1_250_000)), table("events", 12, 40_000, Some(40_000))],
        left_out: vec!["foreign key orders_customer_fkey of public.orders".to_owned()],
        needs: vec!["type public.mood".to_owned()],
        read_bytes: 12 << 30,
        phases: vec![phase("restore", 0.0, 95.0), phase("restore: restoring", 3.0, 90.0), phase("load", 110.0, 9.5)],
        seconds: 121.5,
        commands: vec![
            Command { does: "look", command: "psql -c 'SELECT 1'".to_owned() },
            Command { does: "put back", command: "psql -c 'INSERT …'".to_owned() },
            Command { does: "remove", command: "psql -c 'DROP SCHEMA restored_20261120_130500 CASCADE'".to_owned() },
        ],
        ..planned.clone()
    };
    assert_snapshot!(read(&done));
    let files = vec![File { path: "/srv/rows.sql".into(), format: Format::Script, database: Some("app".to_owned()) }];
    let tables = vec![table("orders", 0, 1_250_000, None)];
    assert_snapshot!(serde_json::to_string_pretty(&RestoredTables { into: None, files, tables, ..done }).unwrap());
}

fn started() -> Started {
    let line = "2026-11-20 14:31:00.123 UTC [4711] LOG:  ";
    let log = format!("{line}recovery stopping before commit of transaction 731, time 2026-11-20 14:05:00.1+00");
    Started {
        postgresql: "18.4".to_owned(),
        pid: 4711,
        socket_directory: "/srv/restored/pgcairn_server".into(),
        port: Some(5499),
        is_open: false,
        recovery: RecoveryLog::parse(&log),
        log: "/srv/restored/pgcairn_server/log".into(),
        seconds: 12.0,
        connect: "psql -h /srv/restored/pgcairn_server -p 5499 -U postgres -d postgres".to_owned(),
        stop: "/usr/lib/postgresql/18/bin/pg_ctl -D /srv/restored stop".to_owned(),
        again: "/usr/lib/postgresql/18/bin/pg_ctl -D /srv/restored -l /srv/restored/pgcairn_server/log restart"
            .to_owned(),
    }
}

#[test]
fn wal() {
    let range = |first: &str, last: &str, segments, missing_before| Range {
        first: first.to_owned(),
        last: last.to_owned(),
        segments,
        stored_bytes: segments << 22,
        missing_before,
    };
    let first = Timeline {
        timeline: 1,
        parent: None,
        switched_at: None,
        ranges: vec![
            range("000000010000000000000001", "000000010000000000000009", 9, 0),
            range("00000001000000000000000B", "00000001000000000000000C", 2, 1),
        ],
    };
    let second = Timeline {
        timeline: 2,
        parent: Some(1),
        switched_at: Some(Lsn(0xC000060)),
        ranges: vec![range("00000002000000000000000C", "00000002000000000000000D", 2, 0)],
    };
    let list = WalList {
        repository: "file:///var/backups/pgcairn".to_owned(),
        cluster: "main".to_owned(),
        timelines: vec![first, second],
        damaged: vec![Flaw {
            segment: "000000010000000000000003".to_owned(),
            broken_from: Some(Lsn(0x3000148)),
            reason: "it was archived with its records broken from 0/3000148 on".to_owned(),
        }],
        shown: Shown::default(),
    };
    assert_snapshot!(read(&list));
    let asked = |gaps_only, timeline| {
        let shown = Shown { gaps_only, timeline };
        let timelines =
            if gaps_only { vec![Timeline { ranges: Vec::new(), ..list.timelines[0].clone() }] } else { Vec::new() };
        WalList { shown, timelines, damaged: Vec::new(), ..list.clone() }.human()
    };
    assert_eq!(asked(true, None), "file:///var/backups/pgcairn holds no gap in the WAL of main\n");
    assert_eq!(asked(true, Some(1)), "file:///var/backups/pgcairn holds no gap in the WAL of main on timeline 1\n");
    assert_eq!(asked(false, Some(7)), "file:///var/backups/pgcairn holds no WAL of main on timeline 7\n");
    let damaged = WalList { shown: Shown { gaps_only: true, timeline: None }, timelines: Vec::new(), ..list.clone() };
    assert!(damaged.human().contains("DAMAGED 000000010000000000000003"));
    let flush = Flush {
        cluster: "main".to_owned(),
        repository: "file:///var/backups/pgcairn".to_owned(),
        flushed_to: Lsn(0xD000000),
        last_segment: "00000002000000000000000C".to_owned(),
        seconds: 0.412,
    };
    assert_snapshot!(read(&flush));
}
