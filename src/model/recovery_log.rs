//! What a server's log proves of its recovery: where the copy became consistent, where replay stopped and why, and
//! whether the server opened.
//!
//! The lines are those of `xlogrecovery.c` and `xlog.c` (`xlog.c` alone in 14), alike from 14 to 19, with
//! `lc_messages = 'C'`. Only lines of level LOG count: what a session writes there it cannot begin alike.

pub mod words;

use serde::Serialize;

use super::lsn::Lsn;
use super::plan::target::{Side, StopPoint, Target};
use super::wal::Outcome;
use super::wal_name::TimelineId;

/// Ends the prefix of a line that the server's recovery writes.
const LEVEL: &str = "LOG:  ";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RecoveryLog {
    /// `redo starts at`
    pub redo_from: Option<Lsn>,
    /// `consistent recovery state reached at`
    pub consistent_at: Option<Lsn>,
    /// `recovery stopping …`; none where recovery reads all WAL.
    pub stop: Option<Stopped>,
    /// `pausing at the end of recovery`
    pub paused: bool,
    /// `redo done at`: only once replay goes no further.
    pub redo_done: Option<Lsn>,
    /// `last completed transaction was at log time`, as it stands there.
    pub last_transaction: Option<String>,
    /// `selected new timeline ID`
    pub new_timeline: Option<TimelineId>,
    /// `archive recovery complete`
    pub complete: bool,
    /// Files that `restore_command` has brought.
    pub restored_files: u64,
}

/// Where recovery stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stopped {
    /// The line without its prefix.
    pub words: String,
    #[serde(flatten)]
    pub at: At,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "at", rename_all = "kebab-case")]
pub enum At {
    Consistency,
    Lsn { lsn: Lsn, applied: bool },
    RestorePoint { name: String },
    Transaction { xid: u32, committed: bool, applied: bool },
}

impl RecoveryLog {
    /// `log` from its beginning, or from where the server was started last.
    pub fn parse(log: &str) -> RecoveryLog {
        let mut found = RecoveryLog::default();
        let said = log.lines().filter_map(|line| line.split_once(LEVEL));
        said.filter(|(prefix, _)| is_prefix(prefix)).for_each(|(_, said)| found.hear(said));
        found
    }

    fn hear(&mut self, said: &str) {
        if let Some(rest) = said.strip_prefix("redo starts at ") {
            self.redo_from = rest.parse().ok();
        } else if let Some(rest) = said.strip_prefix("consistent recovery state reached at ") {
            self.consistent_at = rest.parse().ok();
        } else if let Some(at) = said.strip_prefix("recovery stopping ").and_then(At::parse) {
            self.stop = Some(Stopped { words: said.to_owned(), at });
        } else if said == "pausing at the end of recovery" {
            self.paused = true;
        } else if let Some(rest) = said.strip_prefix("redo done at ") {
            self.redo_done = rest.split(' ').next().and_then(|lsn| lsn.parse().ok());
        } else if let Some(rest) = said.strip_prefix("last completed transaction was at log time ") {
            self.last_transaction = Some(rest.to_owned());
        } else if let Some(rest) = said.strip_prefix("selected new timeline ID: ") {
            self.new_timeline = rest.parse().ok();
        } else if said.starts_with("restored log file ") {
            self.restored_files += 1;
        }
        self.complete |= said == "archive recovery complete";
    }

    /// Whether recovery ended where the plan said: at the very record, or, without a stop, at the end of all WAL.
    pub fn proves(&self, target: &Target, planned: Option<&StopPoint>) -> bool {
        match (&self.stop, planned) {
            _ if self.consistent_at.is_none() => false,
            (None, None) => *target == Target::Latest && self.complete,
            (Some(stopped), Some(planned)) => match target {
                Target::Immediate => stopped.at == At::Consistency,
                _ => stopped.at.is(planned),
            },
            _ => false,
        }
    }
}

impl At {
    /// What follows `recovery stopping `.
    fn parse(words: &str) -> Option<At> {
        let (side, what) = words.split_once(' ')?;
        let applied = side != "before";
        if what == "reaching consistency" {
            return Some(At::Consistency);
        }
        if let Some(rest) = what.strip_prefix("restore point \"") {
            let (name, _time) = rest.rsplit_once("\", time ")?;
            return Some(At::RestorePoint { name: name.to_owned() });
        }
        if let Some(rest) = what.strip_prefix("WAL location (LSN) \"") {
            return Some(At::Lsn { lsn: rest.strip_suffix('"')?.parse().ok()?, applied });
        }
        let (outcome, rest) = what.split_once(" of transaction ")?;
        let xid = rest.split(',').next()?.parse().ok()?;
        Some(At::Transaction { xid, committed: outcome == "commit", applied })
    }

    fn is(&self, planned: &StopPoint) -> bool {
        let side = |applied: bool| applied == (planned.side == Side::After);
        match self {
            At::Consistency => false,
            At::Lsn { lsn, applied } => *lsn == planned.record && side(*applied),
            At::RestorePoint { name } => {
                planned.restore_point.as_ref().is_some_and(|point| point.name_lossy() == *name)
            }
            At::Transaction { xid, committed, applied } => {
                let ends = |outcome: Outcome| *committed == (outcome == Outcome::Commit);
                side(*applied) && planned.transaction.is_some_and(|end| end.xid == *xid && ends(end.outcome))
            }
        }
    }
}

/// `2026-11-20 03:00:00.123 UTC [4711] `: nothing a session may choose stands before the level.
fn is_prefix(prefix: &str) -> bool {
    let pid = prefix.strip_suffix("] ").and_then(|prefix| prefix.split_once('['));
    pid.is_some_and(|(time, pid)| {
        time.starts_with(|c: char| c.is_ascii_digit()) && !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::timestamp::TimestampTz;
    use crate::model::wal::{RestorePoint, TransactionEnd};

    fn log(lines: &[&str]) -> RecoveryLog {
        let lines: Vec<String> =
            lines.iter().map(|line| format!("2026-11-20 03:00:00.123 UTC [47] LOG:  {line}")).collect();
        RecoveryLog::parse(&lines.join("\n"))
    }

    fn stop(side: Side, record: u64, xid: Option<u32>, name: Option<&str>) -> StopPoint {
        let (time, prepared, outcome) = (TimestampTz(0), false, Outcome::Commit);
        StopPoint {
            side,
            record: Lsn(record),
            applied_to: Lsn(record),
            transaction: xid.map(|xid| TransactionEnd { outcome, xid, prepared, time }),
            restore_point: name.map(|name| RestorePoint { name: name.into(), time }),
        }
    }

    const TIME: &str = "2026-11-20 02:59:59.5+00";

    #[test]
    fn every_line_is_read() {
        let read = log(&[
            "starting point-in-time recovery to XID 731",
            "restored log file \"000000010000000000000002\" from archive",
            "redo starts at 0/2000028",
            "consistent recovery state reached at 0/02000100",
            "recovery stopping before commit of transaction 731, time 2026-11-20 02:59:59.5+00",
            "pausing at the end of recovery",
            "redo done at 0/2000140 system usage: CPU: user: 0.00 s, system: 0.00 s, elapsed: 0.01 s",
            "last completed transaction was at log time 2026-11-20 02:59:59.5+00",
            "selected new timeline ID: 2",
            "archive recovery complete",
        ]);
        let at = At::Transaction { xid: 731, committed: true, applied: false };
        assert_eq!(read.stop.as_ref().map(|stop| &stop.at), Some(&at));
        assert_eq!((read.redo_from, read.consistent_at), (Some(Lsn(0x200_0028)), Some(Lsn(0x200_0100))));
        assert_eq!((read.redo_done, read.last_transaction.as_deref()), (Some(Lsn(0x200_0140)), Some(TIME)));
        assert_eq!((read.new_timeline, read.restored_files), (Some(2), 1));
        assert!(read.paused && read.complete);
    }

    #[test]
    fn a_stop_proves_the_record_that_was_planned_and_no_other() {
        let consistent = "consistent recovery state reached at 0/100";
        let proves = |line: &str, target: Target, planned: &StopPoint| {
            log(&[consistent, line]).proves(&target, Some(planned)) && !log(&[line]).proves(&target, Some(planned))
        };
        let xid = Target::Xid { xid: 7, inclusive: true };
        let line = "recovery stopping after commit of transaction 7, time 2026-11-20 02:59:59.5+00";
        assert!(proves(line, xid.clone(), &stop(Side::After, 1, Some(7), None)));
        assert!(!proves(line, xid.clone(), &stop(Side::After, 1, Some(8), None)));
        assert!(!proves(line, xid.clone(), &stop(Side::Before, 1, Some(7), None)));
        assert!(!proves(&line.replace("commit", "abort"), xid, &stop(Side::After, 1, Some(7), None)));
        let lsn = Target::Lsn { at: Lsn(0x2A), inclusive: false };
        let line = "recovery stopping before WAL location (LSN) \"0/0000002A\"";
        assert!(proves(line, lsn.clone(), &stop(Side::Before, 0x2A, None, None)));
        assert!(!proves(line, lsn, &stop(Side::Before, 0x2B, None, None)));
        let name = Target::Name("a\", time b".into());
        let line = "recovery stopping at restore point \"a\", time b\", time 2026-11-20 02:59:59.5+00";
        assert!(proves(line, name.clone(), &stop(Side::After, 1, None, Some("a\", time b"))));
        assert!(!proves(line, name, &stop(Side::After, 1, None, Some("a"))));
        let line = "recovery stopping after reaching consistency";
        assert!(proves(line, Target::Immediate, &stop(Side::Before, 1, None, None)));
        assert!(!proves(line, Target::Name("x".into()), &stop(Side::Before, 1, None, None)));
    }

    #[test]
    fn the_end_of_the_archive_is_proven_by_completion_alone() {
        let consistent = "consistent recovery state reached at 0/100";
        assert!(log(&[consistent, "archive recovery complete"]).proves(&Target::Latest, None));
        assert!(!log(&[consistent]).proves(&Target::Latest, None));
        assert!(!log(&["archive recovery complete"]).proves(&Target::Latest, None));
    }

    #[test]
    fn what_a_session_writes_proves_nothing() {
        let line = "archive recovery complete";
        for text in [
            format!("2026-11-20 03:00:00.123 UTC [47] ERROR:  x LOG:  {line}"),
            format!("2026-11-20 03:00:00.123 UTC [47] STATEMENT:  [1] LOG:  {line}"),
            format!("\tLOG:  {line}"),
            format!("LOG:  {line}"),
        ] {
            assert_eq!(RecoveryLog::parse(&text), RecoveryLog::default(), "{text}");
        }
    }
}
