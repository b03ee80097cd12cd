//! What expiry keeps of dumps and what it drops. Pure; after it was carried out it gives the same once more.
//!
//! Each database is judged by itself: a dump stays where some rule keeps it for one of the databases it has, so that a
//! dump of one database never takes the place of another's. Dumps without rows count apart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::retention::{self, Period, Policy, Rule, Verdict};
use crate::model::deletion::Hold;
use crate::model::dump::{Marker, Summary};
use crate::model::key::BackupId;
use crate::model::signature::Signed;

/// `[dump.retention]` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpPolicy {
    /// Every dump that is younger is kept.
    pub within: Duration,
    /// Of how many days, and so on, the last dump is kept; those without a dump do not count.
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
    /// The newest of each database, whatever their age.
    pub minimum: u32,
}

impl Default for DumpPolicy {
    fn default() -> DumpPolicy {
        let Policy { recovery_window: within, daily, weekly, monthly, yearly, minimum } = Policy::default();
        DumpPolicy { within, daily, weekly, monthly, yearly, minimum }
    }
}

impl DumpPolicy {
    /// For so long the rules keep a dump, as [`Policy::longest`].
    pub fn longest(&self) -> Duration {
        retention::longest(self.within, &self.periods())
    }

    fn periods(&self) -> [(Period, u32); 4] {
        Period::each([self.daily, self.weekly, self.monthly, self.yearly])
    }
}

/// Everything the plan stands on: one system identifier's.
#[derive(Debug, Clone, Copy)]
pub struct DumpInput<'a> {
    pub policy: &'a DumpPolicy,
    pub dumps: &'a [Marker],
    pub holds: &'a BTreeMap<BackupId, Hold>,
    /// The newest that a drill has restored.
    pub proven: Option<&'a BackupId>,
    pub now: Timestamp,
}

/// What a dump stands for: a database of it, with rows or without. `None` is those that its marker has no room for.
type Subject<'a> = (Option<&'a str>, bool);

/// Oldest first.
pub fn verdicts(input: &DumpInput<'_>) -> Vec<Verdict> {
    let judge = Judge::new(input);
    let rules = judge.rules();
    let verdict = |dump: &&Summary| Verdict { id: dump.id.clone(), rule: rules.get(&dump.id).cloned() };
    judge.oldest_first.iter().map(verdict).collect()
}

/// Stored bytes of what is there now and will be dropped within `by`, while dumps go on being made as they were lately.
pub fn freed_within(input: &DumpInput<'_>, by: Duration) -> u64 {
    let Ok(now) = input.now.checked_add(by) else { return 0 };
    let lately = input.now.checked_sub(by).unwrap_or(input.now);
    let again = |marker: &Marker| {
        let summary = &marker.summary;
        let finished = summary.finished.checked_add(by).ok()?;
        let id = BackupId::of_dump(&finished.strftime("%Y%m%dT%H%M%SZ").to_string(), summary.totals.pieces).ok()?;
        Some(Marker { summary: Summary { id, finished, ..summary.clone() }, ..marker.clone() })
    };
    let new = input.dumps.iter().filter(|marker| marker.summary.finished > lately).filter_map(again);
    let dumps: Vec<Marker> = input.dumps.iter().cloned().chain(new).collect();
    let verdicts = verdicts(&DumpInput { dumps: &dumps, now, ..*input });
    let is_dropped = |id: &BackupId| verdicts.iter().any(|verdict| verdict.id == *id && verdict.rule.is_none());
    let dropped = input.dumps.iter().filter(|marker| is_dropped(&marker.summary.id));
    dropped.map(|marker| marker.summary.totals.stored_bytes).sum()
}

struct Judge<'a> {
    input: &'a DumpInput<'a>,
    oldest_first: Vec<&'a Summary>,
    /// For each, oldest first: what cannot be restored is left out where there is anything else.
    subjects: BTreeMap<Subject<'a>, Vec<&'a Summary>>,
}

impl<'a> Judge<'a> {
    fn new(input: &'a DumpInput<'a>) -> Judge<'a> {
        let mut markers: Vec<&Marker> = input.dumps.iter().collect();
        markers.sort_by_key(|marker| (marker.summary.finished, marker.summary.id.clone()));
        let mut all: BTreeMap<Subject<'a>, Vec<&'a Marker>> = BTreeMap::new();
        for marker in &markers {
            for subject in subjects(&marker.summary) {
                all.entry(subject).or_default().push(marker);
            }
        }
        let counted = |(subject, markers): (Subject<'a>, Vec<&'a Marker>)| (subject, good(&markers));
        Judge {
            input,
            oldest_first: markers.into_iter().map(|marker| &marker.summary).collect(),
            subjects: all.into_iter().map(counted).collect(),
        }
    }

    /// Every dump that some rule keeps, with the first that does.
    fn rules(&self) -> BTreeMap<BackupId, Rule> {
        let (input, mut rules) = (self.input, BTreeMap::new());
        let mut keep = |dump: &Summary, rule: Rule| {
            rules.entry(dump.id.clone()).or_insert(rule);
        };
        let edge = input.now.checked_sub(input.policy.within).unwrap_or(Timestamp::MIN);
        for dump in &self.oldest_first {
            if let Some(hold) = input.holds.get(&dump.id).filter(|hold| hold.counts_at(input.now)) {
                keep(dump, Rule::Hold { reason: hold.reason.clone(), until: hold.until });
            }
            if dump.finished > edge {
                keep(dump, Rule::Within);
            }
        }
        for (period, count) in input.policy.periods() {
            self.last_of_each(period, count)
                .into_iter()
                .for_each(|(dump, name)| keep(dump, Rule::Period { period, name }));
        }
        for ((database, _), dumps) in &self.subjects {
            let newest = dumps.iter().rev().take(input.policy.minimum.max(1) as usize);
            newest.for_each(|dump| keep(dump, Rule::MinimumOf { database: database.map(str::to_owned) }));
        }
        let proven = self.oldest_first.iter().filter(|dump| Some(&dump.id) == input.proven);
        proven.for_each(|dump| keep(dump, Rule::Proven));
        rules
    }

    /// Of each of the newest periods, for each database the last dump. Which periods those are, all databases decide
    /// together: one that is gone keeps no periods of its own.
    fn last_of_each(&self, period: Period, count: u32) -> Vec<(&'a Summary, String)> {
        let mut kept = Vec::new();
        for with_rows in [false, true] {
            let of_kind = || self.subjects.iter().filter(move |((_, schema_only), _)| *schema_only != with_rows);
            let names: BTreeSet<(Timestamp, String)> =
                of_kind().flat_map(|(_, dumps)| dumps).map(|dump| (dump.finished, period.of(dump.finished))).collect();
            let mut newest: Vec<String> = names.into_iter().rev().map(|(_, name)| name).collect();
            newest.dedup();
            newest.truncate(count as usize);
            for (_, dumps) in of_kind() {
                let last = |name: &String| dumps.iter().rfind(|dump| period.of(dump.finished) == *name);
                kept.extend(newest.iter().filter_map(|name| Some((*last(name)?, name.clone()))));
            }
        }
        kept
    }
}

fn subjects(dump: &Summary) -> Vec<Subject<'_>> {
    let named = dump.databases.iter().map(|name| Some(name.as_str()));
    let more = (dump.totals.databases > dump.databases.len() as u64 || dump.databases.is_empty()).then_some(None);
    named.chain(more).map(|database| (database, dump.schema_only)).collect()
}

/// One that cannot be restored takes no other's place: its signature is wrong, or objects of it are not there.
fn good<'a>(markers: &[&'a Marker]) -> Vec<&'a Summary> {
    let is_good = |marker: &&&Marker| !matches!(marker.signed, Signed::Wrong(_)) && !marker.summary.lacks_objects;
    let good: Vec<&Summary> = markers.iter().filter(is_good).map(|marker| &marker.summary).collect();
    if good.is_empty() { markers.iter().map(|marker| &marker.summary).collect() } else { good }
}

#[cfg(test)]
#[path = "dump_retention_tests.rs"]
mod tests;
