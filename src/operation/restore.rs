//! `restore`: a backup and its WAL become a data directory that recovers to the target.
//!
//! [`run`] is the command. Who goes on with the copy calls [`perform`] and has it in hand: with [`Request::start`] the
//! outcome holds a [`StoppedCopy`], which `ScratchServer::launch(copy.launch(room, settings))` starts, cut off from its
//! origin.

mod again;
mod choose;
mod commit_marker;
mod compare;
mod configuration;
mod copy;
mod directories;
mod execute;
mod layout;
mod lock;
mod objects;
mod one_history;
mod refuse;
mod scan;
mod start;
mod tablespaces;
mod timeline;
mod unfinished;
mod unreachable;
pub mod wal;
mod words;

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::healed::{self, healed};
use super::repository::Opened;
use super::{Context, chosen, repository};
use crate::codec::Opener;
use crate::flow::inward::Inward;
use crate::flow::memory::share;
use crate::model::catalog::{ObjectList, Summary};
use crate::model::error::Result;
use crate::model::plan::target::{StopPoint, Target};
use crate::model::selector::Selector;
use crate::model::shell_word::shell_word;
use crate::model::wal_name::TimelineId;
use crate::postgres::Installation;
use crate::report::Listener;
use crate::report::restore::{Done, Plan, Restore};
use crate::store::Reader;

pub use again::{arguments, beginning};
pub(super) use commit_marker::{agree, judge_control_file, judge_label};
pub use copy::StoppedCopy;
pub(super) use layout::{Sliced, refuse_foreign};
pub use words::moment;

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
    /// Where all other tablespaces outside of the data directory go, each in a directory with its oid for a name;
    /// `None` puts them where they were. The directory must be there.
    pub tablespaces_below: Option<PathBuf>,
    /// The copy will be started on this machine, cut off from its origin.
    pub start: Option<Start>,
    /// Nobody needs to have signed the backup.
    pub accept_unsigned: bool,
    /// Only the plan.
    pub plan: bool,
    pub jobs: Option<NonZeroU16>,
    /// Where the keys of the context came from, if a flag said so.
    pub identity: Option<PathBuf>,
}

/// `recovery_target_timeline`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimelineChoice {
    Latest,
    /// The backup's own.
    Current,
    Id(TimelineId),
}

impl TimelineChoice {
    /// What serves `target` where nobody names a timeline: with `immediate` PostgreSQL would follow another one past the
    /// end of the backup's own.
    pub fn of(target: &Target) -> TimelineChoice {
        if *target == Target::Immediate { TimelineChoice::Current } else { TimelineChoice::Latest }
    }
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

/// How a copy is started. What it takes is looked for before anything is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start {
    /// Where `postgres` is; `None` looks in the usual places.
    pub bindir: Option<PathBuf>,
    /// On 127.0.0.1, beside the socket.
    pub port: Option<u16>,
    /// Libraries that the server loads into every process; without them the origin's are left out.
    pub preload: Vec<String>,
    /// Root has asked, and gave way to the owner of the copy: what is to be typed later needs his name.
    pub asked_by_root: bool,
}

/// What became of a request.
pub struct Restored {
    pub plan: Plan,
    /// Where it came from.
    pub opened: Opened,
    pub backup: Summary,
    /// Where recovery will stop; `None` where it reads all WAL.
    pub stop: Option<StopPoint>,
    /// What the copy is started with, where that was asked for.
    pub installation: Option<Installation>,
    /// Where something was written and will be started.
    pub copy: Option<StoppedCopy>,
}

/// `--tablespace OLD=NEW`, both absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablespaceMapping {
    pub old: PathBuf,
    pub new: PathBuf,
}

/// What every step reads from.
struct Source<'a> {
    context: &'a Context,
    opened: Opened,
    opener: Opener,
}

impl Source<'_> {
    /// The reading end of the pipes.
    fn inward<'a>(
        &'a self,
        backup: &'a Summary,
        objects: &'a ObjectList,
        request: &Request,
        written: &'a AtomicU64,
        reader: &'a Reader,
    ) -> Inward<'a> {
        Inward {
            reader,
            opener: &self.opener,
            keys: &self.opened.keys,
            objects,
            backup: &backup.id,
            parts: backup.parts,
            jobs: self.jobs(request),
            interrupt: &self.context.interrupt,
            written,
        }
    }

    fn jobs(&self, request: &Request) -> usize {
        let wanted = request.jobs.map_or_else(|| self.context.config.backup.jobs(), |jobs| usize::from(jobs.get()));
        share(wanted).jobs
    }
}

/// Restores, and starts the copy where that is asked for.
pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Restore> {
    let began = Instant::now();
    let restored = perform(context, request, listener)?;
    let Restored { plan, backup, .. } = &restored;
    let seconds = began.elapsed().as_secs_f64();
    let done = (!request.plan).then_some(Done { seconds, bytes: plan.data_bytes, files: plan.files });
    let started = match (&restored.copy, &request.start) {
        (Some(copy), Some(how)) => Some(start::start(context, request, how, (&restored, copy), listener)?),
        _ => None,
    };
    let next = match &started {
        Some(started) => start::next(started),
        None => next(context, &pinned(request, backup)),
    };
    Ok(Restore { plan: restored.plan, done, started, next })
}

/// The plan is complete, and everything that can be refused is refused, before a byte is written.
pub fn perform(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Restored> {
    perform_agreed(context, request, listener, |_, _| Ok(()))
}

/// The same for whoever has refusals of his own: `agree` is shown the plan, and what the copy would be started with.
pub fn perform_agreed(
    context: &Context,
    request: &Request,
    listener: &dyn Listener,
    agree: impl FnOnce(&Plan, Option<&Installation>) -> Result<()>,
) -> Result<Restored> {
    refuse::unspeakable(&request.target_dir)?;
    request.start.as_ref().map_or(Ok(()), start::refuse)?;
    let all = repository::open_all(&context.config, listener)?;
    let opened = chosen::generation(&context.config, all, request.backup.as_ref())?;
    let opener = opened.opener(context)?;
    let reader = opened.repository.reader();
    let source = Source { context, opened, opener };
    let outcome = restore(&source, request, listener, agree);
    healed::say(&reader, listener);
    outcome
}

fn restore(
    source: &Source<'_>,
    request: &Request,
    listener: &dyn Listener,
    agree: impl FnOnce(&Plan, Option<&Installation>) -> Result<()>,
) -> Result<Restored> {
    let (chosen, mut layout) = healed(&source.opened.repository.reader(), || {
        let chosen = choose::choose(source, request, listener)?;
        let objects = objects::check(source, &chosen.backup, listener)?;
        let layout = layout::read(source, &chosen.backup, objects, request)?;
        commit_marker::compare_totals(source, &chosen.backup, &layout)?;
        Ok((chosen, layout))
    })?;
    layout.measure(&request.target_dir, chosen.wal_bytes())?;
    tablespaces::refuse(&layout, &chosen, request)?;
    refuse::unfit_target(&layout, &chosen, request)?;
    let installation = request.start.as_ref().map(|how| copy::installation(&chosen.backup, how)).transpose()?;
    let plan = layout::plan(source, request, &chosen, &layout);
    agree(&plan, installation.as_ref())?;
    let mut copy = None;
    if !request.plan {
        let required = execute::execute(source, request, &chosen, &layout, listener)?;
        let started = installation.clone();
        copy = started.map(|installation| StoppedCopy::of(request, &chosen.backup, installation, required));
    }
    let opened = source.opened.clone();
    Ok(Restored { plan, opened, backup: chosen.backup, stop: chosen.stop, installation, copy })
}

/// `latest` is another backup as soon as one more is made: what was planned is carried out with the one that was meant.
fn pinned(request: &Request, chosen: &Summary) -> Request {
    let id = || Selector::Prefix(chosen.id.to_string());
    Request { backup: request.backup.as_ref().map(|_| id()), ..request.clone() }
}

/// Replay has taken the locks of transactions that had not ended at the target (StandbyAcquireAccessExclusiveLock), and
/// a dropped table is the one that people look for.
const LOCKED: &str = " (before that, a query of a table that was just being dropped or altered waits for its lock)";

fn next(context: &Context, request: &Request) -> String {
    let directory = shell_word(&request.target_dir.to_string_lossy());
    match (request.plan, request.action) {
        (true, _) => again::command(context, request),
        (false, Action::Pause) => {
            format!("pg_ctl -D {directory} start, look at it, then SELECT pg_wal_replay_resume() to open it{LOCKED}")
        }
        (false, _) => format!("pg_ctl -D {directory} start"),
    }
}
