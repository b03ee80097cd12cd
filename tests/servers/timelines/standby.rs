//! A backup taken on a standby; its primary archives.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::history::{History, Position, Target};
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown, run};
use crate::support::site::{Run, Site};
use crate::support::{Outcome, account::account, ledger, skip};
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
    let standby = standby_of(&primary, install)?;

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

fn standby_of(primary: &Server, install: &'static Installation) -> Outcome<Server> {
    let data = primary.scratch().join("standby");
    let mut copy = primary.program("pg_basebackup");
    run(copy.args(["-c", "fast", "-X", "stream", "-R", "-D"]).arg(&data))?;
    let mut server = Server::adopt(install, &data)?;
    // As on the primary: a standby archives nothing with it until it is promoted.
    server.override_setting("archive_mode", "on");
    server.start()?;
    Ok(server)
}

/// With a configuration that differs in the server only.
fn backup_of(site: &Site, standby: &Server) -> Outcome<Run> {
    let path = site.path("standby.toml");
    let named = |line: &str| match line.split_once(" = ") {
        Some(("data_dir", _)) => format!("data_dir = {:?}\n", standby.data()),
        Some(("connection", _)) => format!("connection = {:?}\n", standby.connection()),
        _ => format!("{line}\n"),
    };
    let text: String = fs::read_to_string(site.config())?.lines().map(named).collect();
    account().write(&path, text, 0o644)?;
    let mut command = account().command(crate::support::site::binary());
    Run::of(command.arg("--config").arg(&path).args(["--json", "backup"]))
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
