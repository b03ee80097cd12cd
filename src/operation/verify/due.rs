//! What is read this time, and what was read before and counts still.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};

use super::How;
use super::remembered::{Known, Remembered, Seen};
use crate::model::catalog::{ObjectLine, Summary};
use crate::model::error::Result;
use crate::model::key::{ClusterKeys, Key};
use crate::model::verification::Proof;
use crate::store::Reader;

/// For so long an object that was found sound is not read again. Less than four weeks, so that a weekly timer that is a
/// little early reads it in the fourth week and not in the fifth.
pub const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(27 * 24);

/// Decides for each object.
pub struct Due<'d> {
    pub remembered: &'d Remembered,
    pub proof: Proof,
    pub now: Timestamp,
    how: How,
    /// What was found sound before then does not count.
    since: Option<Timestamp>,
    /// Of a sample: those up to here, in the order in which they are due.
    last: Option<Turn>,
}

/// When it is an object's turn: first what was never read or read longest ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// In microseconds since 1970: when it was read, or else stored; what has changed comes first.
    since: i64,
    order: u64,
}

/// What a sample is taken from.
#[derive(Default)]
pub struct Candidates(Vec<(Turn, u64)>);

impl<'d> Due<'d> {
    pub fn new(remembered: &'d Remembered, proof: Proof, now: Timestamp, how: How) -> Due<'d> {
        Due { remembered, proof, now, how, since: None, last: None }
    }

    /// Somebody has found damage then.
    pub fn anew_since(self, since: Option<Timestamp>) -> Due<'d> {
        Due { since, ..self }
    }

    pub fn is_sample(&self) -> bool {
        matches!(self.how, How::Sample(_))
    }

    /// An object of which nothing is listed is read: that will tell.
    pub fn reads(&self, key: &Key, seen: Option<Seen>) -> bool {
        let Some(seen) = seen else { return true };
        match (self.how, self.known(key, seen)) {
            (How::All, _) => true,
            (How::Sample(_), known) => self.last.is_some_and(|last| self.turn(key, seen, known) <= last),
            (How::Due, Known::Sound(when)) => self.now.duration_since(when) >= AGAIN_AFTER,
            (How::Due, _) => true,
        }
    }

    pub fn known(&self, key: &Key, seen: Seen) -> Known {
        match self.remembered.known(key, seen, self.proof) {
            // A clock was wrong: its turn would come when that time has come.
            Known::Sound(when) if when > self.now || self.since.is_some_and(|since| when < since) => Known::Nothing,
            known => known,
        }
    }

    pub fn candidate(&self, candidates: &mut Candidates, key: &Key, seen: Seen, bytes: u64) {
        let known = self.known(key, seen);
        candidates.0.push((self.turn(key, seen, known), bytes));
    }

    /// Those of a list that are there.
    pub fn candidates(&self, candidates: &mut Candidates, lines: &[Sighted]) {
        let there = lines.iter().filter_map(|(line, seen)| Some((&line.key, (*seen)?)));
        there.for_each(|(key, seen)| self.candidate(candidates, key, seen, seen.size));
    }

    /// So many of the first that they are the share that is wanted.
    pub fn take(&mut self, Candidates(mut candidates): Candidates) {
        let How::Sample(share) = self.how else { return };
        candidates.sort_unstable();
        let wanted = share.of(candidates.iter().map(|(_, bytes)| bytes).sum());
        let mut taken = 0;
        self.last = None;
        for (turn, bytes) in candidates {
            if taken >= wanted && self.last.is_some() {
                break;
            }
            taken += bytes;
            self.last = Some(turn);
        }
    }

    fn turn(&self, key: &Key, seen: Seen, known: Known) -> Turn {
        let since = match known {
            Known::Changed => i64::MIN,
            Known::Nothing if seen.modified > self.now => i64::MIN,
            Known::Nothing => seen.modified.as_microsecond(),
            Known::Sound(when) => when.as_microsecond(),
        };
        Turn { since, order: self.remembered.order(key) }
    }
}

/// A line of a list of objects, with what lies there of it.
pub type Sighted = (ObjectLine, Option<Seen>);

/// Looks up what lies there, a directory at a time: lines of a list ascend by key.
pub struct Stored<'s> {
    reader: &'s Reader,
    directory: String,
    there: BTreeMap<Key, Seen>,
}

impl<'s> Stored<'s> {
    pub fn new(reader: &'s Reader) -> Stored<'s> {
        Stored { reader, directory: String::new(), there: BTreeMap::new() }
    }

    /// `None` where it is not there, or not of the size that it must have.
    pub fn sight(&mut self, line: &ObjectLine) -> Result<Option<Seen>> {
        let directory = line.key.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
        if directory != self.directory {
            let entries = self.reader.list(&format!("{directory}/"))?;
            self.there = entries
                .into_iter()
                .map(|entry| (entry.key, Seen { size: entry.size, modified: entry.modified }))
                .collect();
            self.directory = directory.to_owned();
        }
        Ok(self.there.get(&line.key).copied().filter(|seen| seen.size == line.size))
    }
}

/// The parts of a backup, each as heavy as the average of its packs: which packs a part needs is in its manifest.
pub struct Parts {
    /// With the manifests as they lie there.
    manifests: Vec<(u32, Key, Option<Seen>)>,
    /// Of packs and digests.
    others: u64,
}

impl Parts {
    pub fn of(keys: &ClusterKeys, backup: &Summary, lines: &[Sighted]) -> Parts {
        let find = |key: &Key| {
            let found = lines.binary_search_by(|(line, _)| line.key.cmp(key)).ok();
            found.and_then(|at| lines[at].1)
        };
        let manifest = |number| {
            let key = keys.manifest(&backup.id, number);
            let seen = find(&key);
            (number, key, seen)
        };
        let manifests: Vec<_> = (1..=backup.parts).map(manifest).collect();
        let own: u64 = manifests.iter().filter_map(|(_, _, seen)| seen.map(|seen| seen.size)).sum();
        let all: u64 = lines.iter().map(|(line, _)| line.size).sum();
        Parts { manifests, others: all.saturating_sub(own) / u64::from(backup.parts.max(1)) }
    }

    pub fn add_to(&self, candidates: &mut Candidates, due: &Due<'_>) {
        for (_, key, seen) in &self.manifests {
            if let Some(seen) = *seen {
                due.candidate(candidates, key, seen, seen.size + self.others);
            }
        }
    }

    /// Those that are read.
    pub fn due(&self, due: &Due<'_>) -> Vec<u32> {
        let reads = |(_, key, seen): &&(u32, Key, Option<Seen>)| due.reads(key, *seen);
        self.manifests.iter().filter(reads).map(|(number, ..)| *number).collect()
    }
}

/// What of the stored bytes is found sound, by this run or by one before.
#[derive(Debug, Default)]
pub struct Cover {
    all: AtomicU64,
    sound: AtomicU64,
    /// The earliest reading, in microseconds since 1970; 0 where there is none.
    since: AtomicU64,
}

impl Cover {
    pub fn add(&self, bytes: u64, sound: Option<Timestamp>) {
        self.all.fetch_add(bytes, Ordering::Relaxed);
        let Some(when) = sound else { return };
        self.sound.fetch_add(bytes, Ordering::Relaxed);
        let when = u64::try_from(when.as_microsecond()).unwrap_or(0).max(1);
        let earlier = |since: u64| (since == 0 || when < since).then_some(when);
        let _ = self.since.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earlier);
    }

    /// The share, and since when.
    pub fn told(self) -> (f64, Option<Timestamp>) {
        let (all, sound) = (self.all.into_inner(), self.sound.into_inner());
        let since = i64::try_from(self.since.into_inner()).ok().filter(|since| *since > 0);
        let share = if all == 0 { 1.0 } else { sound as f64 / all as f64 };
        (share, since.and_then(|since| Timestamp::from_microsecond(since).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::share::Share;
    use super::*;

    fn key(number: u32) -> Key {
        Key::new(format!("packs/{number}")).unwrap()
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hours * 3600).unwrap()
    }

    fn seen(hours: i64) -> Seen {
        Seen { size: 10, modified: at(hours) }
    }

    #[test]
    fn what_was_sound_is_due_again_after_27_days_or_when_it_has_changed() {
        let remembered = Remembered::nothing("r");
        remembered.sound(&key(1), seen(0), Proof::Object, at(100));
        let reads = |hours, seen, proof| Due::new(&remembered, proof, at(hours), How::Due).reads(&key(1), seen);
        assert!(!reads(100, Some(seen(0)), Proof::Object));
        assert!(!reads(100 + 27 * 24 - 1, Some(seen(0)), Proof::Object));
        assert!(reads(100 + 27 * 24, Some(seen(0)), Proof::Object));
        assert!(reads(99, Some(seen(0)), Proof::Object), "the clock was set back");
        let anew = |hours| Due::new(&remembered, Proof::Object, at(101), How::Due).anew_since(Some(at(hours)));
        assert!(!anew(100).reads(&key(1), Some(seen(0))));
        assert!(anew(101).reads(&key(1), Some(seen(0))), "damage was found since");
        assert!(reads(101, Some(seen(0)), Proof::Content));
        assert!(reads(101, Some(seen(1)), Proof::Object));
        assert!(reads(101, None, Proof::Object));
        assert!(Due::new(&remembered, Proof::Object, at(101), How::All).reads(&key(1), Some(seen(0))));
    }

    #[test]
    fn samples_come_round_to_everything_and_what_is_new_waits_its_turn() {
        let remembered = Remembered::nothing("r");
        let how = How::Sample(Share::of_percent(10.0).unwrap());
        let mut run = 1000;
        // The hundred and first comes when the others have been read.
        let stored = |number: u32| seen(if number < 100 { number.into() } else { 1250 });
        let mut sample = |keys: std::ops::Range<u32>| -> Vec<u32> {
            let mut due = Due::new(&remembered, Proof::Object, at(run), how);
            let mut candidates = Candidates::default();
            keys.clone().for_each(|number| due.candidate(&mut candidates, &key(number), stored(number), 10));
            due.take(candidates);
            let read: Vec<u32> = keys.filter(|number| due.reads(&key(*number), Some(stored(*number)))).collect();
            read.iter().for_each(|n| remembered.sound(&key(*n), stored(*n), Proof::Object, at(run)));
            run += 24;
            read
        };
        let mut all: Vec<u32> = (0..10).flat_map(|_| sample(0..100)).collect();
        assert_eq!((all.len(), all[0]), (100, 0), "what was stored first is read first");
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 100);
        assert_eq!(sample(0..100), (0..10).collect::<Vec<_>>());
        assert!(sample(0..101).iter().all(|number| *number < 100));
    }

    #[test]
    fn what_a_wrong_clock_has_stored_or_read_does_not_wait_for_that_time() {
        let remembered = Remembered::nothing("r");
        let how = How::Sample(Share::of_percent(10.0).unwrap());
        remembered.sound(&key(1), seen(0), Proof::Object, at(100_000));
        (3..20).for_each(|number| remembered.sound(&key(number), seen(0), Proof::Object, at(1)));
        let mut due = Due::new(&remembered, Proof::Object, at(200), how);
        let stored = |number| seen(if number == 2 { 100_000 } else { 0 });
        assert_eq!(due.known(&key(1), seen(0)), Known::Nothing, "it does not count as sound");
        let mut candidates = Candidates::default();
        (1..20).for_each(|number| due.candidate(&mut candidates, &key(number), stored(number), 10));
        due.take(candidates);
        let read: Vec<u32> = (1..20).filter(|number| due.reads(&key(*number), Some(stored(*number)))).collect();
        assert_eq!(read, [1, 2]);
    }

    #[test]
    fn the_cover_is_a_share_of_bytes_since_the_earliest_reading() {
        let cover = Cover::default();
        cover.add(30, Some(at(5)));
        cover.add(10, None);
        cover.add(0, Some(at(3)));
        assert_eq!(cover.told(), (0.75, Some(at(3))));
        assert_eq!(Cover::default().told(), (1.0, None));
    }
}
