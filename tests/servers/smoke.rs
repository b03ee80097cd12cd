//! The servers themselves: they start, say what they are, and stop without leaving anything behind.

use std::time::Duration;

use super::support::history::{History, Position, Target};
use super::support::majors::Installation;
use super::support::server::{Server, Shutdown};
use super::support::site::Site;
use super::support::{Outcome, Scenario, ledger, skip};

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "smoke::starts_and_answers", run: starts_and_answers },
        Scenario { name: "smoke::survives_a_kill", run: survives_a_kill },
        Scenario { name: "smoke::segment_size_and_checksums", run: segment_size_and_checksums },
        Scenario { name: "smoke::configuration_is_accepted", run: configuration_is_accepted },
        Scenario { name: "smoke::ledger_follows_wal", run: ledger_follows_wal },
    ]
}

fn starts_and_answers(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).start()?;
    let number: u32 = server.value("show server_version_num")?.parse()?;
    assert_eq!(number / 10_000, install.major);
    assert_eq!(server.value("show listen_addresses")?, "");
    assert_eq!(server.control("Data page checksum version")?, "1");
    assert_eq!(server.psql("select 1")?.trim(), "1");
    server.pgbench(&["-i", "-q", "-s", "1"])?;
    server.pgbench(&["-c", "2", "-t", "20"])?;
    assert_eq!(server.value("select count(*) from pgbench_history")?, "40");
    server.amcheck()?;
    server.stop(Shutdown::Fast)?;
    assert_eq!(server.control("Database cluster state")?, "shut down");
    server.verify_checksums()
}

fn survives_a_kill(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).start()?;
    server.sql("create table t as select generate_series(1, 1000) as n")?;
    server.stop(Shutdown::Kill)?;
    server.start()?;
    assert_eq!(server.value("select count(*) from t")?, "1000");
    Ok(())
}

fn segment_size_and_checksums(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).segment_mib(1).checksums(false).setting("wal_keep_size", "'64MB'").start()?;
    assert_eq!(server.value("show wal_segment_size")?, "1MB");
    assert_eq!(server.value("show data_checksums")?, "off");
    server.stop(Shutdown::Immediate)?;
    server.restart()
}

/// The ledger's own rules, against a server where everything is known: what is visible now is what the whole
/// history says, and one transaction less if the last one is excluded.
fn ledger_follows_wal(install: &'static Installation) -> Outcome {
    if install.major < 15 {
        return skip("pg_walinspect exists since 15");
    }
    let server = Server::builder(install).start()?;
    let from = Position::parse(&server.lsn()?)?;
    ledger::create(&server)?;
    ledger::churn(&server, 4, Duration::from_millis(500))?;
    let aborted = ledger::abort(&server)?;
    let prepared = ledger::prepare(&server, "left open")?;
    server.sql("select pg_create_restore_point('before the last')")?;
    let last = ledger::commit(&server)?;

    let history = History::capture(&server, from)?;
    let all = history.expected(&server, &Target::Latest, true)?;
    assert_eq!(all, ledger::rows(&server)?);
    assert!(all.len() > 100, "{} transactions", all.len());
    assert!(!all.contains_key(&aborted) && !all.contains_key(&prepared));
    assert!(history.records.iter().any(|r| r.xid == aborted && !r.committed));
    for (target, inclusive, there) in [
        (Target::Xid(last), true, true),
        (Target::Xid(last), false, false),
        (Target::Name("before the last".to_owned()), true, false),
    ] {
        let rows = history.expected(&server, &target, inclusive)?;
        assert_eq!(rows.contains_key(&last), there, "{target:?}");
    }
    let record = history.records.iter().find(|r| r.xid == last).ok_or("the last one left no record")?;
    for (target, inclusive, there) in [
        (Target::Lsn(record.start), true, true),
        (Target::Lsn(record.start), false, false),
        (Target::Time(record.time), true, true),
        (Target::Time(record.time), false, false),
        (Target::Time(record.time - 1), true, false),
    ] {
        let rows = history.expected(&server, &target, inclusive)?;
        assert_eq!(rows.contains_key(&last), there, "{target:?} {inclusive}");
    }
    Ok(())
}

/// The configuration that later scenarios use is one that pgcairn takes, as the owner of the server.
fn configuration_is_accepted(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).create()?;
    for site in [Site::new(&server)?, Site::unencrypted(&server)?] {
        site.run(&["config", "check"])?.ok()?;
        assert!(site.fork().is_err(), "there is no repository to copy yet");
    }
    Ok(())
}
