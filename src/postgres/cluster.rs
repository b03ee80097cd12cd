//! Whether the directory we read belongs to the server we asked: a stale mount, a clone or a wrong path
//! would give a backup of something else.

use std::thread::sleep;
use std::time::Duration;

use ::postgres::types::PgLsn;

use super::{Connection, Settings};
use crate::model::control_file::ControlFile;
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;
use crate::source::DataDirectory;

/// The server reads its own pg_control for this (`pg_control_checkpoint`), so both sides must agree to the
/// byte, unless a checkpoint ends between the two looks.
const CHECKPOINT: &str = "SELECT checkpoint_lsn, redo_lsn, timeline_id FROM pg_control_checkpoint()";
const TRIES: u32 = 5;
const WAIT: Duration = Duration::from_millis(20);

/// Compares system identifier, version and checkpoint. `start` is given when a backup has begun: the
/// checkpoint must have reached it.
pub fn check_cluster(
    connection: &mut Connection,
    settings: &Settings,
    data: &DataDirectory,
    start: Option<Lsn>,
) -> Result<()> {
    let (file, _) = data.read_control_file()?;
    let path = data.path().display();
    if file.system_identifier != settings.system_identifier {
        let (ours, theirs) = (file.system_identifier, settings.system_identifier);
        return Err(foreign(format!("{path} has system identifier {ours}, the connected server {theirs}"), settings));
    }
    if file.major != settings.version.major() {
        let (ours, theirs) = (file.major, settings.version);
        return Err(foreign(format!("{path} is of PostgreSQL {ours}, the connected server is {theirs}"), settings));
    }
    let file = same_checkpoint(connection, settings, data)?;
    match start {
        Some(start) if file.redo < start => {
            let redo = file.redo;
            Err(foreign(format!("{path} has its last checkpoint at {redo}, the backup starts at {start}"), settings))
        }
        _ => Ok(()),
    }
}

fn same_checkpoint(connection: &mut Connection, settings: &Settings, data: &DataDirectory) -> Result<ControlFile> {
    let mut tries = 1;
    loop {
        let row = connection.query_one(CHECKPOINT, &[])?;
        let (checkpoint, redo): (PgLsn, PgLsn) = (connection.column(&row, 0)?, connection.column(&row, 1)?);
        let timeline: i32 = connection.column(&row, 2)?;
        let (file, _) = data.read_control_file()?;
        let theirs = (Lsn(checkpoint.into()), Lsn(redo.into()), timeline as u32);
        if theirs == (file.checkpoint, file.redo, file.timeline) {
            return Ok(file);
        }
        if tries == TRIES {
            let path = data.path().display();
            let (ours, theirs) = (file.checkpoint, theirs.0);
            let message = format!("{path} has its last checkpoint at {ours}, the connected server at {theirs}");
            return Err(foreign(message, settings));
        }
        tries += 1;
        sleep(WAIT);
    }
}

fn foreign(message: String, settings: &Settings) -> Error {
    let data_dir = settings.data_directory.display();
    Error::new(Code::ForeignCluster, message).hint(format!(
        "set data_dir = \"{data_dir}\" in the configuration, or connection to the server of this directory"
    ))
}
