//! Expiry of dumps. Nothing that a dump consists of is another's, so nothing has to be condemned: what lies below
//! `dumps/<id>/` goes when neither the marker is there, nor in the trash, nor a hold, and nobody has written there for a
//! grace time. A dump that stands still for half of it gives itself up.

mod observed;

use jiff::Timestamp;

use super::Request;
use super::carry_out::Work;
use super::freed::{Amount, Freed};
use super::trash::{self, is_old};
use crate::model::deletion::{COMMIT_OVERDUE, GRACE};
use crate::model::error::Result;
use crate::model::key::{BackupId, ClusterKeys};
use crate::model::plan::dump_retention::{DumpInput, DumpPolicy, verdicts};
use crate::model::plan::retention::Verdict;
use crate::operation::hold;
use crate::report::expire::DumpRow;
use crate::store::{Entry, Reader};

pub use observed::ObservedDumps;

impl ObservedDumps {
    /// Without a policy every dump is kept.
    pub fn plan(&self, policy: Option<&DumpPolicy>, now: Timestamp) -> Vec<Verdict> {
        let Some(policy) = policy else { return Vec::new() };
        let (dumps, holds) = (&self.dumps, &self.holds);
        verdicts(&DumpInput { policy, dumps, holds, proven: self.proven.as_ref(), now })
    }

    pub fn rows(&self, plan: &[Verdict]) -> Vec<DumpRow> {
        let verdict = |id: &BackupId| plan.iter().find(|verdict| verdict.id == *id);
        let rows = self.dumps.iter().map(|marker| match verdict(&marker.summary.id) {
            None => DumpRow::new(&marker.summary, true, "every dump is kept: there is no [dump.retention]".to_owned()),
            Some(Verdict { rule: Some(rule), .. }) => DumpRow::new(&marker.summary, true, rule.to_string()),
            Some(_) => DumpRow::new(&marker.summary, false, "no rule keeps it".to_owned()),
        });
        rows.collect()
    }

    /// What a run would free at once, and what after the grace time.
    pub fn foreseen(&self, plan: &[Verdict], request: &Request, now: Timestamp) -> Freed {
        let dropped = plan.iter().filter(|verdict| verdict.rule.is_none());
        let stored = |id: &BackupId| self.parts.get(id).into_iter().flatten().map(|entry| entry.size).sum::<u64>();
        let dropped: u64 = dropped.map(|verdict| stored(&verdict.id)).sum();
        let nobodys: u64 = self.parts.keys().filter(|id| self.is_nobodys(id, now, request.now)).map(stored).sum();
        let (gone, condemned) = if request.now { (nobodys + dropped, 0) } else { (nobodys, dropped) };
        Freed { gone: Amount::of_bytes(gone), condemned: Amount::of_bytes(condemned) }
    }
}

/// Drops what the plan drops, and deletes what is nobody's.
pub fn carry_out(work: &Work<'_>, observed: &ObservedDumps, plan: &[Verdict]) -> Result<Freed> {
    let keys = &observed.keys;
    let trash = observed.trash.iter().filter(|(id, _)| !observed.is_there(id));
    work.bring_back_held(keys, trash.filter(|(id, _)| observed.is_held(id, work.now)))?;
    for verdict in plan.iter().filter(|verdict| verdict.rule.is_none()) {
        work.interrupt.check()?;
        work.drop_into_trash(keys, &verdict.id)?;
    }
    let dropped = work.gone.borrow().clone();
    let condemned = dropped.iter().filter(|_| !work.at_once).filter_map(|id| observed.parts.get(id)).flatten();
    let condemned = condemned.map(|entry| entry.size).sum();
    trash::empty(work, keys, BackupId::is_dump)?;
    let mut gone = 0;
    let observed = ObservedDumps::read(&work.repository.reader(), keys.clone())?;
    for (id, parts) in &observed.parts {
        work.interrupt.check()?;
        if dropped.contains(id) && work.at_once || observed.is_nobodys(id, work.now, work.at_once) {
            gone += delete(work, &observed, id, parts)?;
        }
    }
    work.pay(keys)?;
    sweep_holds(work, &observed)?;
    Ok(Freed { gone: Amount::of_bytes(gone), condemned: Amount::of_bytes(condemned) })
}

/// The list goes last: it tells that its dump was complete. Looked for once more, for `undelete` may be at work.
fn delete(work: &Work<'_>, observed: &ObservedDumps, id: &BackupId, parts: &[Entry]) -> Result<u64> {
    let (keys, reader) = (&observed.keys, work.repository.reader());
    if observed.is_there(id) || observed.trash.contains_key(id) || is_claimed(work, &reader, keys, id)? {
        return Ok(0);
    }
    let list = keys.dump_objects(id);
    let (last, first): (Vec<&Entry>, Vec<&Entry>) = parts.iter().partition(|entry| entry.key == list);
    let mut freed = 0;
    for entry in first.into_iter().chain(last) {
        work.interrupt.check()?;
        if work.repository.remover().remove(&entry.key)? {
            freed += entry.size;
        }
    }
    Ok(freed)
}

fn is_claimed(work: &Work<'_>, reader: &Reader, keys: &ClusterKeys, id: &BackupId) -> Result<bool> {
    Ok(work.is_held(keys, id)? || reader.stat_if_there(&keys.dump(id))?.is_some())
}

/// Holds of what is no dump, nor will be.
fn sweep_holds(work: &Work<'_>, observed: &ObservedDumps) -> Result<()> {
    let is_known =
        |id: &BackupId| observed.is_there(id) || observed.trash.contains_key(id) || observed.parts.contains_key(id);
    let nobodys: Vec<&BackupId> = observed.holds.keys().filter(|id| !is_known(id)).collect();
    if nobodys.is_empty() { Ok(()) } else { hold::remove_old(work.repository, &observed.keys, &nobodys, work.now) }
}

/// Younger ones may be of a dump that is being made; a list without a marker after so long is of one that was dropped,
/// or whose run has died.
fn is_abandoned(list: Option<&Entry>, newest: Timestamp, now: Timestamp, at_once: bool) -> bool {
    let age = now.duration_since(newest);
    let is_overdue = |list: &Entry| now.duration_since(list.modified) >= COMMIT_OVERDUE;
    age >= GRACE || at_once && list.is_some_and(is_overdue)
}
