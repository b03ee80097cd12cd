//! What was found out, as facts to be judged.

use crate::config::Config;
use crate::model::verdict::{self, Damage, Facts, Missing, ServerState, Told, Try, WalMissing};
use crate::model::verification::Proof;
use crate::operation::Context;
use crate::operation::last_runs::LastRuns;
use crate::report::status::{Repository, State, Status};
use crate::report::verdict::Verdict;

/// With commands that lead to this configuration.
pub fn of(context: &Context, status: &Status) -> Verdict {
    let judged = verdict::judge(&facts(&context.config, status), &context.config.thresholds);
    // One that an argument names is named by every command already.
    let named = status.repositories.len() > 1 && !context.config.repository_is_an_argument();
    let mut verdict = Verdict::of(&judged, named);
    let commands = context.config.command_line();
    verdict.reasons.iter_mut().for_each(|told| told.remedy = commands.spell_out(&told.remedy));
    verdict
}

fn facts(config: &Config, status: &Status) -> Facts {
    let waiting = status.host.waiting.and_then(|waiting| Some((waiting.files, waiting.oldest_seconds?)));
    let server = status.server.as_ref();
    Facts {
        server: server.map(|server| match server.state {
            State::Running => ServerState::Running,
            State::Unreachable => ServerState::Unreachable,
            State::Unknown => ServerState::Unknown,
        }),
        waiting: waiting.map(|(files, seconds)| verdict::Waiting { files, seconds }),
        archiving_off: server.is_some_and(|it| it.archiving == Some(false) && it.standby == Some(false)),
        archiver_failed: server.and_then(|server| server.archiver_failure.as_ref()).map(|it| it.segment.clone()),
        slots: server.map(|server| server.inactive_slots.clone()).unwrap_or_default(),
        failed_runs: failed_runs(config),
        needs_key: !config.recipients.is_empty(),
        dumps_only: config.remote.is_some(),
        makes_dumps: config.dump.is_some(),
        repositories: status.repositories.iter().map(|it| repository(status, it)).collect(),
    }
}

/// That it cannot be read is said where it is written.
fn failed_runs(config: &Config) -> Vec<String> {
    if !config.keeps_state() {
        return Vec::new();
    }
    let runs = LastRuns::of(config).all().unwrap_or_default().into_iter();
    runs.filter(|(_, last)| last.failing_since.is_some()).map(|(command, _)| command).collect()
}

fn repository(status: &Status, repository: &Repository) -> verdict::Repository {
    let stored = repository.stored.as_ref();
    verdict::Repository {
        name: repository.name.clone(),
        url: repository.url.clone(),
        required: repository.required,
        told: repository.backups.map(|backups| told(status, repository, backups)),
        missing: repository.error.as_ref().map(|error| match repository.unanswered {
            true => Missing::Unanswered,
            false => Missing::Failed(error.message.clone()),
        }),
        stored_bytes: stored.map(|stored| stored.total_bytes),
        free_bytes: stored.and_then(|stored| stored.free_bytes),
        full_in_days: stored.and_then(|stored| stored.full_in_days),
        behind: repository.behind,
    }
}

fn told(status: &Status, repository: &Repository, backups: u64) -> Told {
    let reaches = |from| u64::try_from(status.at.duration_since(from).as_secs()).unwrap_or(0);
    Told {
        backups,
        backup_seconds: repository.last_backup.as_ref().map(|last| last.age_seconds),
        dumps: repository.dumps.unwrap_or(0),
        dump_seconds: repository.last_dump.as_ref().map(|last| last.age_seconds),
        unreadable_dumps: repository.unreadable_dumps.unwrap_or(0),
        unreadable: repository.unreadable_backups.unwrap_or(0),
        untrusted: repository.untrusted_backups.unwrap_or(0),
        flagged_pages: repository.last_backup.as_ref().map_or(0, |last| last.flagged_pages),
        is_of_another_cluster: status.has_other_backups(repository),
        hole_seconds: repository.newest_window().and_then(|window| window.hole_since).map(reaches),
        wal_missing: wal_missing(status, repository),
        lost_timelines: repository.unreadable_timelines.unwrap_or(0),
        windows: repository.newest_timeline().map_or(0, |windows| windows.count() as u64),
        window_seconds: repository.newest_window().map(|window| reaches(window.from)),
        promised_seconds: repository.recovery_window_seconds,
        oldest_seconds: repository.stored.as_ref().and_then(|stored| stored.oldest_seconds),
        drill: repository.last_drill.as_ref().map(|it| Try { seconds: it.age_seconds, passed: it.passed }),
        has_dumps: repository.has_dumps,
        dump_drill: repository.last_dump_drill.as_ref().map(|it| Try { seconds: it.age_seconds, passed: it.passed }),
        key_checked: repository.key_check.as_ref().is_some_and(|check| check.counts),
        sheet_is_current: repository.recovery_sheet.as_ref().map(|sheet| sheet.current),
        damage: repository
            .damage_found
            .map(|it| Damage { seconds: reaches(it.since), needs_key: it.proof == Proof::Content }),
    }
}

/// So many may be on their way while one looks.
const ON_THEIR_WAY: u64 = 1;

/// What the server has filled, against what has come to where WAL goes at once. What waits is told of by itself.
fn wal_missing(status: &Status, repository: &Repository) -> Option<WalMissing> {
    let first = status.repositories.first().is_some_and(|first| first.name == repository.name);
    let writing = status.server.as_ref()?.segment.filter(|_| first || repository.required)?;
    let last = repository.window_of(writing.timeline)?.last?;
    let waiting = status.host.waiting.map_or(0, |waiting| waiting.files);
    let filled = writing.number.saturating_sub(1);
    let files = filled.saturating_sub(last.number).saturating_sub(waiting);
    let seconds = u64::try_from(status.at.duration_since(last.stored).as_secs()).unwrap_or(0);
    (files > ON_THEIR_WAY).then_some(WalMissing { files, seconds })
}
