//! What expiry keeps and what it drops, of one cluster's backups and their WAL. Pure and without an order of its
//! own: the same backups give the same plan, and after it was carried out it gives the same once more.
//!
//! A cluster that was upgraded with `pg_upgrade` has another system identifier and is judged by itself: counts are
//! of periods that have a backup, so what makes no backups any more keeps those it has.

mod ahead;
mod rule;
mod wal;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::catalog::Summary;
use crate::model::deletion::Hold;
use crate::model::key::BackupId;
use crate::model::wal_name::TimelineId;

pub use rule::{Period, Rule};
pub use wal::{Archive, WalObject};
pub use window::Window;

/// `[retention]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Every moment of it can be restored.
    pub recovery_window: Duration,
    /// Of how many days, and so on, the last backup is kept; those without a backup do not count.
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    /// The newest backups, whatever their age.
    pub minimum: u32,
}

/// How long WAL is spared of which no backup can be told yet.
const FIRST_BACKUP: Duration = Duration::from_secs(DAY);

/// A weekly backup that is a day late.
const BETWEEN_BACKUPS: Duration = Duration::from_secs(8 * DAY);

const DAY: u64 = 24 * 60 * 60;

impl Default for Policy {
    fn default() -> Policy {
        let recovery_window = Duration::from_secs(7 * DAY);
        Policy { recovery_window, daily: 0, weekly: 0, monthly: 0, yearly: 0, minimum: 2 }
    }
}

impl Policy {
    /// For so long the rules keep a backup where two are never further apart than `BETWEEN_BACKUPS`: what the window
    /// rests on is older than it by what lies between two, and so is the last of a day or month when the first of
    /// another takes its place. Longer are kept: what is held, `minimum`, the last good one, and what stands for periods
    /// where some have no backup, for those do not count.
    pub fn longest(&self) -> Duration {
        longest(self.recovery_window, &self.periods())
    }

    fn periods(&self) -> [(Period, u32); 4] {
        Period::each([self.daily, self.weekly, self.monthly, self.yearly])
    }
}

/// [`Policy::longest`] of everything within `window` and of so many of these periods.
pub(super) fn longest(window: Duration, periods: &[(Period, u32)]) -> Duration {
    let days = |(period, number): &(Period, u32)| period.most_days() * u64::from(*number);
    let days = periods.iter().map(days).max().unwrap_or_default();
    window.max(Duration::from_secs(days * DAY)).saturating_add(BETWEEN_BACKUPS)
}

/// Everything the plan stands on: one system identifier's.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub policy: &'a Policy,
    pub backups: &'a [Summary],
    pub holds: &'a BTreeMap<BackupId, Hold>,
    /// The newest backup that a drill has restored.
    pub proven: Option<&'a BackupId>,
    pub wal: &'a Archive,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub id: BackupId,
    /// The rule that keeps it, the first where there are several; without one it is dropped.
    pub rule: Option<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Oldest first.
    pub verdicts: Vec<Verdict>,
    /// WAL that neither a kept backup nor the window needs.
    pub unneeded_wal: Vec<WalObject>,
    /// From here on every moment up to the end of the archive can be restored.
    pub window_from: Option<Timestamp>,
}

impl Plan {
    pub fn new(input: &Input<'_>) -> Plan {
        let judge = Judge::new(input);
        let rules = judge.rules();
        let kept = |backup: &&&Summary| rules.contains_key(&backup.id);
        let kept: Vec<&Summary> = judge.oldest_first.iter().filter(kept).copied().collect();
        let bases: Vec<&Summary> = kept.iter().filter(|backup| judge.bases.contains(&backup.id)).copied().collect();
        let verdict = |backup: &&Summary| Verdict { id: backup.id.clone(), rule: rules.get(&backup.id).cloned() };
        let unneeded_wal = judge.unneeded(&kept, &bases);
        let remaining = input.wal.without(&unneeded_wal);
        let good = kept.iter().filter(|backup| judge.quality(backup) > Quality::Broken);
        let window_from = good.copied().filter(|backup| remaining.reaches_the_end(backup)).map(|b| b.stopped).min();
        Plan { verdicts: judge.oldest_first.iter().map(verdict).collect(), unneeded_wal, window_from }
    }

    pub fn dropped(&self) -> impl Iterator<Item = &BackupId> {
        self.verdicts.iter().filter(|verdict| verdict.rule.is_none()).map(|verdict| &verdict.id)
    }

    /// Whether a backup, or the window, needs any of these segments, which are not there.
    pub fn needs_any_of(input: &Input<'_>, timeline: TimelineId, first: u64, last: u64) -> bool {
        let judge = Judge::new(input);
        let bases: Vec<&Summary> = input.backups.iter().filter(|backup| judge.bases.contains(&backup.id)).collect();
        let all: Vec<&Summary> = input.backups.iter().collect();
        input.wal.needs_any_of(&all, &bases, timeline, (first, last))
    }

    /// WAL that can go while every one of the backups stays, those in `besides` too.
    pub fn unneeded_wal_of_all(input: &Input<'_>, besides: &[Summary]) -> Vec<WalObject> {
        let judge = Judge::new(input);
        let bases: Vec<&Summary> = input.backups.iter().filter(|backup| judge.bases.contains(&backup.id)).collect();
        let kept: Vec<&Summary> = input.backups.iter().chain(besides).collect();
        judge.unneeded(&kept, &bases)
    }
}

/// How much a backup is worth. One of less worth never displaces one of more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quality {
    /// It cannot be restored: its WAL is broken or not all there, objects of it are not, or its signature is wrong.
    Broken,
    /// Pages failed their checksums.
    Flagged,
    Clean,
}

struct Judge<'a> {
    input: &'a Input<'a>,
    oldest_first: Vec<&'a Summary>,
    /// Where the window begins.
    edge: Timestamp,
    /// Since then somebody may be at work whose backup is not there yet.
    young: Timestamp,
    broken: BTreeSet<BackupId>,
    /// What the window rests on, for each timeline that lives in it.
    bases: BTreeSet<BackupId>,
}

impl<'a> Judge<'a> {
    fn new(input: &'a Input<'a>) -> Judge<'a> {
        let mut oldest_first: Vec<&Summary> = input.backups.iter().collect();
        oldest_first.sort_by_key(|b| (b.stopped, b.timeline, b.stop_lsn, b.id.clone()));
        let edge = input.now.checked_sub(input.policy.recovery_window).unwrap_or(Timestamp::MIN);
        let is_broken = |b: &&&Summary| b.is_broken() || !input.wal.is_complete(b);
        let broken = oldest_first.iter().filter(is_broken).map(|b| b.id.clone()).collect();
        let young = input.now.checked_sub(FIRST_BACKUP).unwrap_or(Timestamp::MIN);
        let mut judge = Judge { input, oldest_first, edge, young, broken, bases: BTreeSet::new() };
        judge.bases = judge.live_timelines().into_iter().flat_map(|timeline| judge.bases_of(timeline)).collect();
        judge
    }

    fn quality(&self, backup: &Summary) -> Quality {
        match (self.broken.contains(&backup.id), backup.is_flagged()) {
            (true, _) => Quality::Broken,
            (false, true) => Quality::Flagged,
            (false, false) => Quality::Clean,
        }
    }

    /// Without anything to rest on, what WAL is for is not known: a first backup may be under way. Nor is it on a
    /// timeline that no backup leads to, for as long as something is written there.
    fn unneeded(&self, kept: &[&Summary], bases: &[&Summary]) -> Vec<WalObject> {
        if bases.is_empty() {
            return Vec::new();
        }
        let wal = self.input.wal;
        let written_since = |timeline| wal.objects().any(|o| o.name.timeline() == timeline && o.modified >= self.young);
        let orphans: BTreeSet<TimelineId> = wal.objects().map(|object| object.name.timeline()).collect();
        let is_orphan = |t: &TimelineId| !bases.iter().any(|backup| wal.leads_to(backup, *t)) && written_since(*t);
        let orphans: BTreeSet<TimelineId> = orphans.into_iter().filter(is_orphan).collect();
        let mut unneeded = wal.unneeded(kept, bases);
        unneeded.retain(|object| !orphans.contains(&object.name.timeline()));
        unneeded
    }

    /// Those on which something happened within the window, and the newest.
    fn live_timelines(&self) -> BTreeSet<u32> {
        let written = self.input.wal.objects().filter(|object| object.modified >= self.edge);
        let backed_up = self.oldest_first.iter().filter(|backup| backup.stopped >= self.edge);
        let known = self.input.wal.objects().map(|object| object.name.timeline());
        let newest = known.chain(self.oldest_first.iter().map(|backup| backup.timeline)).max();
        let live = written.map(|object| object.name.timeline()).chain(backed_up.map(|backup| backup.timeline));
        live.chain(newest).collect()
    }

    /// The newest backup from before the window, and the newest clean one: WAL may have a hole between the two.
    /// Without either the oldest within.
    fn bases_of(&self, timeline: u32) -> Vec<BackupId> {
        let usable = |least: Quality| {
            let fits = move |b: &&&Summary| self.quality(b) >= least && self.input.wal.leads_to(b, timeline);
            self.oldest_first.iter().filter(fits)
        };
        let before = |least| usable(least).rfind(|backup| backup.stopped <= self.edge);
        let mut bases: Vec<&Summary> =
            [Quality::Clean, Quality::Flagged].into_iter().filter_map(before).copied().collect();
        if bases.is_empty() {
            bases.extend(usable(Quality::Flagged).next());
        }
        bases.into_iter().map(|backup| backup.id.clone()).collect()
    }

    /// Every backup that some rule keeps, with the first that does.
    fn rules(&self) -> BTreeMap<BackupId, Rule> {
        let mut rules = BTreeMap::new();
        let mut keep = |id: &BackupId, rule: Rule| {
            rules.entry(id.clone()).or_insert(rule);
        };
        for backup in &self.oldest_first {
            if let Some(hold) = self.input.holds.get(&backup.id).filter(|hold| hold.counts_at(self.input.now)) {
                keep(&backup.id, Rule::Hold { reason: hold.reason.clone(), until: hold.until });
            }
            if backup.stopped > self.edge {
                keep(&backup.id, Rule::Window);
            }
        }
        self.bases.iter().for_each(|id| keep(id, Rule::WindowRestsOnIt));
        for (period, count) in self.input.policy.periods() {
            for (backup, name) in self.last_of_each(period, count) {
                keep(&backup.id, Rule::Period { period, name });
            }
        }
        self.newest_of_each_worth(self.input.policy.minimum).for_each(|b| keep(&b.id, Rule::Minimum));
        self.input.proven.iter().for_each(|id| keep(id, Rule::Proven));
        self.best().last().iter().for_each(|b| keep(&b.id, Rule::LastGood));
        rules
    }

    /// The last and best backup of each of the newest periods, back to as many as are wanted with a clean one. Periods
    /// without one are counted apart, so that they take no place from the others.
    fn last_of_each(&self, period: Period, count: u32) -> Vec<(&'a Summary, String)> {
        let mut kept = Vec::new();
        let (mut clean, mut flagged) = (0, 0);
        for (name, backup) in self.best_of_each(period) {
            if clean == count {
                break;
            }
            let counted = if self.quality(backup) == Quality::Clean { &mut clean } else { &mut flagged };
            *counted += 1;
            if *counted <= count {
                kept.push((backup, name));
            }
        }
        kept
    }

    /// The newest period first. What is broken stands for none, unless there is nothing else.
    fn best_of_each(&self, period: Period) -> Vec<(String, &'a Summary)> {
        let mut periods: Vec<(String, &Summary)> = Vec::new();
        let least = self.oldest_first.iter().map(|backup| self.quality(backup)).max().min(Some(Quality::Flagged));
        for backup in self.oldest_first.iter().rev().filter(|backup| Some(self.quality(backup)) >= least) {
            let name = period.of(backup.stopped);
            match periods.last_mut() {
                Some((last, best)) if *last == name => {
                    if self.quality(backup) > self.quality(best) {
                        *best = backup;
                    }
                }
                _ => periods.push((name, backup)),
            }
        }
        periods
    }

    /// Oldest first, those of the greatest worth that there is.
    fn best(&self) -> Vec<&'a Summary> {
        let best = self.oldest_first.iter().map(|backup| self.quality(backup)).max();
        self.oldest_first.iter().filter(|backup| Some(self.quality(backup)) == best).copied().collect()
    }

    /// The newest clean ones; where they are too few flagged ones, and then any.
    fn newest_of_each_worth(&self, count: u32) -> impl Iterator<Item = &'a Summary> {
        let mut best_first: Vec<&Summary> = self.oldest_first.iter().rev().copied().collect();
        best_first.sort_by_key(|backup| std::cmp::Reverse(self.quality(backup)));
        best_first.into_iter().take(count as usize)
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
#[cfg(test)]
mod window_tests;
