//! The state of everything in the text format of Prometheus. A name never changes its meaning; what is not known is left
//! out. Times are points in time, so that they stay true however old the file gets.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::status::{LastDumpDrill, Repository, State, Status};
use super::verdict::Told;

/// Everything that is known, in the order of the tables below.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metrics {
    pub metrics: Vec<Metric>,
}

/// One name; all of them are gauges.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    pub name: &'static str,
    pub help: &'static str,
    pub samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

/// The last run of one command, as this host remembers it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// As it was called.
    pub command: String,
    pub ended: Timestamp,
    pub seconds: Option<f64>,
    pub succeeded: bool,
    pub last_success: Option<Timestamp>,
}

type Label = (&'static str, String);

/// A name, what it says, and where it comes from.
type Row<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

const OF_CLUSTER: &[Row<Status>] = &[
    ("pgcairn_metrics_timestamp_seconds", "When all of this was found out.", |status| Some(time(status.at))),
    ("pgcairn_verdict", "What status --exit-code ends with: 0 ok, 1 warning, 2 critical, 3 unknown.", |status| {
        Some(f64::from(status.verdict.level.exit_status()))
    }),
    ("pgcairn_server_up", "Whether PostgreSQL answers.", |status| match status.server.as_ref()?.state {
        State::Running => Some(1.0),
        State::Unreachable => Some(0.0),
        State::Unknown => None,
    }),
    ("pgcairn_archiver_failing", "Whether archive_command failed last, and nothing was archived since.", |status| {
        let server = status.server.as_ref().filter(|server| server.state == State::Running)?;
        Some(truth(server.archiver_failure.is_some()))
    }),
    ("pgcairn_wal_waiting_files", "WAL files that wait for archive_command.", |status| {
        Some(status.host.waiting?.files as f64)
    }),
    ("pgcairn_wal_free_bytes", "Free on the file system of pg_wal.", |status| number(status.host.wal_free_bytes)),
    (
        "pgcairn_inactive_slot_bytes",
        "WAL that the server keeps for the replication slot without a reader that holds most.",
        |status| {
            let slots = &status.server.as_ref().filter(|server| server.state == State::Running)?.inactive_slots;
            Some(slots.iter().map(|slot| slot.held_bytes).max().unwrap_or(0) as f64)
        },
    ),
    ("pgcairn_wal_waiting_oldest_timestamp_seconds", "Since when the oldest of them waits.", |status| {
        Some(before(status.at, status.host.waiting?.oldest_seconds?))
    }),
];

const OF_REPOSITORY: &[Row<Of>] = &[
    ("pgcairn_repository_up", "Whether the repository told everything in time.", |of| {
        Some(truth(of.it.error.is_none()))
    }),
    ("pgcairn_repository_required", "Whether archiving and backups succeed only with it.", |of| {
        Some(truth(of.it.required))
    }),
    ("pgcairn_backups", "Complete backups.", |of| number(of.it.backups)),
    ("pgcairn_backups_unreadable", "Commit markers that cannot be read.", |of| number(of.it.unreadable_backups)),
    ("pgcairn_backups_untrusted", "Backups that a restore refuses by their signatures.", |of| {
        number(of.it.untrusted_backups)
    }),
    ("pgcairn_last_backup_timestamp_seconds", "When the newest backup ended.", |of| {
        Some(time(of.it.last_backup.as_ref()?.stopped))
    }),
    ("pgcairn_last_backup_data_bytes", "Size of its files.", |of| Some(of.it.last_backup.as_ref()?.data_bytes as f64)),
    ("pgcairn_last_backup_stored_bytes", "What it takes in the repository.", |of| {
        Some(of.it.last_backup.as_ref()?.stored_bytes as f64)
    }),
    ("pgcairn_dumps", "Dumps.", |of| number(of.it.dumps)),
    ("pgcairn_dumps_unreadable", "Markers of dumps that cannot be read.", |of| number(of.it.unreadable_dumps)),
    ("pgcairn_last_dump_timestamp_seconds", "When the newest dump was finished.", |of| {
        Some(time(of.it.last_dump.as_ref()?.finished))
    }),
    ("pgcairn_last_dump_data_bytes", "What it has before compression.", |of| {
        Some(of.it.last_dump.as_ref()?.data_bytes as f64)
    }),
    ("pgcairn_last_dump_stored_bytes", "What it takes in the repository.", |of| {
        Some(of.it.last_dump.as_ref()?.stored_bytes as f64)
    }),
    (
        "pgcairn_restorable_windows",
        "Windows of the newest timeline in which every moment can be restored; more than one where WAL is missing between them.",
        |of| Some(of.it.newest_timeline()?.count() as f64),
    ),
    ("pgcairn_restorable_from_timestamp_seconds", "The first moment of the newest window.", |of| {
        Some(time(of.it.newest_window()?.from))
    }),
    ("pgcairn_restorable_to_timestamp_seconds", "The last moment of it that is proven by a commit.", |of| {
        Some(time(of.it.newest_window()?.to?))
    }),
    ("pgcairn_recovery_window_seconds", "How far back every moment shall be restorable, as configured.", |of| {
        number(of.it.recovery_window_seconds)
    }),
    ("pgcairn_last_backup_flagged_pages", "Its pages with a wrong checksum.", |of| {
        Some(of.it.last_backup.as_ref()?.flagged_pages as f64)
    }),
    ("pgcairn_last_drill_timestamp_seconds", "When the last drill of it began.", |of| {
        Some(time(of.it.last_drill.as_ref()?.started))
    }),
    ("pgcairn_last_drill_success", "Whether that one passed.", |of| Some(truth(of.it.last_drill.as_ref()?.passed))),
    ("pgcairn_last_drill_recovery_seconds", "How long its copy took until it could be used.", |of| {
        of.it.last_drill.as_ref()?.recovery_seconds
    }),
    ("pgcairn_last_dump_drill_timestamp_seconds", "When the last drill of a dump in it began.", |of| {
        Some(time(of.dump_drill()?.started))
    }),
    ("pgcairn_last_dump_drill_success", "Whether that one passed.", |of| Some(truth(of.dump_drill()?.passed))),
    ("pgcairn_last_dump_drill_load_seconds", "How long its dump took to be fetched, loaded and counted.", |of| {
        of.dump_drill()?.load_seconds
    }),
    ("pgcairn_stored_bytes", "What the cluster takes in the repository, trash included.", |of| {
        Some(of.it.stored.as_ref()?.total_bytes as f64)
    }),
    ("pgcairn_stored_backup_bytes", "Backups in it.", |of| Some(of.it.stored.as_ref()?.backup_bytes as f64)),
    ("pgcairn_stored_wal_bytes", "WAL in it.", |of| Some(of.it.stored.as_ref()?.wal_bytes as f64)),
    ("pgcairn_stored_dump_bytes", "Dumps in it.", |of| Some(of.it.stored.as_ref()?.dump_bytes as f64)),
    ("pgcairn_free_bytes", "Free on the repository's file system.", |of| number(of.it.stored.as_ref()?.free_bytes)),
    ("pgcairn_behind_backups", "Backups and dumps that copy --all would bring.", |of| {
        Some(of.it.behind?.backups as f64)
    }),
    ("pgcairn_behind_wal_files", "WAL files that it would bring.", |of| Some(of.it.behind?.wal_files as f64)),
    ("pgcairn_behind_oldest_timestamp_seconds", "Since when the oldest of them is missing.", |of| {
        Some(before(of.at, of.it.behind?.seconds?))
    }),
];

const OF_RUN: &[Row<Run>] = &[
    ("pgcairn_last_run_timestamp_seconds", "When the command ended last.", |run| Some(time(run.ended))),
    ("pgcairn_last_run_success", "Whether its exit status was 0.", |run| Some(truth(run.succeeded))),
    ("pgcairn_last_run_duration_seconds", "How long it took.", |run| run.seconds),
    ("pgcairn_last_success_timestamp_seconds", "When it last ended with exit status 0.", |run| {
        run.last_success.map(time)
    }),
];

const OF_REASON: &[Row<Told>] = &[(
    "pgcairn_verdict_reason",
    "A reason of the verdict: 1 where it is a warning, 2 critical, 3 unknown; absent where it is none.",
    |told| Some(f64::from(told.level.exit_status())),
)];

/// Every name there is.
pub fn names() -> impl Iterator<Item = &'static str> {
    let cluster = OF_CLUSTER.iter().map(|row| row.0).chain(OF_REASON.iter().map(|row| row.0));
    cluster.chain(OF_REPOSITORY.iter().map(|row| row.0)).chain(OF_RUN.iter().map(|row| row.0))
}

/// One repository, at the time of the whole.
struct Of {
    at: Timestamp,
    it: Repository,
}

impl Of {
    /// Of what is there no more nothing is said.
    fn dump_drill(&self) -> Option<&LastDumpDrill> {
        self.it.last_dump_drill.as_ref().filter(|_| self.it.has_dumps)
    }
}

impl Metrics {
    pub fn new(status: &Status, runs: &[Run]) -> Metrics {
        let cluster = ("cluster", status.cluster.clone().unwrap_or_default());
        let repositories = status.repositories.iter().map(|it| Of { at: status.at, it: it.clone() });
        let repositories: Vec<(Vec<_>, Of)> =
            repositories.map(|of| (vec![cluster.clone(), ("repository", of.it.name.clone())], of)).collect();
        let runs = runs.iter().map(|run| (vec![cluster.clone(), ("command", run.command.clone())], run.clone()));
        let (whole, runs) = ([(vec![cluster.clone()], status.clone())], runs.collect::<Vec<_>>());
        let reasons = reasons(status, &cluster);
        let metrics = rows(OF_CLUSTER, &whole)
            .chain(rows(OF_REASON, &reasons))
            .chain(rows(OF_REPOSITORY, &repositories))
            .chain(rows(OF_RUN, &runs));
        Metrics { metrics: metrics.filter(|metric| !metric.samples.is_empty()).collect() }
    }
}

/// One sample for each name and repository, whatever it is about beside: several commands may have failed.
fn reasons(status: &Status, cluster: &Label) -> Vec<(Vec<Label>, Told)> {
    let mut reasons: Vec<(Vec<Label>, Told)> = Vec::new();
    for told in &status.verdict.reasons {
        let repository = told.repository.clone().map(|name| ("repository", name));
        let labels: Vec<Label> =
            [cluster.clone(), ("reason", told.reason.to_owned())].into_iter().chain(repository).collect();
        if !reasons.iter().any(|(known, _)| *known == labels) {
            reasons.push((labels, told.clone()));
        }
    }
    reasons
}

fn rows<'t, T>(
    table: &'t [Row<T>],
    of: &'t [(Vec<(&'static str, String)>, T)],
) -> impl Iterator<Item = Metric> + use<'t, T> {
    table.iter().map(|(name, help, value)| {
        let sample = |(labels, it): &(Vec<(&'static str, String)>, T)| {
            value(it).map(|value| Sample { labels: labels.clone(), value })
        };
        Metric { name, help, samples: of.iter().filter_map(sample).collect() }
    })
}

fn time(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn before(at: Timestamp, seconds: u64) -> f64 {
    time(at) - seconds as f64
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

fn number(number: Option<u64>) -> Option<f64> {
    number.map(|number| number as f64)
}

impl Metric {
    fn text(&self) -> String {
        let Metric { name, help, .. } = self;
        let mut text = format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        for Sample { labels, value } in &self.samples {
            let labels: Vec<String> =
                labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
            let _ = writeln!(text, "{name}{{{}}} {value}", labels.join(","));
        }
        text
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

impl Report for Metrics {
    const NAME: &'static str = "metrics";

    fn human(&self) -> String {
        self.metrics.iter().map(Metric::text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_quotes() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn names_are_unique_and_have_base_units() {
        let mut all: Vec<&str> = names().collect();
        let is_name = |name: &str| {
            name.strip_prefix("pgcairn_").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        };
        assert!(all.iter().all(|name| is_name(name)), "{all:?}");
        let number = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), number);
        assert!(all.iter().all(|name| !["_ms", "_kb", "_minutes", "_age"].iter().any(|unit| name.contains(unit))));
    }
}
