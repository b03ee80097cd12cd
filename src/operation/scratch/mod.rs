//! A copy of our own in a directory of its own: restored, started cut off from its origin, replayed to its target and
//! opened. `drill` checks it, `restore --table` takes tables out of it; then it is taken away.

mod databases;
mod deadline;
mod leftover;
mod place;
mod steps;

use std::path::PathBuf;

use super::restore::{self, Restored, StoppedCopy};
use crate::config::Config;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::plan::target::Target;
use crate::model::recovery_log::RecoveryLog;
use crate::postgres::{End, Failure, Installation, LONGEST_SILENCE, ScratchServer};
use crate::report;
use crate::report::Listener;

pub use databases::{Databases, Known, open};
pub use deadline::Deadline;
pub use place::{Kind, Place};
pub use steps::Steps;

/// Before 17 no setting keeps event triggers from firing, and they are the origin's code.
pub const NO_EVENT_TRIGGERS: &str = "DO $$ DECLARE name text; BEGIN FOR name IN SELECT evtname FROM pg_event_trigger LOOP \
     EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name); END LOOP; END $$";

/// Where copies are made: where it is said, where the configuration says, else where temporary files are.
pub fn directory(said: Option<PathBuf>, config: &Config) -> PathBuf {
    said.or_else(|| config.drill.scratch.clone()).unwrap_or_else(std::env::temp_dir)
}

/// What a restore into `data` is asked for, where nobody asks for more.
pub fn request(data: PathBuf, tablespaces: PathBuf, target: Target) -> restore::Request {
    restore::Request {
        target_dir: data,
        backup: None,
        timeline: restore::TimelineChoice::of(&target),
        target,
        action: restore::Action::Promote,
        tablespaces: Vec::new(),
        tablespaces_below: Some(tablespaces),
        start: Some(restore::Start::default()),
        accept_unsigned: false,
        plan: false,
        jobs: None,
        identity: None,
    }
}

/// Where a copy comes from, for a report.
pub fn told(restored: &Restored) -> report::drill::Restored {
    let plan = &restored.plan;
    report::drill::Restored {
        backup: plan.backup.clone(),
        system_identifier: restored.opened.system_identifier.to_string(),
        target: plan.target.clone(),
        target_time: plan.target_time,
        stops_at: plan.stops_at,
        last_commit: plan.last_commit,
        postgresql: restored.installation.as_ref().map(|found| found.version.clone()).unwrap_or_default(),
        data_bytes: plan.data_bytes,
        wal_bytes: plan.wal_bytes,
    }
}

/// Until the copy takes writes. Whether it is at the target is for [`reached`] to judge.
pub fn replay(
    place: &Place,
    copy: &StoppedCopy,
    interrupt: &Interrupt,
    listener: &dyn Listener,
) -> Result<(ScratchServer, RecoveryLog)> {
    listener.phase(report::Phase::Recovering);
    let mut server = ScratchServer::launch(copy.launch(place.room()?, Vec::new()))?;
    let recovery = server.wait_for_end(End::Promoted, LONGEST_SILENCE, interrupt)?;
    Ok((server, recovery))
}

/// In words where recovery stopped, `Err` where that is not the target. The log, not the server's being there, proves it.
pub fn reached(target: &Target, restored: &Restored, recovery: &RecoveryLog) -> std::result::Result<String, String> {
    let stopped = match (&recovery.stop, &recovery.redo_done) {
        (Some(stop), _) => stop.words.clone(),
        (None, Some(lsn)) => format!("all WAL was replayed, up to {lsn}"),
        (None, None) => "nothing was replayed".to_owned(),
    };
    match recovery.proves(target, restored.stop.as_ref()) {
        true => Ok(stopped),
        false => Err(format!("the target was not reached; the log says: {stopped}")),
    }
}

/// How a copy that was kept is started again, and entered.
pub fn enter(installation: &Installation, place: &Place, server: &ScratchServer) -> Vec<String> {
    vec![installation.pg_ctl(&place.data(), &server.room().log(), "restart"), installation.psql(server)]
}

/// A statement on the copy failed.
pub fn said(error: ::postgres::Error) -> Error {
    Error::new(Code::Io, format!("the copy says: {}", Failure(&error)))
}
