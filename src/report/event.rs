//! What an operation says while it works.

use serde::Serialize;

use crate::model::error::Error;

/// The step a long operation is in, in the words of PostgreSQL where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// `pg_backup_start` waits for its checkpoint.
    Checkpoint,
    /// Data goes from the data directory to the repository.
    Copying,
    /// The WAL that the backup needs must arrive.
    WaitingForWal,
    Committing,
    /// WAL is fetched and every record of it checked.
    ReadingWal,
    /// Data goes from the repository to the target directory.
    Restoring,
    /// The WAL that recovery needs is laid beside the data.
    FetchingWal,
    /// What lies in the repository is compared with what was backed up.
    Verifying,
    Syncing,
    /// A server on the copy replays WAL up to the target.
    Recovering,
    /// Of a dump: what is made before rows, and after them.
    MakingDefinitions,
    LoadingRows,
    MakingIndexes,
}

impl Phase {
    pub fn words(self) -> &'static str {
        match self {
            Phase::Checkpoint => "waiting for the checkpoint",
            Phase::Copying => "copying",
            Phase::WaitingForWal => "waiting for WAL",
            Phase::Committing => "committing",
            Phase::ReadingWal => "reading WAL",
            Phase::Restoring => "restoring",
            Phase::FetchingWal => "fetching WAL",
            Phase::Verifying => "verifying",
            Phase::Syncing => "syncing to disk",
            Phase::Recovering => "recovering",
            Phase::MakingDefinitions => "making definitions",
            Phase::LoadingRows => "loading rows",
            Phase::MakingIndexes => "making indexes and constraints",
        }
    }
}

/// How far a phase is. A total that is not known yet is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Progress {
    pub phase: Phase,
    pub bytes_done: u64,
    pub bytes_total: Option<u64>,
}

impl Progress {
    /// The beginning of a phase.
    pub fn new(phase: Phase) -> Progress {
        Progress { phase, bytes_done: 0, bytes_total: None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Sent as often as convenient; whoever shows it decides how often.
    Progress(Progress),
    /// What begins now, in work that tells a story.
    Heading(String),
    /// A fact that the person should see though all is well.
    Notice(String),
    /// Something tolerated that needs a look. The operation goes on.
    Warning(Error),
}

/// Where events go. Shared by threads, so it is used through `&dyn Listener`.
pub trait Listener: Sync + Send {
    fn event(&self, event: Event);

    fn progress(&self, progress: Progress) {
        self.event(Event::Progress(progress));
    }

    fn phase(&self, phase: Phase) {
        self.event(Event::Progress(Progress::new(phase)));
    }

    fn notice(&self, fact: String) {
        self.event(Event::Notice(fact));
    }

    fn warning(&self, warning: Error) {
        self.event(Event::Warning(warning));
    }
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Listener for Quiet {
    fn event(&self, _: Event) {}
}
