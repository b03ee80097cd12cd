//! A backup taken on a standby; its primary archives.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::refusals::Document;
use crate::support::history::{History, Position, Target};
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown, run};
use crate::support::site::{Run, Site};
use crate::support::wait::wait_for;
use crate::support::{Outcome, account::account, full_length, ledger, skip};
use crate::targets::copy::{last_object, restore};

pub fn backup(install: &'static Installation) -> Outcome {
    if install.major < 15 {
        return skip("pg_walinspect exists since 15");
    }
    let builder = Server::builder(install).segment_mib(1).setting("archive_mode", "on").setting("autovacuum", "off");
    let primary = builder.start()?;
    let site = Site::new(&primary)?;
    site.init()?;
    site.archive_from(&primary)?;
    let from = Position::parse(&primary.lsn()?)?;
    ledger::create(&primary)?;
    ledger::churn(&primary, 2, Duration::from_millis(100))?;
    let standby = standby_of(&primary, install, "0")?;

    let run = under_load(&primary, || backup_of(&site, &standby))?;
    let report = last_object(&run.ok()?)?;
    let stop = Position::parse(report["stop_lsn"].as_str().unwrap_or_default())?;
    ledger::churn(&primary, 2, Duration::from_millis(200))?;
    let history = History::capture(&primary, from)?;
    primary.archive_all()?;

    let later: Vec<_> = history.records.iter().filter(|r| r.start > stop).collect();
    let middle = later[later.len() / 2].xid.to_string();
    for (words, target) in
        [(["--backup", "latest"], Target::Immediate(stop)), (["--to-xid", &middle], Target::Xid(middle.parse()?))]
    {
        let copy = restore(&site, install, &words)?;
        copy.pause()?;
        history.verify(&primary, &copy.server, &target, true)?;
        assert!(!copy.server.data().join("standby.signal").exists());
    }
    let copy = restore(&site, install, &["--to", "latest"])?;
    copy.server.start()?;
    copy.server.wait_promoted()?;
    history.verify(&primary, &copy.server, &Target::Latest, true)?;
    copy.server.amcheck()?;
    copy.server.stop(Shutdown::Fast)?;
    copy.server.verify_checksums()
}

/// Longer than a segment that is complete may take to arrive.
const IDLE: Duration = Duration::from_secs(65);
/// What the backup says once it waits for nothing but the end of the segment.
const WAITS: &str = "SELECT pg_switch_wal() on the primary ends the wait";

/// Nobody writes; the backup says what it waits for, and how it can be had.
pub fn of_an_idle_primary(install: &'static Installation) -> Outcome {
    let (primary, site) = quiet_primary(install)?;
    let standby = standby_of(&primary, install, "0")?;
    begin_segment(&primary, &standby)?;
    let mut backup = start(&site, &standby)?;
    wait_for("what the backup waits for", || {
        if let Some(status) = backup.0.try_wait()? {
            return Err(format!("the backup ended with {status}: {}", backup.said()?).into());
        }
        Ok(backup.said()?.contains(WAITS).then_some(()))
    })?;
    if full_length() {
        thread::sleep(IDLE);
    }
    primary.sql("select pg_switch_wal()")?;
    let status = wait_for("the backup to end", || Ok(backup.0.try_wait()?))?;
    let said = backup.said()?;
    assert!(status.success(), "{said}");
    assert!(said.contains("for 600 s at most, as archive_timeout is 0 on this standby"), "{said}");
    let copy = restore(&site, install, &["--backup", "latest"])?;
    copy.pause()?;
    assert_eq!(copy.server.value("select count(*) from t")?, "1000");
    Ok(())
}

/// The wait has an end, and the server's setting decides about it.
pub fn of_a_primary_that_stays_idle(install: &'static Installation) -> Outcome {
    if !full_length() {
        return skip("takes longer than a minute: make test-all");
    }
    let (primary, site) = quiet_primary(install)?;
    let standby = standby_of(&primary, install, "3")?;
    begin_segment(&primary, &standby)?;
    let mut document = Document::new();
    let run = backup_of(&site, &standby)?.status_is(12)?.says(&["within 63 s", "3 s on this standby"])?;
    document.compare("the primary ends no segment during a backup of its standby", &site, run)?;
    document.end()
}

fn quiet_primary(install: &'static Installation) -> Outcome<(Server, Site)> {
    let primary = Server::builder(install).setting("archive_mode", "on").setting("autovacuum", "off").start()?;
    let site = Site::new(&primary)?;
    site.init()?;
    site.archive_from(&primary)?;
    Ok((primary, site))
}

/// The base backup has ended a segment; after this the standby stands in the middle of the next.
fn begin_segment(primary: &Server, standby: &Server) -> Outcome {
    primary.sql("create table t as select generate_series(1, 1000) as n")?;
    primary.sql("checkpoint")?;
    let replayed =
        format!("select pg_last_wal_replay_lsn() >= '{}'", primary.value("select pg_current_wal_flush_lsn()")?);
    wait_for("the standby", || Ok((standby.value(&replayed)? == "t").then_some(())))
}

/// A backup at work; what it says goes to a file.
struct Waiting(Child, PathBuf);

impl Waiting {
    fn said(&self) -> Outcome<String> {
        Ok(fs::read_to_string(&self.1)?)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(site: &Site, standby: &Server) -> Outcome<Waiting> {
    let path = standby.scratch().join("said");
    let mut command = command(site, standby)?;
    let said = fs::File::create(&path)?;
    Ok(Waiting(command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said).spawn()?, path))
}

fn standby_of(primary: &Server, install: &'static Installation, archive_timeout: &str) -> Outcome<Server> {
    let data = primary.scratch().join("standby");
    let mut copy = primary.program("pg_basebackup");
    run(copy.args(["-c", "fast", "-X", "stream", "-R", "-D"]).arg(&data))?;
    let mut server = Server::adopt(install, &data)?;
    // As on the primary: a standby archives nothing with it until it is promoted.
    server.override_setting("archive_mode", "on");
    server.override_setting("archive_timeout", archive_timeout);
    server.start()?;
    Ok(server)
}

fn backup_of(site: &Site, standby: &Server) -> Outcome<Run> {
    Run::of(&mut command(site, standby)?)
}

/// With a configuration that differs in the server only, and the same key.
fn command(site: &Site, standby: &Server) -> Outcome<Command> {
    let path = site.path("standby.toml");
    let named = |line: &str| match line.split_once(" = ") {
        Some(("data_dir", _)) => format!("data_dir = {:?}\n", standby.data()),
        Some(("connection", _)) => format!("connection = {:?}\n", standby.connection()),
        _ => format!("{line}\n"),
    };
    let text: String = fs::read_to_string(site.config())?.lines().map(named).collect();
    let key = format!("[signing]\nkey = {{ file = {:?} }}\n", site.signing_key());
    account().write(&path, text + &key, 0o644)?;
    let mut command = account().command(crate::support::site::binary());
    command.arg("--config").arg(&path).args(["--json", "backup"]);
    Ok(command)
}

/// The primary writes, and ends a segment now and then: a standby cannot.
fn under_load<T>(primary: &Server, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let load = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                ledger::churn(primary, 1, Duration::from_millis(100))?;
                primary.switch_segment()?;
            }
            Outcome::Ok(())
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        load.join().unwrap_or_else(|_| Err("the load panicked".into()))?;
        done
    })
}
