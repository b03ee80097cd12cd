//! How `status` looks to a person and to a program.

use insta::assert_snapshot;
use pgcairn::config::Config;
use pgcairn::model::error::{Code, Error};
use pgcairn::model::verdict::{self, Judged, Level, NAMES, Reason, Thresholds};
use pgcairn::model::verification::{Proof, Unsettled};
use pgcairn::report::Report;
use pgcairn::report::status::{
    ArchiverFailure, Behind, Cost, Failure, Host, KeyOnHost, LastBackup, LastDrill, LastDump, LastDumpDrill,
    LastVerify, Monitored, Repository, Restorable, Server, Slot, State, Status, Stored, Waiting,
};
use pgcairn::report::verdict::Verdict;

use super::support::{CONFIG, Place};
use super::verified::Verified;

fn local() -> Repository {
    let id: pgcairn::model::key::BackupId = "20261120T030000Z-full-7k3f".parse().unwrap();
    let window = |timeline, from: &str, to: &str| Restorable {
        timeline,
        from: from.parse().unwrap(),
        to: to.parse().ok(),
        at_least: false,
        backup: id.clone(),
        newest: id.clone(),
        hole_since: None,
        last: None,
    };
    Repository {
        backups: Some(37),
        unreadable_backups: Some(0),
        untrusted_backups: Some(0),
        system_identifier: Some("7461".to_owned()),
        last_backup: Some(LastBackup {
            id: id.clone(),
            stopped: "2026-11-20T03:04:10Z".parse().unwrap(),
            age_seconds: 7500,
            data_bytes: 40 << 30,
            stored_bytes: 12 << 30,
            flagged_pages: 0,
        }),
        dumps: Some(7),
        unreadable_dumps: Some(0),
        last_dump: Some(LastDump {
            id: "20261120T010000Z-dump-3mqz".parse().unwrap(),
            finished: "2026-11-20T01:02:11Z".parse().unwrap(),
            age_seconds: 18_000,
            data_bytes: 2 << 30,
            stored_bytes: 300 << 20,
        }),
        last_drill: Some(LastDrill {
            started: "2026-11-15T05:00:00Z".parse().unwrap(),
            age_seconds: 432_000,
            passed: true,
            recovery_seconds: Some(95.5),
            backup: Some(id.clone()),
        }),
        has_dumps: true,
        last_dump_drill: Some(LastDumpDrill {
            started: "2026-11-15T05:20:00Z".parse().unwrap(),
            age_seconds: 430_800,
            passed: true,
            load_seconds: Some(503.5),
            dump: "20261115T030000Z-dump-7k3f".parse().ok(),
        }),
        last_verify: Some(LastVerify {
            started: "2026-11-18T05:00:00Z".parse().unwrap(),
            age_seconds: 172_800,
            passed: true,
            proof: Proof::Object,
            covered: 1.0,
            backup: None,
        }),
        restorable: Some(vec![window(1, "2026-11-13T03:04:10.5Z", "2026-11-20T05:09:10.123456Z")]),
        stored: Some(Stored {
            backup_bytes: 444 << 30,
            wal_bytes: 30 << 30,
            dump_bytes: 2 << 30,
            total_bytes: 476 << 30,
            free_bytes: Some(500 << 30),
            added_bytes_per_day: Some(16 << 30),
            freed_bytes_per_day: Some(12 << 30),
            full_in_days: Some(125),
            oldest_seconds: Some(1_000_000),
            monthly_cost: None,
        }),
        behind: Some(Behind { backups: 0, wal_files: 0, seconds: None }),
        recovery_window_seconds: Some(604_800),
        ..Repository::new("local", "file:///var/backups/pgcairn", true)
    }
}

pub fn well() -> Status {
    let server = Server {
        state: State::Running,
        version: Some("18.4".to_owned()),
        system_identifier: Some("7461".to_owned()),
        standby: Some(false),
        archiving: Some(true),
        segment: None,
        archiver_failure: None,
        inactive_slots: Vec::new(),
        error: None,
    };
    Status {
        cluster: Some("main".to_owned()),
        at: "2026-11-20T05:09:30Z".parse().unwrap(),
        server: Some(server),
        host: Host {
            waiting: Some(Waiting { files: 0, oldest_seconds: None }),
            wal_free_bytes: Some(31 << 30),
            archive_error: None,
        },
        keys_on_host: Some(Vec::new()),
        repositories: vec![local()],
        verdict: Verdict::of(&[], false),
        next: "pgcairn list".to_owned(),
    }
}

fn badly() -> Status {
    let mut status = well();
    let failure =
        ArchiverFailure { segment: "0000000100000000000000A7".to_owned(), at: "2026-11-20T05:09:00Z".parse().unwrap() };
    let server = status.server.as_mut().unwrap();
    (server.archiver_failure, server.standby) = (Some(failure), Some(true));
    server.inactive_slots = vec![Slot { name: "standby_a".to_owned(), held_bytes: 3 << 30 }];
    status.host.waiting = Some(Waiting { files: 12, oldest_seconds: Some(400) });
    status.host.archive_error =
        Some("file:///var/backups/pgcairn is not a repository: pgcairn.json is missing".to_owned());
    status.keys_on_host = Some(vec![KeyOnHost { path: "/etc/pgcairn/identity.txt".into(), opens: true }]);
    let mut offsite = Repository { name: "offsite".to_owned(), url: "s3://acme/pg".to_owned(), ..local() };
    offsite.behind = Some(Behind { backups: 1, wal_files: 40, seconds: Some(9000) });
    let window = offsite.restorable.as_ref().unwrap()[0].clone();
    let branch = Restorable { timeline: 2, at_least: true, ..window.clone() };
    let newest = "20261120T040000Z-full-0000".parse().unwrap();
    let idle = [
        Restorable { timeline: 3, to: None, newest, ..window.clone() },
        Restorable { timeline: 4, to: None, ..window },
    ];
    offsite.restorable.as_mut().unwrap().extend(idle);
    offsite.restorable.as_mut().unwrap().push(branch);
    offsite.restorable.as_mut().unwrap()[0].hole_since = Some("2026-11-20T02:00:00Z".parse().unwrap());
    offsite.damage_found = Some(Unsettled { since: "2026-11-12T06:00:00Z".parse().unwrap(), proof: Proof::Content });
    offsite.unreadable_timelines = Some(1);
    (offsite.unreadable_backups, offsite.untrusted_backups) = (Some(1), Some(2));
    offsite.system_identifier = Some("7399".to_owned());
    let stored = offsite.stored.as_mut().unwrap();
    (stored.free_bytes, stored.full_in_days) = (None, None);
    stored.monthly_cost = Some(Cost { amount: 10.902, currency: "USD".to_owned() });
    let error = Error::new(Code::Unreachable, "no answer within 2 s").hint("ask for longer: pgcairn status --wait 60s");
    let mut mute = Repository::new("mute", "s3://elsewhere/pg", false);
    mute.error = Some(Failure::of(&error));
    mute.behind_unknown = Some("no other repository than mute can be read".to_owned());
    let mut young = Repository { restorable: Some(Vec::new()), ..local() };
    young.stored.as_mut().unwrap().added_bytes_per_day = None;
    (young.backups, young.last_backup) = (Some(0), None);
    status.repositories = vec![young, offsite, mute];
    let about = |name: &str| Some(name.to_owned());
    let judged = [
        (Level::Critical, about("offsite"), Reason::BackupsUntrusted { backups: 2 }),
        (Level::Warning, None, Reason::WalWaits { files: 12, seconds: 400 }),
        (Level::Unknown, about("mute"), Reason::Unanswered),
        (Level::Warning, about("offsite"), Reason::DrillNever),
    ];
    let judged = judged.map(|(level, repository, reason)| Judged { level, repository, reason });
    status.verdict = Verdict::of(&judged, true);
    status.next = "pgcairn check".to_owned();
    status
}

fn read(status: &Status) -> String {
    let text = status.human();
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    let exit = status.flaw().map_or(0, Code::exit_status);
    format!("exit {exit}, {widest} wide\n{text}next: {}\n", status.next)
}

#[test]
fn a_status() {
    assert_snapshot!(read(&well()));
    assert_snapshot!(read(&badly()));
    // Two repositories, and something wrong: one screen, and a line more where there are dumps.
    let mut two = well();
    two.repositories.push(Repository { name: "offsite".to_owned(), url: "s3://acme/pg".to_owned(), ..local() });
    let judged = [Judged { level: Level::Warning, repository: None, reason: Reason::BackupOld { seconds: 172_800 } }];
    two.verdict = Verdict::of(&judged, true);
    assert!(read(&two).lines().count() - 1 <= 25, "{}", read(&two));
    let mut down = well();
    let refused = Error::new(Code::Unreachable, "the server at /run does not answer: connection refused");
    down.server = Some(Server { state: State::Unreachable, ..Server::unknown(&refused) });
    assert_snapshot!(read(&down));
}

/// Each of them, in words and with its remedy.
#[test]
fn every_reason() {
    let seconds = 9 * 86_400;
    let all = [
        Reason::ServerUnreachable,
        Reason::ServerUnknown,
        Reason::WalWaits { files: 1, seconds: 301 },
        Reason::ArchivingOff,
        Reason::ArchiverFails { segment: "0000000100000000000000A7".to_owned() },
        Reason::SlotHoldsWal(verdict::Slot { name: "standby_a".to_owned(), held_bytes: 3 << 30 }),
        Reason::RunFailed { command: "copy --all --to offsite".to_owned() },
        Reason::NoBackup,
        Reason::BackupOld { seconds },
        Reason::NoDump,
        Reason::DumpOld { seconds },
        Reason::Unanswered,
        Reason::Unreadable { message: "file:///r is not a repository".to_owned() },
        Reason::OtherCluster,
        Reason::BackupsUnreadable { backups: 1 },
        Reason::BackupsUntrusted { backups: 2 },
        Reason::DumpsUnreadable { dumps: 1 },
        Reason::PagesFlagged { pages: 14 },
        Reason::NothingRestorable,
        Reason::HoleInWal,
        Reason::HoleAfterBackup { seconds: 7200 },
        Reason::WalMissing(verdict::WalMissing { files: 3, seconds: 7200 }),
        Reason::TimelinesUnreadable { timelines: 1 },
        Reason::WindowShort { seconds: 7200, promised: 604_800 },
        Reason::NothingStored,
        Reason::FullSoon { days: 6 },
        Reason::Behind(verdict::Behind { backups: 1, wal_files: 40, seconds: Some(9000) }),
        Reason::VerifyFailed(verdict::Damage { seconds, needs_key: true }),
        Reason::DrillFailed { seconds },
        Reason::DrillOld { seconds },
        Reason::DrillNever,
        Reason::DumpDrillFailed { seconds },
        Reason::DumpDrillOld { seconds },
        Reason::DumpDrillNever,
        Reason::KeyNeverChecked { url: "s3://acme-backups/pg".to_owned() },
        Reason::SheetNeverMade,
        Reason::SheetOutdated,
    ];
    assert_eq!(all.iter().map(Reason::name).collect::<Vec<_>>(), NAMES);
    let judged = all.map(|reason| Judged { level: Level::Warning, repository: Some("offsite".to_owned()), reason });
    let told = Verdict::of(&judged, true).reasons;
    let lines = told.iter().map(|told| format!("{}\n  {}\n    {}\n", told.reason, told.subject(), told.remedy));
    assert_snapshot!(lines.collect::<String>());
}

/// The documentation has a row for each, and for no other.
#[test]
fn every_reason_is_documented() {
    let document = include_str!("../../docs/status.md");
    let (_, table) = document.split_once("| reason |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let names: Vec<&str> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(names, NAMES);
}

/// On real servers: each is brought about there.
#[test]
fn every_reason_is_provoked() {
    let trials = [
        include_str!("../servers/status/mod.rs"),
        include_str!("../servers/status/reasons.rs"),
        include_str!("../servers/status/causes.rs"),
        include_str!("../servers/status/silence.rs"),
        include_str!("../servers/status/set_up.rs"),
        include_str!("../servers/several/judged.rs"),
    ];
    // Beside the quotes, a level may stand before it and a repository behind.
    let is_provoked = |name: &&str| trials.iter().any(|text| text.split([' ', '"']).any(|word| word == *name));
    let not: Vec<&&str> = NAMES.iter().filter(|name| !is_provoked(name)).collect();
    assert!(not.is_empty(), "no trial provokes {not:?}");
}

#[test]
fn a_status_for_a_monitor() {
    let first = |status: Status| Monitored(status).human().lines().next().unwrap().to_owned();
    assert_snapshot!(first(well()));
    assert_snapshot!(first(badly()));
}

#[test]
fn the_exit_code_is_the_verdict() {
    let verified = Verified::with("");
    let run = verified.run(&["status", "--exit-code", "--wait", "20s"]);
    assert_eq!(run.status, Some(2), "{run}");
    assert!(run.stdout.starts_with("PGCAIRN CRITICAL - main: there is no backup, and 3 more | "), "{run}");
    let json = verified.run(&["status", "--exit-code", "--wait", "20s", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json.status, &told["verdict"]["level"]), (Some(2), &"critical".into()));
    assert_eq!((&told["result"], &told["schema"]), (&"status".into(), &1.into()));
}

/// A monitor must not take for a warning or critical what nobody knows.
#[test]
fn what_cannot_be_found_out_is_unknown() {
    let place = Place::new();
    let run = place.run(&["-c", "absent.toml", "status", "--exit-code"]);
    assert_eq!(run.status, Some(3), "{run}");
    assert_snapshot!(run);
    assert_eq!(place.run(&["status", "--exit-code", "--wait", "soon"]).status, Some(3));
    assert_eq!(place.run(&["-c", "absent.toml", "status", "--exit-code", "--json"]).status, Some(3));
}

#[test]
fn a_status_for_programs() {
    assert_snapshot!(serde_json::to_string_pretty(&badly()).unwrap());
}

/// As they stand in the documentation, to be copied.
#[test]
fn the_documented_thresholds_are_those_without_a_configuration() {
    let blocks =
        include_str!("../../docs/status.md").split("\n```toml\n").filter_map(|rest| rest.split("\n```").next());
    let [block] = blocks.filter(|block| block.starts_with("[status]\n")).collect::<Vec<_>>()[..] else {
        panic!("which?")
    };
    // With a line for each of them.
    let keys = pgcairn::config::KEYS.iter().filter(|key| key.section == "status").count();
    assert_eq!(block.lines().count(), 1 + keys, "{block}");
    let place = Place::new();
    let file = place.write("main.toml", &format!("{CONFIG}{block}\n"));
    assert_eq!(Config::read(&file).unwrap().thresholds, Thresholds::default());
}
