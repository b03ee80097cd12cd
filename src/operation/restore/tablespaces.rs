//! Where tablespaces go: each is mapped once, and replay makes none in a directory in use.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Request;
use super::choose::Chosen;
use super::layout::Layout;
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;

pub fn refuse(layout: &Layout, chosen: &Chosen, request: &Request) -> Result<()> {
    refuse_mapped_twice(request)?;
    for (at, created) in &chosen.scanned.reach.tablespaces {
        let location = Path::new(OsStr::from_bytes(&created.location));
        let restored = layout.tablespaces.get(&created.oid);
        // An empty one is in place. Into one that the restore itself fills, replay may go.
        if !created.location.is_empty() && restored.is_none_or(|moved| moved.becomes != location) {
            request.start.as_ref().map_or(Ok(()), |_| refuse_to_leave(location, *at))?;
            refuse_replay_into(location, *at)?;
        }
    }
    Ok(())
}

fn refuse_mapped_twice(request: &Request) -> Result<()> {
    let mut seen = HashSet::new();
    match request.tablespaces.iter().find(|mapping| !seen.insert(&mapping.old)) {
        None => Ok(()),
        Some(twice) => Err(Error::new(Code::Usage, format!("--tablespace names {} twice", twice.old.display()))
            .hint("--tablespace OLD=NEW once for each tablespace")),
    }
}

/// A copy that is cut off makes nothing outside of its own directories, empty or not: nobody would take it away, and
/// on the origin's machine somebody else may be about to use it.
fn refuse_to_leave(location: &Path, at: Lsn) -> Result<()> {
    let path = location.display();
    let message = format!("at {at} replay creates a tablespace in {path}, outside of the copy that is to be started");
    Err(Error::new(Code::Refused, message).hint(format!(
        "restore to --to-lsn {at} --exclusive, or from a later backup, or without --start and start it yourself"
    )))
}

/// Replay of CREATE TABLESPACE takes the directory that it was made in, whatever is in it, and no mapping
/// can lead it elsewhere (`create_tablespace_directories` in tablespace.c). On the origin's own machine
/// that directory is in use: the copy would write into the living cluster's files.
fn refuse_replay_into(location: &Path, at: Lsn) -> Result<()> {
    let (path, before) =
        (location.display(), format!("or restore to --to-lsn {at} --exclusive, or from a later backup"));
    let replays = format!("at {at} replay creates a tablespace in {path}");
    match std::fs::read_dir(location).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::new(Code::TargetNotEmpty, format!("{replays}, which is not empty"))
            .hint(format!("restore on a machine where that directory is empty, {before}"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::new(Code::Refused, format!("{replays}, which does not exist"))
                .hint(format!("mkdir -p -m 0700 {path}, {before}")))
        }
        Err(error) => Err(Error::new(Code::Refused, format!("{replays}, which cannot be used: {error}"))
            .hint(format!("restore on a machine where it can, {before}"))),
    }
}
