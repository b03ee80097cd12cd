//! How `status` looks to a person and to a program.

use insta::assert_snapshot;
use pgcairn::model::error::{Code, Error};
use pgcairn::report::Report;
use pgcairn::report::status::{
    ArchiverFailure, Behind, Cost, Failure, LastBackup, LastDrill, Repository, Restorable, Server, State, Status,
    Stored, Waiting,
};

fn local() -> Repository {
    let id: pgcairn::model::key::BackupId = "20261120T030000Z-full-7k3f".parse().unwrap();
    let window = |timeline, from: &str, to: &str| Restorable {
        timeline,
        from: from.parse().unwrap(),
        to: to.parse().ok(),
        at_least: false,
        backup: id.clone(),
        newest: id.clone(),
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
        }),
        last_drill: Some(LastDrill {
            started: "2026-11-15T05:00:00Z".parse().unwrap(),
            age_seconds: 432_000,
            passed: true,
            backup: Some(id.clone()),
        }),
        restorable: Some(vec![window(1, "2026-11-13T03:04:10.5Z", "2026-11-20T05:09:10.123456Z")]),
        stored: Some(Stored {
            backup_bytes: 444 << 30,
            wal_bytes: 30 << 30,
            total_bytes: 474 << 30,
            free_bytes: Some(500 << 30),
            added_bytes_per_day: Some(16 << 30),
            freed_bytes_per_day: Some(12 << 30),
            full_in_days: Some(125),
            monthly_cost: None,
        }),
        behind: Some(Behind { backups: 0, wal_files: 0, seconds: None }),
        ..Repository::new("local", "file:///var/backups/pgcairn", true)
    }
}

pub fn well() -> Status {
    let server = Server {
        state: State::Running,
        version: Some("18.4".to_owned()),
        system_identifier: Some("7461".to_owned()),
        standby: Some(false),
        archiver_failure: None,
        error: None,
    };
    Status {
        cluster: Some("main".to_owned()),
        at: "2026-11-20T05:09:30Z".parse().unwrap(),
        server: Some(server),
        waiting: Some(Waiting { files: 0, oldest_seconds: None }),
        repositories: vec![local()],
        next: "pgcairn list".to_owned(),
    }
}

fn badly() -> Status {
    let mut status = well();
    let failure =
        ArchiverFailure { segment: "0000000100000000000000A7".to_owned(), at: "2026-11-20T05:09:00Z".parse().unwrap() };
    let server = status.server.as_mut().unwrap();
    (server.archiver_failure, server.standby) = (Some(failure), Some(true));
    status.waiting = Some(Waiting { files: 12, oldest_seconds: Some(400) });
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
    let mut down = well();
    let refused = Error::new(Code::Unreachable, "the server at /run does not answer: connection refused");
    down.server = Some(Server { state: State::Unreachable, ..Server::unknown(&refused) });
    assert_snapshot!(read(&down));
}

#[test]
fn a_status_for_programs() {
    assert_snapshot!(serde_json::to_string_pretty(&badly()).unwrap());
}
