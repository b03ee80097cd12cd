//! Where recovery would stop, found by reading the WAL before anything is restored.
//!
//! Follows `recoveryStopsBefore` and `recoveryStopsAfter` in `xlogrecovery.c` (`xlog.c` in 14), which decide
//! alike from 14 to 19, and what `PerformWalRecovery` makes of their answers.

use crate::model::lsn::Lsn;
use crate::model::timestamp::TimestampTz;
use crate::model::wal::event::{CreatedTablespace, Parameters, WAL_LEVEL_MINIMAL};
use crate::model::wal::record::RM_XACT;
use crate::model::wal::{Event, Record, RestorePoint, TransactionEnd};

/// Restore points listed beside a name that was not found: the last ones.
pub const LISTED_RESTORE_POINTS: usize = 20;

/// Where recovery is to end. `inclusive` is `recovery_target_inclusive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// As soon as the copy is consistent (`recovery_target = 'immediate'`).
    Immediate,
    /// All WAL there is; no recovery target is set.
    Latest,
    Time {
        at: TimestampTz,
        inclusive: bool,
    },
    Lsn {
        at: Lsn,
        inclusive: bool,
    },
    Xid {
        xid: u32,
        inclusive: bool,
    },
    Name(String),
}

/// The record at which recovery stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopPoint {
    pub side: Side,
    /// Where the record begins.
    pub record: Lsn,
    /// Everything before is applied, nothing from here on.
    pub applied_to: Lsn,
    /// The commit or abort that the record is, if it is one.
    pub transaction: Option<TransactionEnd>,
    pub restore_point: Option<RestorePoint>,
}

/// Whether the record at which recovery stops is itself applied (`recoveryStopAfter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// What recovery would do with this WAL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It reaches the target.
    Stops(StopPoint),
    /// It has no target and reads to the end.
    ReadsAll,
    /// The server refuses to open: "requested recovery stop point is before consistent recovery point".
    BeforeConsistency(StopPoint),
    /// The server refuses to open: "recovery ended before configured recovery target was reached".
    Unreachable(Unreachable),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreachable {
    /// WAL ends before the copy is consistent.
    EndsBeforeConsistency,
    /// WAL written with `wal_level = minimal` begins behind this record; no recovery passes it.
    MinimalWal {
        at: Lsn,
    },
    /// No commit or abort is late enough to show that the time has come.
    NoLaterTransaction,
    /// No record begins at or behind the LSN.
    BeyondEnd,
    /// The transaction wrote nothing.
    XidUnknown,
    /// The transaction wrote WAL and neither committed nor aborted: it was still running, is prepared, or is a
    /// subtransaction that committed with its parent.
    XidNotEnded,
    NameUnknown,
    /// Nothing follows the record with which the copy becomes consistent, and only the next could be stopped at.
    NothingFollows,
}

/// What the WAL holds, wherever recovery would stop.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Records read, where the last one begins and where it ends.
    pub records: u64,
    pub last: Lsn,
    pub end: Lsn,
    /// The greatest time of a commit or abort, and its record. Times are not in order in WAL.
    pub greatest_time: Option<(TimestampTz, Lsn)>,
    /// How many restore points have the target's name; recovery stops at the first.
    pub same_name: u64,
    /// The last restore points.
    pub restore_points: Vec<(Lsn, RestorePoint)>,
    /// The greatest settings that a record before the stop demands of the server.
    pub parameters: Option<Parameters>,
    /// Tablespaces that replay makes before the stop, and where.
    pub tablespaces: Vec<(Lsn, CreatedTablespace)>,
}

impl Reach {
    /// The latest time that can be a target: PostgreSQL stops only at a transaction's end that is later, or, when
    /// the time is exclusive, not earlier.
    pub fn latest_time_target(&self, inclusive: bool) -> Option<TimestampTz> {
        let (greatest, _) = self.greatest_time?;
        Some(if inclusive { TimestampTz(greatest.0.saturating_sub(1)) } else { greatest })
    }
}

/// Looks at one record after the other, from the start of the backup on.
#[derive(Debug)]
pub struct TargetSearch {
    target: Target,
    /// Stop LSN of the backup.
    consistent_at: Lsn,
    applied_to: Lsn,
    stop: Option<Verdict>,
    xid_seen: bool,
    reach: Reach,
}

impl TargetSearch {
    /// Recovery begins at `start`, and the copy is consistent once everything before `consistent_at` is applied.
    pub fn new(target: Target, start: Lsn, consistent_at: Lsn) -> TargetSearch {
        let reach = Reach { end: start, ..Reach::default() };
        TargetSearch { target, consistent_at, applied_to: start, stop: None, xid_seen: false, reach }
    }

    /// The next record. After the stop is found it is still good to know what follows.
    pub fn observe(&mut self, record: &Record) {
        self.extend_reach(record);
        if self.stop.is_some() {
            return;
        }
        if self.stops_before(record) {
            return self.stop_at(Side::Before, record);
        }
        self.applied_to = record.end;
        self.apply(record);
        if self.stop.is_none() && self.stops_after(record) {
            self.stop_at(Side::After, record);
        }
    }

    /// What the WAL read so far holds.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Whether it is decided where recovery ends.
    pub fn is_decided(&self) -> bool {
        self.stop.is_some()
    }

    /// The WAL is read.
    pub fn finish(self) -> (Verdict, Reach) {
        let verdict = match self.stop {
            Some(verdict) => verdict,
            None if !self.is_consistent() => Verdict::Unreachable(Unreachable::EndsBeforeConsistency),
            None => match self.target {
                Target::Latest => Verdict::ReadsAll,
                Target::Immediate => Verdict::Unreachable(Unreachable::NothingFollows),
                Target::Time { .. } => Verdict::Unreachable(Unreachable::NoLaterTransaction),
                Target::Lsn { .. } => Verdict::Unreachable(Unreachable::BeyondEnd),
                Target::Xid { .. } if self.xid_seen => Verdict::Unreachable(Unreachable::XidNotEnded),
                Target::Xid { .. } => Verdict::Unreachable(Unreachable::XidUnknown),
                Target::Name(_) => Verdict::Unreachable(Unreachable::NameUnknown),
            },
        };
        (verdict, self.reach)
    }

    /// `CheckRecoveryConsistency`
    fn is_consistent(&self) -> bool {
        self.consistent_at <= self.applied_to
    }

    /// `recoveryStopsBefore`
    fn stops_before(&self, record: &Record) -> bool {
        match (&self.target, &record.event) {
            (Target::Immediate, _) => self.is_consistent(),
            (Target::Lsn { at, inclusive: false }, _) => record.lsn >= *at,
            (Target::Xid { xid, inclusive: false }, Some(Event::TransactionEnd(end))) => end.xid == *xid,
            (Target::Time { at, inclusive: true }, Some(Event::TransactionEnd(end))) => end.time > *at,
            (Target::Time { at, inclusive: false }, Some(Event::TransactionEnd(end))) => end.time >= *at,
            _ => false,
        }
    }

    /// `recoveryStopsAfter`. Immediate asks again only after a transaction's end, as everything else has
    /// returned by then; the next record would be stopped before.
    fn stops_after(&self, record: &Record) -> bool {
        match (&self.target, &record.event) {
            (Target::Name(name), Some(Event::RestorePoint(point))) => point.name == name.as_bytes(),
            (Target::Lsn { at, inclusive: true }, _) => record.lsn >= *at,
            (Target::Xid { xid, inclusive: true }, Some(Event::TransactionEnd(end))) => end.xid == *xid,
            (Target::Immediate, _) => record.rmid == RM_XACT && self.is_consistent(),
            _ => false,
        }
    }

    fn stop_at(&mut self, side: Side, record: &Record) {
        let (transaction, restore_point) = match &record.event {
            Some(Event::TransactionEnd(end)) => (Some(*end), None),
            Some(Event::RestorePoint(point)) => (None, Some(point.clone())),
            _ => (None, None),
        };
        let stop = StopPoint { side, record: record.lsn, applied_to: self.applied_to, transaction, restore_point };
        let consistent = self.is_consistent();
        self.stop = Some(if consistent { Verdict::Stops(stop) } else { Verdict::BeforeConsistency(stop) });
    }

    /// What replaying the record does to recovery itself (`xlog_redo`, `CheckRequiredParameterValues`).
    fn apply(&mut self, record: &Record) {
        if let Some(Event::CreateTablespace(created)) = &record.event {
            self.reach.tablespaces.push((record.lsn, created.clone()));
        }
        if let Some(Event::ParameterChange(parameters)) = &record.event {
            self.reach.parameters = Some(greatest(self.reach.parameters, *parameters));
            if parameters.wal_level == WAL_LEVEL_MINIMAL {
                let at = record.lsn;
                self.stop = Some(Verdict::Unreachable(Unreachable::MinimalWal { at }));
            }
        }
    }

    fn extend_reach(&mut self, record: &Record) {
        let reach = &mut self.reach;
        reach.records += 1;
        reach.last = record.lsn;
        reach.end = record.end;
        self.xid_seen |= matches!(self.target, Target::Xid { xid, .. } if record.xid == xid);
        match &record.event {
            Some(Event::TransactionEnd(end)) => {
                let this = (end.time, record.lsn);
                reach.greatest_time = Some(reach.greatest_time.filter(|held| held.0 >= end.time).unwrap_or(this));
            }
            Some(Event::RestorePoint(point)) => {
                reach.same_name += u64::from(matches!(&self.target, Target::Name(n) if point.name == n.as_bytes()));
                if reach.restore_points.len() == LISTED_RESTORE_POINTS {
                    reach.restore_points.remove(0);
                }
                reach.restore_points.push((record.lsn, point.clone()));
            }
            _ => {}
        }
    }
}

fn greatest(held: Option<Parameters>, new: Parameters) -> Parameters {
    let held = held.unwrap_or(new);
    Parameters {
        max_connections: held.max_connections.max(new.max_connections),
        max_worker_processes: held.max_worker_processes.max(new.max_worker_processes),
        max_wal_senders: held.max_wal_senders.max(new.max_wal_senders),
        max_prepared_transactions: held.max_prepared_transactions.max(new.max_prepared_transactions),
        max_locks_per_transaction: held.max_locks_per_transaction.max(new.max_locks_per_transaction),
        wal_level: new.wal_level,
    }
}
