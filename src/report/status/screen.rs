//! One screen of it.

use jiff::Timestamp;

use super::{ArchiverFailure, Failure, LastDrill, Repository, Restorable, Server, State, Status, Stored, Waiting};
use crate::model::error::Code;
use crate::report::Report;
use crate::report::text::{age, bytes, count, facts, utc};

impl Report for Status {
    const NAME: &'static str = "status";

    fn human(&self) -> String {
        let repositories: String = self.repositories.iter().map(Repository::lines).collect();
        self.host() + &self.verdict.lines() + &repositories
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        self.verdict.is_flawed().then_some(Code::Flagged)
    }
}

impl Status {
    fn host(&self) -> String {
        let mut lines =
            vec![("cluster", format!("{} at {}", self.cluster.as_deref().unwrap_or("any"), short(self.at)))];
        lines.extend(self.server.as_ref().map(|server| ("server", server.words())));
        lines.extend(self.waiting.map(|waiting| ("WAL", waiting.words())));
        let failure = self.server.as_ref().and_then(|server| server.archiver_failure.as_ref());
        lines.extend(failure.map(|failure| ("archiver", failure.words())));
        facts(&lines)
    }
}

impl Failure {
    fn lines(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
        format!("  PROBLEM: {}\n{hint}", self.message)
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

impl ArchiverFailure {
    fn words(&self) -> String {
        format!("archive_command FAILED for {} at {}", self.segment, short(self.at))
    }
}

impl Repository {
    fn lines(&self) -> String {
        let heading = match self.name == self.url {
            true => format!("\n{}\n", self.url),
            false => format!("\n{}, {}\n", self.name, self.url),
        };
        let problem = self.error.as_ref().map(Failure::lines).unwrap_or_default();
        let known =
            [self.about_backups(), self.about_moments(), self.about_drill(), self.about_size(), self.about_lag()]
                .concat();
        let known: Vec<(&str, String)> = known.iter().map(|(name, value)| (*name, value.clone())).collect();
        let known = facts(&known).lines().map(|line| format!("  {line}\n")).collect::<String>();
        heading + &problem + &known
    }

    fn about_backups(&self) -> Vec<(&'static str, String)> {
        let Some(number) = self.backups else { return Vec::new() };
        let unreadable = self.unreadable_backups.filter(|n| *n > 0).map(|n| format!(", {n} UNREADABLE"));
        let untrusted = self.untrusted_backups.filter(|n| *n > 0).map(|n| format!(", {n} NOT TRUSTED"));
        let flaws = unreadable.unwrap_or_default() + &untrusted.unwrap_or_default();
        let mut lines = vec![("backups", number.to_string() + &flaws)];
        lines.extend(self.last_backup.as_ref().map(|last| {
            let (old, data, stored) = (age(last.age_seconds), bytes(last.data_bytes), bytes(last.stored_bytes));
            ("last", format!("{}, {old} ago, {data} in {stored}", last.id))
        }));
        lines
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
        restorable.iter().map(words).collect()
    }

    fn about_drill(&self) -> Vec<(&'static str, String)> {
        let words = match (&self.last_drill, self.backups) {
            (Some(drill), _) => drill.words(),
            (None, None | Some(0)) => return Vec::new(),
            (None, Some(_)) => "none has proven anything yet".to_owned(),
        };
        vec![("drill", words)]
    }

    fn about_size(&self) -> Vec<(&'static str, String)> {
        let Some(stored) = &self.stored else { return Vec::new() };
        let Stored { backup_bytes, wal_bytes, total_bytes, .. } = *stored;
        let cost = stored.monthly_cost.as_ref().map(|cost| format!(", {:.2} {} a month", cost.amount, cost.currency));
        let sizes = format!("{}: {} of backups, {} of WAL", bytes(total_bytes), bytes(backup_bytes), bytes(wal_bytes));
        let mut lines = vec![("stored", sizes + &cost.unwrap_or_default())];
        lines.push((
            "growth",
            match (stored.added_bytes_per_day, stored.freed_bytes_per_day) {
                (Some(added), Some(freed)) => format!("{} a day come, {} go", bytes(added), bytes(freed)),
                _ => "not known before the repository is a day old".to_owned(),
            },
        ));
        lines.extend(stored.free_bytes.map(|free| {
            let full = stored.full_in_days.map(|days| format!(", full in {}", count(days, "day")));
            ("free", bytes(free) + &full.unwrap_or_default())
        }));
        lines
    }

    fn about_lag(&self) -> Vec<(&'static str, String)> {
        if let Some(reason) = &self.behind_unknown {
            return vec![("behind by", format!("not known: {reason}"))];
        }
        let Some(behind) = self.behind.filter(|_| self.is_behind()) else { return Vec::new() };
        let since = behind.seconds.map(|old| format!(", the oldest for {}", age(old)));
        let (backups, wal) = (count(behind.backups, "backup"), count(behind.wal_files, "WAL file"));
        vec![("BEHIND by", format!("{backups} and {wal}{}", since.unwrap_or_default()))]
    }
}

impl LastDrill {
    fn words(&self) -> String {
        let outcome = if self.passed { "passed" } else { "FAILED" };
        let of = self.backup.as_ref().map(|backup| format!(", of {backup}")).unwrap_or_default();
        format!("{outcome} {} ago{of}", age(self.age_seconds))
    }
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
