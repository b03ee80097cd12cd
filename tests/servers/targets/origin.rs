//! A cluster with a long past: two backups made under load, and everything that can end a transaction before,
//! during and after them. One per major, shared by all trials; nothing changes it once it is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::history::{History, Position, Target};
use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::sql::{one, query};
use crate::support::{Outcome, account::account, full_length, ledger, shared, skip};

use super::copy::planned;
use super::same_time;

/// In the origin's own configuration: a restored copy must follow none of it.
pub const LEFTOVERS: &[(&str, &str)] = &[
    ("primary_conninfo", "host=/nowhere"),
    ("primary_slot_name", "left_over"),
    ("restore_command", "exit 200"),
    ("archive_cleanup_command", "exit 200"),
    ("recovery_end_command", "exit 200"),
    ("recovery_target_name", "left over"),
    ("recovery_target_inclusive", "off"),
    ("recovery_target_action", "shutdown"),
    ("recovery_target_timeline", "77"),
];
/// What `ALTER SYSTEM` has set and a copy must keep.
pub const KEPT: (&str, &str) = ("work_mem", "5MB");

/// Restore points beside the plain ones: a quote, a backslash, a percent sign, other letters, the longest, and one
/// that is made twice.
const ODD_NAMES: [&str; 7] = [
    "it's here",
    r"back\slash",
    "made twice",
    "made twice",
    "100 % of it",
    "späte Überraschung",
    "as long as the name of a restore point may possibly be, 63 byte",
];

pub struct Origin {
    pub server: Server,
    pub site: Site,
    pub backups: Vec<Backup>,
    pub history: History,
    pub names: Vec<String>,
    /// Prepared, and neither committed nor aborted.
    pub prepared: u32,
    /// Had written, and was at work when the archive ended.
    pub running: u32,
    /// A transaction that ended before the first backup.
    pub early: u32,
    /// Two transactions committed at this time.
    pub equal_time: i64,
}

#[derive(Debug, Clone)]
pub struct Backup {
    pub id: String,
    pub start: Position,
    pub stop: Position,
}

pub fn origin(install: &'static Installation) -> Outcome<Arc<Origin>> {
    shared::shared(install.major, "targets::origin", || make(install))
}

fn make(install: &'static Installation) -> Outcome<Origin> {
    if install.major < 15 {
        return skip("pg_walinspect exists since 15");
    }
    let server = Server::builder(install)
        .segment_mib(4)
        .setting("archive_mode", "on")
        .setting("wal_keep_size", "'4GB'")
        .setting("include", "'more.conf'")
        // Its transactions would end after the history is captured, and before the archive ends.
        .setting("autovacuum", "off")
        .create()?;
    account().write(&server.data().join("more.conf"), "recovery_target_time = '2001-01-01 00:00:00+00'\n", 0o600)?;
    server.start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    for (name, value) in LEFTOVERS.iter().chain([&KEPT]) {
        server.sql(&format!("alter system set {name} = '{value}'"))?;
    }
    server.pgbench(&["-i", "-q", "-s", "1"])?;
    let from = Position::parse(&server.lsn()?)?;
    ledger::create(&server)?;
    let early = ledger::commit(&server)?;

    let mut names = Vec::new();
    let first = backup_under_load(&server, &site)?;
    eventful(&server, &mut names, &ODD_NAMES)?;
    let prepared = ledger::prepare(&server, "left open")?;
    let second = backup_under_load(&server, &site)?;
    let plain = if full_length() { 14 } else { 2 };
    let plain: Vec<String> = (0..plain).map(|n| format!("point {n}")).collect();
    eventful(&server, &mut names, &plain.iter().map(String::as_str).collect::<Vec<_>>())?;

    let mut client = server.client()?;
    let begin = "begin; insert into ledger default values returning xid";
    let running = one(query(&mut client, begin)?, begin)?.parse()?;
    same_time::make(&server)?;
    let history = History::capture(&server, from)?;
    let equal_time = equal_time(&history).ok_or("no two commits at one time")?;
    server.archive_all()?;
    Ok(Origin { server, site, backups: vec![first, second], history, names, prepared, running, early, equal_time })
}

/// Restore points among transactions of all kinds.
fn eventful(server: &Server, names: &mut Vec<String>, points: &[&str]) -> Outcome {
    for point in points {
        ledger::churn(server, 4, Duration::from_millis(60))?;
        server.client()?.execute("select pg_create_restore_point($1)", &[point])?;
        names.push((*point).to_owned());
    }
    names.dedup();
    Ok(())
}

/// The last such time.
fn equal_time(history: &History) -> Option<i64> {
    let mut times: Vec<i64> = history.records.iter().filter(|r| r.committed).map(|r| r.time).collect();
    times.sort_unstable();
    times.windows(2).rev().find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

fn backup_under_load(server: &Server, site: &Site) -> Outcome<Backup> {
    let run = under_load(server, || site.run(&["--json", "backup"])?.ok())?;
    let report = super::copy::last_object(&run)?;
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    Ok(Backup {
        id: text("id"),
        start: Position::parse(&text("start_lsn"))?,
        stop: Position::parse(&text("stop_lsn"))?,
    })
}

/// pgbench and the ledger at work from before until after.
fn under_load<T>(server: &Server, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    let over = AtomicBool::new(false);
    let goes_on = || !over.load(Ordering::Relaxed);
    thread::scope(|scope| {
        let bench = scope.spawn(|| {
            while goes_on() {
                server.pgbench(&["-n", "-c", "2", "-t", "50"])?;
            }
            Outcome::Ok(())
        });
        let churn = scope.spawn(|| {
            while goes_on() {
                ledger::churn(server, 2, Duration::from_millis(100))?;
            }
            Outcome::Ok(())
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        for load in [bench, churn] {
            load.join().unwrap_or_else(|_| Err("the load panicked".into()))?;
        }
        done
    })
}

impl Origin {
    /// What `--plan` says of a target, for a copy that nothing is written to.
    pub fn plan(&self, target: &Target, inclusive: bool) -> Outcome<serde_json::Value> {
        planned(&self.site, &super::copy::arguments(target, inclusive))
    }

    pub fn backup(&self, id: &str) -> Outcome<&Backup> {
        self.backups.iter().find(|b| b.id == id).ok_or_else(|| format!("no backup {id}").into())
    }

    /// The plan's last commit is the last in WAL that recovery from that backup applies.
    pub fn check_last_commit(&self, plan: &serde_json::Value, target: &Target, inclusive: bool) -> Outcome {
        let backup = self.backup(plan["backup"].as_str().unwrap_or_default())?;
        let end = self.history.end(&self.server, target, inclusive)?;
        let applied =
            self.history.records.iter().filter(|r| r.start >= backup.start && end.is_none_or(|e| r.start < e));
        let expected = applied.rev().find(|r| r.committed).map(|r| r.time);
        let planned = plan["last_commit"].as_str().map(str::parse::<jiff::Timestamp>).transpose()?;
        assert_eq!(planned.map(|time| time.as_microsecond()), expected, "{target:?} {inclusive}: {plan}");
        Ok(())
    }
}
