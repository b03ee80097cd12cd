//! One screen of it.

use jiff::Timestamp;

use super::{
    ArchiverFailure, Failure, KeyOnHost, LastDrill, LastDump, LastDumpDrill, LastVerify, Repository, Restorable,
    Server, Slot, State, Status, Waiting,
};
use crate::model::error::Code;
use crate::model::key::BackupId;
use crate::report::Report;
use crate::report::text::{age, bytes, count, narrow_facts, percent, utc, wrapped};
use crate::report::verdict::lag;

impl Report for Status {
    const NAME: &'static str = "status";

    fn human(&self) -> String {
        let mut shown = None;
        let repositories: String = self.repositories.iter().map(|repository| repository.lines(&mut shown)).collect();
        self.verdict.lines() + &self.about_host() + &repositories
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        self.verdict.is_flawed().then_some(Code::Flagged)
    }
}

impl Status {
    fn about_host(&self) -> String {
        let mut lines =
            vec![("cluster", format!("{} at {}", self.cluster.as_deref().unwrap_or("any"), short(self.at)))];
        lines.extend(self.server.as_ref().map(|server| ("server", server.words())));
        let free = self.host.wal_free_bytes.map(|free| format!(", {} free for WAL", bytes(free))).unwrap_or_default();
        lines.extend(self.host.waiting.map(|waiting| ("WAL", waiting.words() + &free)));
        lines.extend(self.about_archiver().map(|words| ("archiver", words)));
        let slots = self.server.iter().flat_map(|server| &server.inactive_slots).take(SLOTS);
        lines.extend(slots.map(|slot| ("slot", slot.words())));
        lines.extend(self.keys_on_host.as_ref().map(|keys| ("key", keys_words(keys))));
        narrow_facts("", &lines)
    }

    /// What keeps WAL here: as the server counts it, and in the words of what failed.
    fn about_archiver(&self) -> Option<String> {
        let failure = self.server.as_ref().and_then(|server| server.archiver_failure.as_ref());
        let answers = self.server.as_ref().is_some_and(|server| server.state == State::Running);
        let waits = self.host.waiting.is_some_and(|waiting| waiting.files > 0);
        let said = self.host.archive_error.as_ref();
        match (failure, said) {
            (Some(failure), Some(said)) => Some(format!("{}: {said}", failure.words())),
            (Some(failure), None) => Some(failure.words()),
            // The server cannot tell whether it has succeeded since.
            (None, Some(said)) if waits && !answers => Some(format!("archive_command FAILED last: {said}")),
            (None, _) => None,
        }
    }
}

impl Failure {
    fn lines(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
        format!("{}\n{hint}", wrapped(&format!("  PROBLEM: {}", self.message), 4))
    }
}

impl Server {
    fn words(&self) -> String {
        let standby = if self.standby == Some(true) { ", a standby" } else { "" };
        match (self.state, &self.version, &self.error) {
            (State::Running, Some(version), _) => format!("PostgreSQL {version}{standby}"),
            (State::Unreachable, _, Some(error)) => format!("NO ANSWER: {}", error.message),
            (_, _, Some(error)) => format!("NOT KNOWN: {}", error.message),
            _ => "NOT KNOWN".to_owned(),
        }
    }
}

impl Waiting {
    fn words(&self) -> String {
        let oldest = self.oldest_seconds.map(|old| format!(", the oldest for {}", age(old)));
        let waiting = match self.files {
            0 => "none waits".to_owned(),
            1 => "1 file waits".to_owned(),
            some => format!("{some} files wait"),
        };
        format!("{waiting} to be archived{}", oldest.unwrap_or_default())
    }
}

/// So many are named.
const SLOTS: usize = 2;

impl Slot {
    fn words(&self) -> String {
        format!("\"{}\" has no reader and holds {} of WAL", self.name, bytes(self.held_bytes))
    }
}

/// None was found, which is as it should be, or where they are.
fn keys_words(keys: &[KeyOnHost]) -> String {
    let opening: Vec<&KeyOnHost> = keys.iter().filter(|key| key.opens).collect();
    let paths =
        |keys: &[&KeyOnHost]| keys.iter().map(|key| key.path.display().to_string()).collect::<Vec<_>>().join(", ");
    match (opening.is_empty(), keys.is_empty()) {
        (_, true) => "none found on this host".to_owned(),
        (true, false) => {
            format!("none on this host that opens new backups; {}", paths(&keys.iter().collect::<Vec<_>>()))
        }
        (false, _) if opening.iter().all(|key| key.is_for_drills()) => format!("drill only: {}", paths(&opening)),
        (false, _) => format!("ON THIS HOST: {}", paths(&opening)),
    }
}

impl KeyOnHost {
    /// By its name alone.
    fn is_for_drills(&self) -> bool {
        self.path.file_name().is_some_and(|name| name.to_string_lossy().contains("drill"))
    }
}

impl ArchiverFailure {
    fn words(&self) -> String {
        format!("archive_command FAILED for {} at {}", self.segment, short(self.at))
    }
}

/// So many windows of a repository are shown.
const WINDOWS: usize = 3;

impl Repository {
    /// `shown` is the dump that was told of last: it goes to all of them.
    fn lines<'s>(&'s self, shown: &mut Option<&'s BackupId>) -> String {
        let heading = match self.name == self.url {
            true => format!("\n{}\n", self.url),
            false => format!("\n{}, {}\n", self.name, self.url),
        };
        let problem = self.error.as_ref().map(Failure::lines).unwrap_or_default();
        let known = [
            self.about_backups(),
            self.about_moments(),
            self.about_dumps(shown),
            self.about_drill(),
            self.about_verify(),
            self.about_size(),
            self.about_lag(),
        ];
        heading + &problem + &narrow_facts("  ", &known.concat())
    }

    fn about_backups(&self) -> Vec<(&'static str, String)> {
        let Some(number) = self.backups else { return Vec::new() };
        let unreadable = self.unreadable_backups.filter(|n| *n > 0).map(|n| format!(", {n} UNREADABLE"));
        let untrusted = self.untrusted_backups.filter(|n| *n > 0).map(|n| format!(", {n} NOT TRUSTED"));
        let flaws = unreadable.unwrap_or_default() + &untrusted.unwrap_or_default();
        let last = self.last_backup.as_ref().map(|last| {
            let damaged = match last.flagged_pages {
                0 => String::new(),
                pages => format!(", {} DAMAGED", count(pages, "page")),
            };
            format!(", the last {} ago, {}, {}{damaged}", age(last.age_seconds), last.id, bytes(last.data_bytes))
        });
        vec![("backups", format!("{number}{flaws}{}", last.unwrap_or_default()))]
    }

    /// Nothing where there are none, nor where the last was told of already.
    fn about_dumps<'s>(&'s self, shown: &mut Option<&'s BackupId>) -> Vec<(&'static str, String)> {
        let unreadable = self.unreadable_dumps.filter(|n| *n > 0).map(|n| format!(", {n} UNREADABLE"));
        let id = self.last_dump.as_ref().map(|last| &last.id);
        let is_known = unreadable.is_none() && *shown == id;
        let Some(number) = self.dumps.filter(|_| !is_known) else { return Vec::new() };
        *shown = id;
        let words = |last: &LastDump| {
            format!(", the last {} ago, {}, {}", age(last.age_seconds), last.id, bytes(last.data_bytes))
        };
        let last = self.last_dump.as_ref().map(words).unwrap_or_default();
        vec![("dumps", format!("{number}{}{last}", unreadable.unwrap_or_default()))]
    }

    fn about_moments(&self) -> Vec<(&'static str, String)> {
        let Some(restorable) = &self.restorable else { return Vec::new() };
        if restorable.is_empty() {
            return vec![("restorable", "NOTHING: no backup with its WAL is there".to_owned())];
        }
        let several = restorable.iter().any(|window| window.timeline != restorable[0].timeline);
        let words = |window: &Restorable| {
            let timeline = if several { format!(", timeline {}", window.timeline) } else { String::new() };
            ("restorable", window.words() + &timeline)
        };
        // The newest are last; further back one looks with more time.
        let left_out = restorable.len().saturating_sub(WINDOWS);
        let more = (left_out > 0)
            .then(|| ("restorable", format!("and {} before, with --json", count(left_out as u64, "window"))));
        restorable[left_out..].iter().map(words).chain(more).collect()
    }

    fn about_drill(&self) -> Vec<(&'static str, String)> {
        let of_backups = match (&self.last_drill, self.backups) {
            (Some(drill), _) => Some(drill.words()),
            (None, None | Some(0)) => None,
            (None, Some(_)) => Some("none has proven anything yet".to_owned()),
        };
        let of_dumps = match (&self.last_dump_drill, self.has_dumps) {
            (Some(drill), true) => Some(drill.words(of_backups.is_none())),
            (None, true) => Some("of a dump none yet".to_owned()),
            (_, false) => None,
        };
        let words: Vec<String> = of_backups.into_iter().chain(of_dumps).collect();
        if words.is_empty() { Vec::new() } else { vec![("drill", words.join("; "))] }
    }

    fn about_verify(&self) -> Vec<(&'static str, String)> {
        let before = |verify: &LastVerify| match self.damage_found {
            Some(damage) if verify.passed => format!("; NOT PROVEN GONE: what {} found", short(damage.since)),
            _ => String::new(),
        };
        self.last_verify.iter().map(|verify| ("verify", verify.words() + &before(verify))).collect()
    }

    fn about_size(&self) -> Vec<(&'static str, String)> {
        let Some(stored) = &self.stored else { return Vec::new() };
        let cost = stored.monthly_cost.as_ref().map(|cost| format!(", {:.2} {} a month", cost.amount, cost.currency));
        let growth = stored
            .added_bytes_per_day
            .zip(stored.freed_bytes_per_day)
            .map(|(added, freed)| format!("; a day {} come, {} go", bytes(added), bytes(freed)));
        let (total, wal) = (bytes(stored.total_bytes), bytes(stored.wal_bytes));
        let sizes = format!("{total}, {wal} of it WAL{}", cost.unwrap_or_default() + &growth.unwrap_or_default());
        let full = stored.full_in_days.map(|days| format!(", full in {}", count(days, "day"))).unwrap_or_default();
        let free = stored.free_bytes.map(|free| ("free", bytes(free) + &full));
        [("stored", sizes)].into_iter().chain(free).collect()
    }

    fn about_lag(&self) -> Vec<(&'static str, String)> {
        if let Some(reason) = &self.behind_unknown {
            return vec![("behind by", format!("not known: {reason}"))];
        }
        let Some(behind) = self.behind.filter(|_| self.is_behind()) else { return Vec::new() };
        vec![("BEHIND by", lag(&behind))]
    }
}

impl LastVerify {
    fn words(&self) -> String {
        let outcome = if self.passed { "sound" } else { "DAMAGED" };
        let of = match &self.backup {
            Some(backup) => backup.to_string(),
            // Of samples; in part it is what is damaged.
            None if self.covered < 1.0 && self.passed => format!("{} of everything", percent(self.covered)),
            None => "everything".to_owned(),
        };
        format!("{outcome} {} ago, {of}, by {}", age(self.age_seconds), self.proof.word())
    }
}

impl LastDrill {
    fn words(&self) -> String {
        drilled(self.passed, self.age_seconds) + &self.backup.iter().map(|id| format!(", of {id}")).collect::<String>()
    }
}

impl LastDumpDrill {
    /// Behind what is said of backups there is less room.
    fn words(&self, alone: bool) -> String {
        match (alone, self.passed) {
            (true, passed) => drilled(passed, self.age_seconds) + ", of a dump",
            (false, true) => format!("dump {} ago", age(self.age_seconds)),
            (false, false) => format!("dump FAILED {} ago", age(self.age_seconds)),
        }
    }
}

fn drilled(passed: bool, age_seconds: u64) -> String {
    format!("{} {} ago", if passed { "passed" } else { "FAILED" }, age(age_seconds))
}

impl Restorable {
    fn words(&self) -> String {
        let Restorable { backup, newest, at_least, .. } = self;
        let from = next_second(self.from);
        match self.to.filter(|to| from <= *to) {
            Some(to) if *at_least => format!("{} to {} at least", short(from), short(to)),
            Some(to) => format!("{} to {}", short(from), short(to)),
            None if *at_least => format!("the ends of {backup} to {newest}, and more: no commit was found in time"),
            None if backup == newest => format!("the end of {backup}, and latest"),
            None => format!("the ends of {backup} to {newest}, and latest"),
        }
    }
}

/// A restore to an earlier one would be refused.
fn next_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second() + i64::from(time.subsec_nanosecond() > 0)).unwrap_or(time)
}

/// To the second: a commit time has six more digits.
fn short(time: Timestamp) -> String {
    utc(Timestamp::from_second(time.as_second()).unwrap_or(time))
}
