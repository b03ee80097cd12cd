//! The directories that a restore fills: made, locked, cleared and marked before anything is written.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use super::choose::Chosen;
use super::layout::Layout;
use super::lock::lock;
use super::{Request, refuse, unfinished, wal};
use crate::model::error::{Error, Result};
use crate::model::manifest::Directory;
use crate::model::shell_word::shell_word;
use crate::operation::failure::{NO_SPACE_TO_RESTORE, cannot};
use crate::sink::{TargetDirectory, sync_directory};

/// PostgreSQL accepts 0700 and 0750.
const MODE: u32 = 0o700;
const GROUP_MODE: u32 = 0o750;

/// Makes, locks, clears and marks every directory. Whether it may be cleared is asked again under the lock.
pub fn prepare(request: &Request, chosen: &Chosen, layout: &Layout) -> Result<Vec<File>> {
    let target = request.target_dir.as_path();
    let directories = || [target].into_iter().chain(layout.outside().map(|t| t.becomes.as_path()));
    let made = |directory: &Path| make_directory(directory).map_err(|e| not_made(directory, e));
    let locks = directories().map(|directory| made(directory).and_then(|()| lock(directory)));
    let locks = locks.collect::<Result<Vec<_>>>()?;
    refuse::directories_in_use(layout, request)?;
    for directory in directories() {
        let prepared = unfinished::clear(directory, target).and_then(|()| unfinished::mark(directory, target, chosen));
        prepared.map_err(|e| cannot("prepare", directory.display(), e))?;
    }
    Ok(locks)
}

/// What to do about the directory that it should lie in.
fn not_made(directory: &Path, error: io::Error) -> Error {
    let above = directory.parent().unwrap_or(directory);
    let word = shell_word(&above.to_string_lossy());
    let hint = match error.kind() {
        io::ErrorKind::NotFound => Some(format!("mkdir -p -m 0700 {word}")),
        io::ErrorKind::PermissionDenied => Some(format!("ls -ld {word}")),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(NO_SPACE_TO_RESTORE.to_owned()),
        _ => None,
    };
    Error { hint, ..cannot("make", directory.display(), error) }
}

/// Directories, parents before children; in between tablespaces, so that what lies in them has a place and they have
/// theirs, which may be one of the directories.
pub fn make(into: &mut TargetDirectory, target: &Path, layout: &Layout) -> Result<()> {
    let of_tablespaces = |directory: &&Directory| directory.path.as_bytes().starts_with(b"pg_tblspc/");
    let (below, plain): (Vec<_>, Vec<_>) = layout.directories.iter().partition(of_tablespaces);
    for directory in plain {
        into.directory(&directory.path, directory.mode.0)?;
    }
    for (oid, tablespace) in &layout.tablespaces {
        into.tablespace(oid.to_string().as_bytes(), &tablespace.becomes)?;
    }
    for directory in below {
        into.directory(&directory.path, directory.mode.0)?;
    }
    open_to_group(target, layout).map_err(|e| cannot("set the mode of", target.display(), e))?;
    let wal = target.join(wal::DIRECTORY);
    make_directory(&wal).map_err(|e| cannot("make", wal.display(), e))
}

/// Makes the directory, and makes that durable; nothing above it is made.
fn make_directory(target: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(MODE).create(target) {
        Ok(()) => sync_directory(target.parent().unwrap_or(Path::new("/"))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(target)?.permissions().mode() & 0o7777;
            let fits = mode == MODE || mode == GROUP_MODE;
            if fits { Ok(()) } else { fs::set_permissions(target, fs::Permissions::from_mode(MODE)) }
        }
        Err(error) => Err(error),
    }
}

/// PostgreSQL takes the modes of new files from the data directory's own (`checkDataDir`), of which a manifest has
/// no line: all directories of a cluster have the same.
fn open_to_group(target: &Path, layout: &Layout) -> io::Result<()> {
    let global = layout.directories.iter().find(|directory| directory.path.as_bytes() == b"global");
    match global.is_some_and(|global| global.mode.0 == GROUP_MODE) {
        true => fs::set_permissions(target, fs::Permissions::from_mode(GROUP_MODE)),
        false => Ok(()),
    }
}
