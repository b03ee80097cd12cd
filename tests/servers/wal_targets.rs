//! Where the plan says that recovery stops, against where PostgreSQL stops: the LSN up to which it has replayed,
//! or the words with which it refuses.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgcairn::model::lsn::Lsn;
use pgcairn::model::plan::target::{Reach, Target, TargetSearch, Verdict};
use pgcairn::model::timestamp::TimestampTz;
use pgcairn::model::wal::{Event, Outcome as End, Record, TransactionEnd};

use super::support::majors::Installation;
use super::support::scratch::Scratch;
use super::support::server::{Server, run};
use super::support::{Outcome, Scenario, account::account, full_length, ledger};
use super::wal_records::{read, segments};

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "wal_targets::agree_with_recovery", run: agree_with_recovery }]
}

const REFUSES_EARLY: &str = "requested recovery stop point is before consistent recovery point";
const REFUSES_LATE: &str = "recovery ended before configured recovery target was reached";

/// A base backup, and an archive that goes beyond it.
struct Origin {
    install: &'static Installation,
    room: Scratch,
    /// From the start of the backup on.
    records: Vec<Record>,
    consistent_at: Lsn,
}

fn agree_with_recovery(install: &'static Installation) -> Outcome {
    let origin = originate(install)?;
    let targets = targets(&origin);
    // Prime to the length of every group in the list, so that the short form meets all kinds.
    let step = if full_length() { 1 } else { 5 };
    for (number, target) in targets.iter().enumerate().filter(|(number, _)| number % step == 0) {
        let (verdict, _) = origin.search(target);
        let server = origin.recover(number, target)?;
        match &verdict {
            Verdict::Stops(stop) => {
                server.wait_paused().map_err(|stop| format!("{target:?}: {verdict:?}: {stop:?}"))?;
                let replayed: Lsn = server.value("select pg_last_wal_replay_lsn()")?.parse()?;
                assert_eq!(replayed, stop.applied_to, "{target:?}: {verdict:?}");
            }
            Verdict::BeforeConsistency(_) => server.refuses(REFUSES_EARLY)?,
            Verdict::Unreachable(_) => server.refuses(REFUSES_LATE)?,
            Verdict::ReadsAll => return Err(format!("{target:?} is a target").into()),
        }
    }
    Ok(())
}

impl Server {
    fn refuses(&self, words: &str) -> Outcome {
        self.wait_exit()?;
        if self.log().contains(words) { Ok(()) } else { Err(self.log_tail().into()) }
    }
}

fn originate(install: &'static Installation) -> Outcome<Origin> {
    let room = Scratch::new()?;
    let archive = room.join("archive");
    account().make_dir(&archive)?;
    let copy = format!("'cp %p {}/%f'", archive.display());
    let builder = Server::builder(install).segment_mib(1).setting("archive_mode", "on");
    let server = builder.setting("archive_command", &copy).start()?;
    ledger::create(&server)?;
    let base = room.join("base");
    let mut backup = server.program("pg_basebackup");
    run(backup.args(["--checkpoint=fast", "--wal-method=none", "--pgdata"]).arg(&base))?;

    ledger::churn(&server, 4, Duration::from_millis(300))?;
    server.sql("select pg_create_restore_point('half')")?;
    ledger::prepare(&server, "left open")?;
    ledger::churn(&server, 4, Duration::from_millis(300))?;
    server.sql("select pg_create_restore_point('half')")?;
    let ended = server.archive_all()?;

    let records = read(&segments(&archive, 1 << 20, &ended)?)?;
    let label = fs::read_to_string(base.join("backup_label"))?;
    let start = label.lines().find_map(|line| line.strip_prefix("START WAL LOCATION: ")?.split(' ').next());
    let start: Lsn = start.ok_or("no start location")?.parse()?;
    let ends_backup = |record: &&Record| record.event == Some(Event::BackupEnd { start });
    let consistent_at = records.iter().find(ends_backup).ok_or("no end of backup")?.end;
    let records = records.into_iter().skip_while(|record| record.lsn < start).collect();
    Ok(Origin { install, room, records, consistent_at })
}

impl Origin {
    fn search(&self, target: &Target) -> (Verdict, Reach) {
        let mut search = TargetSearch::new(target.clone(), self.records[0].lsn, self.consistent_at);
        self.records.iter().for_each(|record| search.observe(record));
        search.finish()
    }

    fn recover(&self, number: usize, target: &Target) -> Outcome<Server> {
        let data: PathBuf = self.room.join(&format!("restored-{number}"));
        run(account().command("/bin/cp").arg("-a").arg(self.room.join("base")).arg(&data))?;
        account().write(&data.join("recovery.signal"), "", 0o600)?;
        let conf = data.join("postgresql.conf");
        let text = fs::read_to_string(&conf)? + &settings(&self.room.join("archive"), target);
        account().write(&conf, text, 0o600)?;
        let server = Server::adopt(self.install, &data)?;
        server.launch()?;
        Ok(server)
    }
}

fn settings(archive: &Path, target: &Target) -> String {
    let (setting, inclusive) = match target {
        Target::Immediate => ("recovery_target = 'immediate'".to_owned(), true),
        Target::Latest => (String::new(), true),
        Target::Time { at, inclusive } => (format!("recovery_target_time = '{at}'"), *inclusive),
        Target::Lsn { at, inclusive } => (format!("recovery_target_lsn = '{at}'"), *inclusive),
        Target::Xid { xid, inclusive } => (format!("recovery_target_xid = '{xid}'"), *inclusive),
        Target::Name(name) => (format!("recovery_target_name = '{name}'"), true),
    };
    let command = format!("restore_command = 'cp {}/%f %p'", archive.display());
    format!("\n{command}\n{setting}\nrecovery_target_inclusive = {inclusive}\n")
}

/// Every kind around a commit, a commit of a prepared transaction, an abort of one and of a subtransaction, beside
/// the greatest time, and beyond what the archive holds.
fn targets(origin: &Origin) -> Vec<Target> {
    let mut targets = vec![Target::Immediate, Target::Name("half".into()), Target::Name("never".into())];
    for (outcome, prepared) in [(End::Commit, false), (End::Commit, true), (End::Abort, true), (End::Abort, false)] {
        let (record, end) = middle(origin, outcome, prepared);
        for inclusive in [true, false] {
            targets.push(Target::Xid { xid: end.xid, inclusive });
            targets.push(Target::Lsn { at: record.lsn, inclusive });
            targets.push(Target::Time { at: end.time, inclusive });
        }
        targets.push(Target::Lsn { at: Lsn(record.lsn.0 + 1), inclusive: false });
        targets.push(Target::Time { at: TimestampTz(end.time.0 - 1), inclusive: true });
    }
    let reach = origin.search(&Target::Latest).1;
    for inclusive in [true, false] {
        let latest = reach.latest_time_target(inclusive).unwrap_or(TimestampTz(0));
        targets.push(Target::Time { at: latest, inclusive });
        targets.push(Target::Time { at: TimestampTz(latest.0 + 1), inclusive });
        targets.push(Target::Time { at: TimestampTz(1), inclusive });
        targets.push(Target::Xid { xid: 4_000_000_000, inclusive });
        targets.push(Target::Lsn { at: reach.end, inclusive });
        targets.push(Target::Lsn { at: origin.records[0].lsn, inclusive });
    }
    targets
}

/// Such a transaction end about the middle of what follows the backup.
fn middle(origin: &Origin, outcome: End, prepared: bool) -> (&Record, TransactionEnd) {
    let of_kind = |record: &Record| match record.event {
        Some(Event::TransactionEnd(end)) if end.outcome == outcome && end.prepared == prepared => Some(end),
        _ => None,
    };
    let behind = origin.records.iter().filter(|record| record.lsn > origin.consistent_at);
    let found: Vec<_> = behind.filter_map(|record| Some((record, of_kind(record)?))).collect();
    found[found.len() / 2]
}
