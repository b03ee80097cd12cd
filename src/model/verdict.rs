//! The verdict: from facts to reasons. The one place that decides what is wrong, for `status`, its exit status and the
//! metrics alike.

mod facts;
mod reason;
#[cfg(test)]
mod tests;
mod thresholds;

use serde::Serialize;

pub use facts::{Behind, Damage, Facts, Missing, Repository, ServerState, Slot, Told, Try, Waiting, WalMissing};
pub use reason::{NAMES, Reason};
pub use thresholds::Thresholds;

/// How bad it is, in the order of the plugins for Nagios: what is not known hides nothing that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    Unknown,
    Warning,
    Critical,
}

impl Level {
    /// As Nagios numbers them.
    pub fn exit_status(self) -> u8 {
        match self {
            Level::Ok => 0,
            Level::Warning => 1,
            Level::Critical => 2,
            Level::Unknown => 3,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Warning => "WARNING",
            Level::Critical => "CRITICAL",
            Level::Unknown => "UNKNOWN",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub level: Level,
    /// `None` where it is about all of them, or about this host.
    pub repository: Option<String>,
    pub reason: Reason,
}

/// The worst first.
pub fn judge(facts: &Facts, thresholds: &Thresholds) -> Vec<Judged> {
    let mut judged: Vec<Judged> = of_host(facts, thresholds)
        .into_iter()
        .chain(of_backups(facts, thresholds))
        .chain(of_dumps(facts, thresholds))
        .chain(of_set_up(facts))
        .map(|reason| (None, reason))
        .chain(facts.repositories.iter().flat_map(|repository| {
            let name = Some(repository.name.clone());
            of_repository(repository, thresholds).into_iter().map(move |reason| (name.clone(), reason))
        }))
        .map(|(repository, (level, reason))| Judged { level, repository, reason })
        .collect();
    // Stable, so that those of one level stay in the order in which one looks for a cause.
    judged.sort_by_key(|judged| (judged.reason.is_advice(), std::cmp::Reverse(judged.level)));
    judged
}

/// Of everything.
pub fn level(judged: &[Judged]) -> Level {
    judged.iter().map(|judged| judged.level).max().unwrap_or(Level::Ok)
}

/// Both bounds in seconds; what lies on one does not exceed it.
fn graded(seconds: u64, warning: u64, critical: u64) -> Option<Level> {
    match seconds {
        _ if seconds > critical => Some(Level::Critical),
        _ if seconds > warning => Some(Level::Warning),
        _ => None,
    }
}

fn of_host(facts: &Facts, thresholds: &Thresholds) -> Vec<(Level, Reason)> {
    let mut reasons = Vec::new();
    match facts.server {
        Some(ServerState::Unreachable) => reasons.push((Level::Warning, Reason::ServerUnreachable)),
        Some(ServerState::Unknown) => reasons.push((Level::Unknown, Reason::ServerUnknown)),
        Some(ServerState::Running) | None => {}
    }
    if let Some(Waiting { files, seconds }) = facts.waiting
        && let Some(level) = graded(seconds, thresholds.wal_warning, thresholds.wal_critical)
    {
        reasons.push((level, Reason::WalWaits { files, seconds }));
    }
    if facts.archiving_off {
        reasons.push((Level::Critical, Reason::ArchivingOff));
    }
    let failing = facts.archiver_failed.as_ref();
    reasons.extend(failing.map(|segment| (Level::Warning, Reason::ArchiverFails { segment: segment.clone() })));
    let holding = facts.slots.iter().filter(|slot| slot.held_bytes > thresholds.slot);
    reasons.extend(holding.map(|slot| (Level::Warning, Reason::SlotHoldsWal(slot.clone()))));
    let failed = |command: &String| (Level::Warning, Reason::RunFailed { command: command.clone() });
    reasons.extend(facts.failed_runs.iter().map(failed));
    reasons
}

/// The newest backup counts, wherever it lies. Nothing is said where the repository that backups are made into is mute.
fn of_backups(facts: &Facts, thresholds: &Thresholds) -> Option<(Level, Reason)> {
    facts.repositories.first().filter(|_| !facts.dumps_only)?.told?;
    let told = || facts.repositories.iter().filter_map(|repository| repository.told);
    match told().filter_map(|told| told.backup_seconds).min() {
        Some(seconds) if seconds > thresholds.backup => Some((Level::Critical, Reason::BackupOld { seconds })),
        Some(_) => None,
        None => told().all(|told| told.backups == 0).then_some((Level::Critical, Reason::NoBackup)),
    }
}

/// Likewise, where dumps are configured.
fn of_dumps(facts: &Facts, thresholds: &Thresholds) -> Option<(Level, Reason)> {
    facts.repositories.first().filter(|_| facts.makes_dumps)?.told?;
    let told = || facts.repositories.iter().filter_map(|repository| repository.told);
    match told().filter_map(|told| told.dump_seconds).min() {
        Some(seconds) if seconds > thresholds.dump => Some((Level::Warning, Reason::DumpOld { seconds })),
        Some(_) => None,
        None => told().all(|told| told.dumps == 0).then_some((Level::Warning, Reason::NoDump)),
    }
}

/// Only where the backups are made.
fn of_set_up(facts: &Facts) -> Vec<(Level, Reason)> {
    let first = facts.repositories.first().filter(|first| facts.server.is_some() && first.told.is_some());
    let told: Vec<Told> = facts.repositories.iter().filter_map(|repository| repository.told).collect();
    first.map(|first| set_up(&first.url, facts.needs_key, &told)).unwrap_or_default()
}

/// What must be ready before it is needed, by what repositories tell: one that knows of it is enough. `url` is where
/// backups are made.
pub fn set_up(url: &str, needs_key: bool, told: &[Told]) -> Vec<(Level, Reason)> {
    let is_checked = !needs_key || told.iter().any(|told| told.key_checked);
    let key = (!is_checked).then(|| Reason::KeyNeverChecked { url: url.to_owned() });
    let sheet = match told.iter().filter_map(|told| told.sheet_is_current).max() {
        Some(true) => None,
        Some(false) => Some(Reason::SheetOutdated),
        None => Some(Reason::SheetNeverMade),
    };
    key.into_iter().chain(sheet).map(|reason| (Level::Warning, reason)).collect()
}

fn of_repository(repository: &Repository, thresholds: &Thresholds) -> Vec<(Level, Reason)> {
    let serious = if repository.required { Level::Critical } else { Level::Warning };
    let missing = repository.missing.as_ref().map(|missing| match missing {
        Missing::Unanswered => (Level::Unknown, Reason::Unanswered),
        Missing::Failed(message) => (serious, Reason::Unreadable { message: message.clone() }),
    });
    let mut reasons: Vec<(Level, Reason)> = missing.into_iter().collect();
    reasons.extend(repository.told.iter().flat_map(|told| of_told(told, thresholds)));
    reasons.extend(fullness(repository, thresholds));
    reasons.extend(lag(repository, thresholds));
    reasons
}

fn of_told(told: &Told, thresholds: &Thresholds) -> Vec<(Level, Reason)> {
    let critical = |reason| (Level::Critical, reason);
    let mut reasons = Vec::new();
    if told.is_of_another_cluster {
        reasons.push(critical(Reason::OtherCluster));
    }
    if told.unreadable > 0 {
        reasons.push(critical(Reason::BackupsUnreadable { backups: told.unreadable }));
    }
    if told.untrusted > 0 {
        reasons.push(critical(Reason::BackupsUntrusted { backups: told.untrusted }));
    }
    if told.unreadable_dumps > 0 {
        reasons.push((Level::Warning, Reason::DumpsUnreadable { dumps: told.unreadable_dumps }));
    }
    if told.flagged_pages > 0 {
        reasons.push(critical(Reason::PagesFlagged { pages: told.flagged_pages }));
    }
    match told.windows {
        0 if told.backups > 0 => reasons.push(critical(Reason::NothingRestorable)),
        0 | 1 => {}
        _ => reasons.push((Level::Warning, Reason::HoleInWal)),
    }
    let lasts = |seconds| graded(seconds, thresholds.wal_warning, thresholds.wal_critical);
    // Segments may come in another order than they were filled.
    let hole = told.hole_seconds.and_then(|seconds| Some((lasts(seconds)?, Reason::HoleAfterBackup { seconds })));
    let missing = told.wal_missing.and_then(|wal| Some((lasts(wal.seconds)?, Reason::WalMissing(wal))));
    reasons.extend(hole.into_iter().chain(missing));
    if told.lost_timelines > 0 {
        reasons.push((Level::Warning, Reason::TimelinesUnreadable { timelines: told.lost_timelines }));
    }
    let short = told.promised_seconds.zip(told.window_seconds).filter(|(promised, window)| window < promised);
    // A younger one cannot reach so far back yet.
    if let Some((promised, seconds)) = short.filter(|(promised, _)| told.oldest_seconds > Some(*promised)) {
        reasons.push((Level::Warning, Reason::WindowShort { seconds, promised }));
    }
    if told.backups > 0 {
        reasons.extend(drill(told.drill, thresholds));
    }
    if told.has_dumps {
        reasons.extend(dump_drill(told.dump_drill, thresholds));
    }
    reasons.extend(told.damage.map(|damage| critical(Reason::VerifyFailed(damage))));
    reasons
}

fn drill(drill: Option<Try>, thresholds: &Thresholds) -> Option<(Level, Reason)> {
    match drill {
        None => Some((Level::Warning, Reason::DrillNever)),
        Some(Try { passed: false, seconds }) => Some((Level::Critical, Reason::DrillFailed { seconds })),
        Some(Try { seconds, .. }) if seconds > thresholds.drill => Some((Level::Warning, Reason::DrillOld { seconds })),
        Some(_) => None,
    }
}

fn dump_drill(drill: Option<Try>, thresholds: &Thresholds) -> Option<(Level, Reason)> {
    match drill {
        None => Some((Level::Warning, Reason::DumpDrillNever)),
        Some(Try { passed: false, seconds }) => Some((Level::Critical, Reason::DumpDrillFailed { seconds })),
        Some(Try { seconds, .. }) if seconds > thresholds.drill => {
            Some((Level::Warning, Reason::DumpDrillOld { seconds }))
        }
        Some(_) => None,
    }
}

fn fullness(repository: &Repository, thresholds: &Thresholds) -> Vec<(Level, Reason)> {
    let soon = |days: u64| {
        let seconds = days.saturating_mul(thresholds::DAY);
        let level = if seconds < thresholds.full_critical { Some(Level::Critical) } else { None };
        level.or((seconds < thresholds.full_warning).then_some(Level::Warning))
    };
    let days = if repository.free_bytes == Some(0) { Some(0) } else { repository.full_in_days };
    let full = days.and_then(|days| Some((soon(days)?, Reason::FullSoon { days })));
    // One that only lags behind is told as that.
    let is_empty = repository.stored_bytes == Some(0) && !repository.behind.is_some_and(|behind| behind.is_any());
    let empty = is_empty.then_some((Level::Warning, Reason::NothingStored));
    full.into_iter().chain(empty).collect()
}

/// A required one counts at once: what it lacks, a disaster may cost.
fn lag(repository: &Repository, thresholds: &Thresholds) -> Option<(Level, Reason)> {
    let behind = repository.behind.filter(Behind::is_any)?;
    let level = match (repository.required, behind.seconds.unwrap_or(0)) {
        (true, seconds) if seconds > thresholds.wal_critical => Level::Critical,
        (true, _) => Level::Warning,
        (false, seconds) if seconds > thresholds.behind => Level::Warning,
        (false, _) => return None,
    };
    Some((level, Reason::Behind(behind)))
}
