//! The state of everything on one screen.

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{age, bytes, count, facts, utc};
use crate::model::error::{Code, Error};
use crate::model::key::BackupId;
use crate::model::wal_name::TimelineId;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    pub at: Timestamp,
    /// Left out on a host without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// Left out where the data directory cannot be looked into.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    pub repositories: Vec<Repository>,
    pub next: String,
}

/// WAL that has waited so many seconds is stuck, whatever keeps it.
const WAITS_LONG: u64 = 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Running,
    /// It does not answer where it is configured to be.
    Unreachable,
    /// It could not be asked, or not in time.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Server {
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// A string, because it has 64 bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standby: Option<bool>,
    /// The last one, where nothing has been archived since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archiver_failure: Option<ArchiverFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiverFailure {
    pub segment: String,
    pub at: Timestamp,
}

/// WAL that `archive_command` has not brought away yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Waiting {
    pub files: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
}

/// What is missing was not known in time, or could not be found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repository {
    pub name: String,
    pub url: String,
    pub required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backups: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable_backups: Option<u64>,
    /// Which a restore refuses by their signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untrusted_backups: Option<u64>,
    /// Of the cluster that made the newest backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_backup: Option<LastBackup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_drill: Option<LastDrill>,
    /// Which moments can be restored, by timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restorable: Option<Vec<Restorable>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_unknown: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastBackup {
    pub id: BackupId,
    /// From then on it is usable.
    pub stopped: Timestamp,
    pub age_seconds: u64,
    pub data_bytes: u64,
    pub stored_bytes: u64,
}

/// What a restore that was tried has proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastDrill {
    pub started: Timestamp,
    pub age_seconds: u64,
    pub passed: bool,
    /// Left out where it did not come to choosing one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
}

/// Every moment between two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Restorable {
    pub timeline: TimelineId,
    pub from: Timestamp,
    /// The latest that a restore to a time can prove to reach: just before the last commit or abort in the archive.
    /// `--to latest` goes on to the end. Left out where no commit follows the first backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Not every newer segment was looked at for a commit.
    pub at_least: bool,
    /// The oldest backup that a restore may begin with, and the newest.
    pub backup: BackupId,
    pub newest: BackupId,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stored {
    pub backup_bytes: u64,
    pub wal_bytes: u64,
    /// With trash and all else of the cluster.
    pub total_bytes: u64,
    /// On the repository's file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_bytes: Option<u64>,
    /// The mean of the last week, of what is still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub added_bytes_per_day: Option<u64>,
    /// What retention will drop within the next week, a day's share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freed_bytes_per_day: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub full_in_days: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monthly_cost: Option<Cost>,
}

/// What keeping `total_bytes` for a month costs at the configured price.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    pub amount: f64,
    pub currency: String,
}

/// What `copy --all` would bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Behind {
    pub backups: u64,
    pub wal_files: u64,
    /// For how long the oldest of it has been elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    pub fn of(error: &Error) -> Failure {
        Failure { code: error.code.name(), message: error.message.clone(), hint: error.hint.clone() }
    }

    fn lines(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
        format!("  PROBLEM: {}\n{hint}", self.message)
    }
}

impl Server {
    pub fn unknown(error: &Error) -> Server {
        let error = Some(Failure::of(error));
        Server {
            state: State::Unknown,
            version: None,
            system_identifier: None,
            standby: None,
            archiver_failure: None,
            error,
        }
    }

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
    pub fn new(name: &str, url: &str, required: bool) -> Repository {
        Repository {
            name: name.to_owned(),
            url: url.to_owned(),
            required,
            backups: None,
            unreadable_backups: None,
            untrusted_backups: None,
            system_identifier: None,
            last_backup: None,
            last_drill: None,
            restorable: None,
            stored: None,
            behind: None,
            behind_unknown: None,
            error: None,
        }
    }

    pub fn is_behind(&self) -> bool {
        self.behind.is_some_and(|behind| behind.backups + behind.wal_files > 0)
    }

    fn is_flawed(&self) -> bool {
        let flaws = [self.unreadable_backups, self.untrusted_backups];
        let has_failed = self.last_drill.as_ref().is_some_and(|drill| !drill.passed);
        self.error.is_some()
            || has_failed
            || flaws.iter().any(|number| *number > Some(0))
            || (self.required && self.is_behind())
    }

    fn restores_nothing(&self) -> bool {
        self.restorable.as_ref().is_some_and(Vec::is_empty)
    }

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

impl Status {
    pub fn is_archiving_badly(&self) -> bool {
        let waits_long = self.waiting.is_some_and(|waiting| waiting.oldest_seconds >= Some(WAITS_LONG));
        waits_long || self.server.as_ref().is_some_and(|server| server.archiver_failure.is_some())
    }

    /// The cluster that runs has no backup there: after an upgrade, or where the configuration leads to another one.
    pub fn has_other_backups(&self, repository: &Repository) -> bool {
        let running = self.server.as_ref().and_then(|server| server.system_identifier.as_ref());
        let backed_up = repository.system_identifier.as_ref();
        running.zip(backed_up).is_some_and(|(running, backed_up)| running != backed_up)
    }

    fn of_another(&self, repository: &Repository) -> String {
        match self.has_other_backups(repository) {
            true => "  PROBLEM: the newest backup is of another cluster than the one that runs\n".to_owned(),
            false => String::new(),
        }
    }

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

impl Report for Status {
    const NAME: &'static str = "status";

    fn human(&self) -> String {
        let lines = |repository: &Repository| repository.lines() + &self.of_another(repository);
        let repositories: String = self.repositories.iter().map(lines).collect();
        self.host() + &repositories
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        let any = |test: fn(&Repository) -> bool| self.repositories.iter().any(test);
        let nothing = self.repositories.iter().all(Repository::restores_nothing);
        let flawed = self.is_archiving_badly()
            || nothing
            || any(Repository::is_flawed)
            || self.repositories.iter().any(|one| self.has_other_backups(one));
        flawed.then_some(Code::Flagged)
    }
}
