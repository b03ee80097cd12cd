//! Single rules by example, and what is promised over random lives of a cluster.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::model::catalog::{
    Environment, Flagged, Method, ObjectsDigest, ServerFacts, Summary as Backup, Tolerated, Totals,
};
use crate::model::key::ClusterName;
use crate::model::lsn::Lsn;
use crate::model::sha256::Sha256Sum;
use crate::model::timeline::{Ancestor, Timeline, TimelineJson};
use crate::model::wal_name::{Segment, TimelineId, WalName};

pub(super) const SEGMENT: u64 = 1 << 20;

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn backup(number: u32, timeline: TimelineId, segments: (u64, u64), stopped: Timestamp) -> Backup {
    let start = stopped.strftime("%Y%m%dT%H%M%SZ").to_string();
    Backup {
        format: 1,
        minimum_reader: 1,
        id: BackupId::new(&start, "full", number).unwrap(),
        cluster: ClusterName::new("main").unwrap(),
        system_identifier: 7,
        method: Method::Full,
        labels: BTreeMap::new(),
        postgresql: ServerFacts {
            version: 180_001,
            catalog_version: 1,
            wal_segment_size: SEGMENT,
            block_size: 8192,
            data_checksums: true,
        },
        timeline,
        start_lsn: Lsn(segments.0 * SEGMENT + 40),
        stop_lsn: Lsn(segments.1 * SEGMENT + 400),
        started: stopped,
        stopped,
        standby: false,
        parts: 1,
        objects: ObjectsDigest { size: 0, sha256: Sha256Sum([0; 32]) },
        totals: Totals::default(),
        tolerated: Tolerated::default(),
        flagged: Flagged::default(),
        wal_broken_at: None,
        environment: Environment::default(),
        recipients: Vec::new(),
        pgcairn: String::new(),
        is_forged: false,
        lacks_objects: false,
    }
}

pub(super) fn segment(timeline: TimelineId, number: u64, modified: Timestamp) -> WalObject {
    WalObject { name: WalName::Segment(Segment { timeline, number }.name(SEGMENT)), size: 10, modified }
}

/// One backup a day at 03:00 with one segment each, day 0 first; segment numbers are days.
pub(super) struct Daily {
    pub backups: Vec<Backup>,
    pub wal: Vec<WalObject>,
    pub now: Timestamp,
}

impl Daily {
    pub fn new(days: u32) -> Daily {
        let day = |n: u32| at("2026-10-01T03:00:00Z") + SignedDuration::from_hours(24 * i64::from(n));
        let backups = (0..days).map(|n| backup(n, 1, (u64::from(n), u64::from(n)), day(n))).collect();
        let wal = (0..days).map(|n| segment(1, u64::from(n), day(n) + SignedDuration::from_hours(1))).collect();
        Daily { backups, wal, now: day(days - 1) + SignedDuration::from_hours(2) }
    }

    fn plan(&self, policy: &Policy, holds: &BTreeMap<BackupId, Hold>) -> Plan {
        let wal = Archive::new(self.wal.iter().copied(), &BTreeMap::new(), &self.backups);
        Plan::new(&Input { policy, backups: &self.backups, holds, proven: None, wal: &wal, now: self.now })
    }

    /// What each backup is kept for, oldest first.
    fn rules(&self, policy: &Policy) -> Vec<String> {
        let plan = self.plan(policy, &BTreeMap::new());
        plan.verdicts.iter().map(|v| v.rule.as_ref().map_or("-".to_owned(), ToString::to_string)).collect()
    }
}

pub(super) fn policy(days: u64) -> Policy {
    Policy { recovery_window: Duration::from_secs(days * DAY), minimum: 1, ..Policy::default() }
}

#[test]
fn the_window_and_what_it_rests_on() {
    let daily = Daily::new(6);
    assert_eq!(daily.rules(&policy(2)), ["-", "-", "-", "window rests on it", "window", "window"]);
    let plan = daily.plan(&policy(2), &BTreeMap::new());
    assert_eq!(plan.unneeded_wal.iter().map(|w| w.name.to_string()).collect::<Vec<_>>().len(), 3);
    assert_eq!(plan.window_from, Some(daily.backups[3].stopped));
}

#[test]
fn periods_are_counted_by_those_that_have_a_backup() {
    let mut daily = Daily::new(62);
    let rules = daily.rules(&Policy { daily: 3, weekly: 3, monthly: 3, yearly: 1, ..policy(1) });
    let kept: Vec<&str> = rules.iter().map(String::as_str).filter(|rule| *rule != "-").collect();
    assert_eq!(kept, ["monthly 2026-10", "weekly 2026-W47", "daily 2026-11-29", "window rests on it", "window"]);
    // A year without a backup drops nothing of it.
    daily.now += SignedDuration::from_hours(24 * 365);
    let later = daily.rules(&Policy { daily: 3, ..policy(1) });
    assert_eq!(later.iter().filter(|rule| rule.starts_with("daily") || rule.starts_with("window")).count(), 3);
}

#[test]
fn holds_minimum_and_drills() {
    let mut daily = Daily::new(5);
    daily.now += SignedDuration::from_hours(24 * 100);
    assert_eq!(daily.rules(&Policy { minimum: 2, ..policy(1) }), ["-", "-", "-", "minimum", "window rests on it"]);
    let hold = |until: Option<&str>| Hold {
        format: 1,
        backup: daily.backups[0].id.clone(),
        reason: "case 7".to_owned(),
        created: daily.now,
        until: until.map(at),
    };
    let held = BTreeMap::from([(daily.backups[0].id.clone(), hold(Some("2027-06-01T00:00:00Z")))]);
    let plan = daily.plan(&policy(1), &held);
    let rule = plan.verdicts[0].rule.as_ref().map(ToString::to_string);
    assert_eq!(rule.as_deref(), Some("hold: case 7 until 2027-06-01T00:00:00Z"));
    assert_eq!(plan.unneeded_wal.len(), 3, "its own segment stays, those in between go");
    let over = BTreeMap::from([(daily.backups[0].id.clone(), hold(Some("2026-11-01T00:00:00Z")))]);
    assert_eq!(daily.plan(&policy(1), &over).verdicts[0].rule, None);
    let wal = Archive::new(daily.wal.iter().copied(), &BTreeMap::new(), &daily.backups);
    let (backups, proven) = (&daily.backups[..], Some(&daily.backups[1].id));
    let policy = policy(1);
    let input = Input { policy: &policy, backups, holds: &BTreeMap::new(), proven, wal: &wal, now: daily.now };
    assert_eq!(Plan::new(&input).verdicts[1].rule, Some(Rule::Proven));
}

#[test]
fn a_clean_one_never_goes_in_favour_of_a_flagged_one() {
    let mut daily = Daily::new(6);
    daily.now += SignedDuration::from_hours(24 * 100);
    daily.backups[2..].iter_mut().for_each(|backup| backup.flagged.count = 1);
    let rules = daily.rules(&Policy { daily: 1, ..policy(1) });
    assert_eq!(rules, ["-", "window rests on it", "-", "-", "-", "window rests on it"]);
    // WAL that is broken within the backup leaves nothing to restore, and a signature that is wrong neither.
    daily.backups[1..4].iter_mut().for_each(|backup| backup.wal_broken_at = Some(Lsn(1)));
    daily.backups[4..].iter_mut().for_each(|backup| backup.is_forged = true);
    assert_eq!(daily.rules(&policy(1)), ["window rests on it", "-", "-", "-", "-", "-"]);
}

#[test]
fn days_without_a_clean_backup_are_counted_apart() {
    let mut daily = Daily::new(8);
    daily.now += SignedDuration::from_hours(24 * 100);
    [1, 4, 5, 6, 7].into_iter().for_each(|day: usize| daily.backups[day].flagged.count = 1);
    let rules = daily.rules(&Policy { daily: 2, ..policy(1) });
    let kept: Vec<usize> = (0..8).filter(|day| rules[*day] != "-").collect();
    assert_eq!(kept, [2, 3, 6, 7], "two clean ones, two of later days that have none: {rules:?}");
    let rules = daily.rules(&Policy { daily: 3, ..policy(1) });
    let kept: Vec<usize> = (0..8).filter(|day| rules[*day] != "-").collect();
    assert_eq!(kept, [0, 2, 3, 5, 6, 7], "{rules:?}");
}

#[test]
fn a_hole_is_a_gap_where_something_needs_it() {
    let mut daily = Daily::new(6);
    let lost = |daily: &Daily, first, last, policy: &Policy| {
        let wal = Archive::new(daily.wal.iter().copied(), &BTreeMap::new(), &daily.backups);
        let holds = BTreeMap::new();
        let input = Input { policy, backups: &daily.backups, holds: &holds, proven: None, wal: &wal, now: daily.now };
        Plan::needs_any_of(&input, 1, first, last)
    };
    // Backups of day 0 and of days 3 to 5 are there, the window rests on that of day 3.
    daily.backups.drain(1..3);
    daily.wal.drain(1..3);
    assert!(!lost(&daily, 1, 2, &policy(2)));
    assert!(lost(&daily, 1, 3, &policy(2)), "the backup of day 3 needs its own");
    assert!(lost(&daily, 4, 4, &policy(2)) && lost(&daily, 9, 9, &policy(2)));
    assert!(lost(&daily, 1, 2, &policy(30)), "exactly between two backups, and within the window");
}

#[test]
fn wal_of_a_timeline_that_no_backup_leads_to_waits_for_its_first() {
    let mut daily = Daily::new(4);
    let branched =
        Timeline { id: 2, ancestors: vec![Ancestor { timeline: 1, switch_lsn: Lsn(8), reason: String::new() }] };
    let facts = BTreeMap::from([(2, TimelineJson::from(&branched))]);
    daily.wal.push(segment(2, 9, daily.now));
    let unneeded = |daily: &Daily| {
        let wal = Archive::new(daily.wal.iter().copied(), &facts, &daily.backups);
        let (policy, holds) = (policy(3), BTreeMap::new());
        let input =
            Input { policy: &policy, backups: &daily.backups, holds: &holds, proven: None, wal: &wal, now: daily.now };
        Plan::new(&input).unneeded_wal.iter().filter(|object| object.name.timeline() == 2).count()
    };
    assert_eq!(unneeded(&daily), 0);
    daily.now += SignedDuration::from_hours(25);
    assert_eq!(unneeded(&daily), 1);
}

#[test]
fn a_backup_without_its_wal_is_no_good_one() {
    let mut daily = Daily::new(4);
    daily.now += SignedDuration::from_hours(24 * 100);
    daily.wal.pop();
    assert_eq!(daily.rules(&policy(1)), ["-", "-", "window rests on it", "-"]);
}

#[test]
fn history_files_and_wal_without_a_backup_stay() {
    let mut daily = Daily::new(3);
    daily.wal.push(WalObject { name: WalName::History(2), size: 1, modified: daily.now });
    let plan = daily.plan(&policy(0), &BTreeMap::new());
    assert!(plan.unneeded_wal.iter().all(|object| !matches!(object.name, WalName::History(_))));
    daily.backups.clear();
    assert!(daily.plan(&policy(0), &BTreeMap::new()).unneeded_wal.is_empty());
}

/// A cluster's life: segments, backups, promotions to an earlier moment, losses.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub backups: Vec<Backup>,
    pub wal: Vec<WalObject>,
    pub facts: BTreeMap<TimelineId, TimelineJson>,
    pub now: Timestamp,
}

pub(super) fn live(steps: &[(u8, u8)]) -> Life {
    let mut now = at("2026-01-01T00:00:00Z");
    let mut timeline = Timeline::root(1);
    let mut life = Life { backups: Vec::new(), wal: Vec::new(), facts: BTreeMap::new(), now };
    let mut next = 2;
    for (number, (what, detail)) in steps.iter().enumerate() {
        now += SignedDuration::from_hours(7);
        let write = |life: &mut Life, timeline: &Timeline, next: &mut u64, now: &mut Timestamp| {
            *now += SignedDuration::from_mins(1);
            // One segment in sixteen is lost.
            if detail % 16 != 5 {
                life.wal.push(segment(timeline.id, *next, *now));
            }
            *next += 1;
        };
        match what % 8 {
            0..4 => write(&mut life, &timeline, &mut next, &mut now),
            4..7 => {
                let start = next;
                (0..=detail % 2).for_each(|_| write(&mut life, &timeline, &mut next, &mut now));
                now += SignedDuration::from_mins(1);
                let mut made = backup(number as u32, timeline.id, (start, next - 1), now);
                made.flagged.count = u64::from(detail % 5 == 0);
                made.wal_broken_at = (detail % 11 == 0).then_some(made.start_lsn);
                life.backups.push(made);
            }
            _ => {
                let begin = timeline.begin().0 / SEGMENT + 1;
                let back = (u64::from(*detail) % 4).min(next.saturating_sub(begin + 1));
                next -= back.min(next - 2);
                let switch_lsn = Lsn(next * SEGMENT + 8);
                let mut ancestors = timeline.ancestors.clone();
                ancestors.push(Ancestor { timeline: timeline.id, switch_lsn, reason: String::new() });
                timeline = Timeline { id: timeline.id + 1, ancestors };
                life.facts.insert(timeline.id, TimelineJson::from(&timeline));
                life.wal.push(WalObject { name: WalName::History(timeline.id), size: 1, modified: now });
                write(&mut life, &timeline, &mut next, &mut now);
            }
        }
    }
    life.now = now;
    life
}

impl Life {
    fn plan(&self, policy: &Policy, holds: &BTreeMap<BackupId, Hold>) -> Plan {
        let wal = Archive::new(self.wal.iter().copied(), &self.facts, &self.backups);
        Plan::new(&Input { policy, backups: &self.backups, holds, proven: None, wal: &wal, now: self.now })
    }

    fn after(&self, plan: &Plan) -> Life {
        let dropped: Vec<&BackupId> = plan.dropped().collect();
        let mut life = self.clone();
        life.backups.retain(|backup| !dropped.contains(&&backup.id));
        life.wal.retain(|object| !plan.unneeded_wal.contains(object));
        life
    }

    fn timeline(&self, id: TimelineId) -> Timeline {
        self.facts.get(&id).map_or(Timeline::root(id), |json| json.timeline().unwrap())
    }

    fn segments(&self) -> BTreeMap<Segment, Timestamp> {
        let segment = |object: &WalObject| match object.name {
            WalName::Segment(name) => Some((name.to_segment(SEGMENT)?, object.modified)),
            _ => None,
        };
        self.wal.iter().filter_map(segment).collect()
    }

    /// What a restore from `backup` would find out: the end of a segment is reached.
    pub fn reaches(&self, backup: &Backup, moment: Segment) -> bool {
        let (timeline, segments) = (self.timeline(moment.timeline), self.segments());
        // What an ancestor wrote after the switch is another's past.
        let own = |candidate: &Segment| {
            let left = timeline.ancestors.iter().find(|ancestor| ancestor.timeline == candidate.timeline);
            left.is_none_or(|ancestor| candidate.number <= ancestor.switch_lsn.0 / SEGMENT)
        };
        let is_there = |candidate: &Segment| own(candidate) && segments.contains_key(candidate);
        let there = |number| timeline.candidates(number, SEGMENT, 0).iter().any(is_there);
        backup.wal_broken_at.is_none()
            && timeline.descends_from(backup.timeline, backup.stop_lsn)
            && backup.stop_lsn <= moment.end(SEGMENT)
            && (backup.start_lsn.0 / SEGMENT..=moment.number).all(there)
    }

    fn can_reach(&self, moment: Segment) -> bool {
        self.backups.iter().any(|backup| self.reaches(backup, moment))
    }

    fn moments(&self, since: Timestamp) -> BTreeSet<Segment> {
        let within = self.segments().into_iter().filter(|(_, modified)| *modified >= since);
        within.map(|(segment, _)| segment).filter(|segment| self.can_reach(*segment)).collect()
    }

    /// Backups without a flaw that can be restored at all.
    fn clean(&self) -> usize {
        let end = |backup: &Backup| Segment::before(backup.timeline, backup.stop_lsn, SEGMENT);
        self.backups.iter().filter(|backup| !backup.is_flagged() && self.reaches(backup, end(backup))).count()
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    (0u64..8, 0u32..3, 0u32..3, 0u32..2, 0u32..2, 1u32..4).prop_map(
        |(days, daily, weekly, monthly, yearly, minimum)| {
            let recovery_window = Duration::from_secs(days * DAY);
            Policy { recovery_window, daily, weekly, monthly, yearly, minimum }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_promised_is_there_afterwards(
        steps in prop::collection::vec(any::<(u8, u8)>(), 1..80),
        policy in policies(),
        held in any::<prop::sample::Index>(),
        turned in any::<prop::sample::Index>(),
    ) {
        let life = live(&steps);
        let held = (!life.backups.is_empty()).then(|| life.backups[held.index(life.backups.len())].id.clone());
        let hold = |id: &BackupId| Hold {
            format: 1, backup: id.clone(), reason: "x".to_owned(), created: life.now, until: None,
        };
        let holds: BTreeMap<BackupId, Hold> = held.iter().map(|id| (id.clone(), hold(id))).collect();
        let plan = life.plan(&policy, &holds);
        let after = life.after(&plan);

        let edge = life.now.checked_sub(policy.recovery_window).unwrap();
        let (before, left) = (life.moments(edge), after.moments(edge));
        prop_assert_eq!(before.difference(&left).collect::<Vec<_>>(), Vec::<&Segment>::new());
        prop_assert!(after.backups.len() >= life.backups.len().min(policy.minimum as usize));
        prop_assert!(held.iter().all(|id| after.backups.iter().any(|backup| backup.id == *id)));
        // A backup that could be restored to its own end still can.
        for backup in &after.backups {
            let end = Segment::before(backup.timeline, backup.stop_lsn, SEGMENT);
            prop_assert!(!life.reaches(backup, end) || after.reaches(backup, end), "{}", backup.id);
        }
        prop_assert!(after.clean() > 0 || life.clean() == 0);

        let again = after.plan(&policy, &holds);
        prop_assert_eq!(again.dropped().count(), 0);
        prop_assert_eq!(again.unneeded_wal, Vec::new());
        prop_assert_eq!(again.window_from, plan.window_from);
        let mut other = life.clone();
        let by = turned.index(other.backups.len() + 1);
        let length = other.backups.len();
        other.backups.rotate_left(by.min(length));
        other.wal.reverse();
        prop_assert_eq!(other.plan(&policy, &holds), plan);
    }
}
