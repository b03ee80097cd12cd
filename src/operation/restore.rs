//! `restore`: a backup and its WAL become a data directory that recovers to the target.

use std::num::NonZeroU16;
use std::path::PathBuf;

use jiff::Timestamp;

use super::{Context, not_built_yet};
use crate::model::error::Result;
use crate::model::lsn::Lsn;
use crate::model::selector::Selector;
use crate::model::wal_name::TimelineId;
use crate::report::Sink;
use crate::report::restore::Restore;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Absolute.
    pub target_dir: PathBuf,
    /// The backup to start from; `None` chooses the last one before the target.
    pub backup: Option<Selector>,
    pub target: Target,
    pub timeline: TimelineChoice,
    pub action: Action,
    pub tablespaces: Vec<TablespaceMapping>,
    /// Only the plan.
    pub plan: bool,
    /// Restore over another cluster's files.
    pub force: bool,
    pub jobs: Option<NonZeroU16>,
}

/// Where recovery ends. `inclusive` is `recovery_target_inclusive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `--backup` alone: as soon as the copy is consistent (`recovery_target = 'immediate'`).
    Immediate,
    /// All WAL there is; no recovery target is set.
    Latest,
    Time {
        at: Timestamp,
        inclusive: bool,
    },
    Lsn {
        at: Lsn,
        inclusive: bool,
    },
    Xid {
        xid: u32,
        inclusive: bool,
    },
    Name(String),
}

/// `recovery_target_timeline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimelineChoice {
    Latest,
    /// The backup's own.
    Current,
    Id(TimelineId),
}

/// `recovery_target_action`. With [`Target::Latest`] it is always `Promote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Pause,
    Promote,
    Shutdown,
}

impl Action {
    pub fn word(self) -> &'static str {
        match self {
            Action::Pause => "pause",
            Action::Promote => "promote",
            Action::Shutdown => "shutdown",
        }
    }
}

/// `--tablespace OLD=NEW`, both absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablespaceMapping {
    pub old: PathBuf,
    pub new: PathBuf,
}

pub fn run(_context: &Context, _request: &Request, _sink: &dyn Sink) -> Result<Restore> {
    not_built_yet()
}
