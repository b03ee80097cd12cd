//! The mark in a directory whose restore has not ended. Such a directory may be restored into again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::choose::Chosen;
use super::layout::Layout;
use crate::model::key::BackupId;
use crate::model::path::RawPath;
use crate::model::relation::UNFINISHED_RESTORE;
use crate::sink::sync_directory;
use crate::sink::target_directory::CONTROL_FILE;

#[derive(Debug, Serialize, Deserialize)]
struct Unfinished {
    backup: BackupId,
    /// A tablespace's directory is as unfinished as the data directory that it belongs to.
    target: RawPath,
}

/// Whether an interrupted restore to `target` left this directory, the target itself or a tablespace of it. With a
/// control file the target is complete, whatever else lies in it: a kill at the very end leaves marks behind. They
/// say nothing either once the target was moved, so a tablespace is unfinished only beside a target that is.
pub fn is_unfinished(directory: &Path, target: &Path) -> bool {
    let Ok(text) = fs::read(directory.join(UNFINISHED_RESTORE)) else { return false };
    let is_ours = match serde_json::from_slice::<Unfinished>(&text) {
        Ok(mark) => mark.target.as_path() == target,
        // Killed while it was written: nothing else had been.
        Err(_) => fs::read_dir(directory).is_ok_and(|entries| entries.count() == 1),
    };
    let is_target = directory == target;
    // In doubt there is one: what may be complete is not cleared away.
    let is_complete = || target.join(CONTROL_FILE).try_exists().unwrap_or(true);
    is_ours && if is_target { !is_complete() } else { is_unfinished(target, target) }
}

/// Takes away what an interrupted restore left, its mark last. Anything else was refused before.
pub fn clear(directory: &Path, target: &Path) -> io::Result<()> {
    if is_unfinished(directory, target) { clear_directory(directory, UNFINISHED_RESTORE) } else { Ok(()) }
}

fn clear_directory(directory: &Path, keep: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == keep {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// Durable before the first file is written.
pub fn mark(directory: &Path, target: &Path, chosen: &Chosen) -> io::Result<()> {
    let target = RawPath::new(target.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let mark = Unfinished { backup: chosen.backup.id.clone(), target };
    let mut file = File::create(directory.join(UNFINISHED_RESTORE))?;
    file.write_all(&serde_json::to_vec(&mark)?)?;
    file.sync_all()?;
    sync_directory(directory)
}

/// The restore has ended: the target's mark goes last.
pub fn unmark(target: &Path, layout: &Layout) -> io::Result<()> {
    for directory in layout.outside().map(|t| t.becomes.as_path()).chain([target]) {
        match fs::remove_file(directory.join(UNFINISHED_RESTORE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => sync_directory(directory)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(directory: &Path, target: &Path) {
        let backup = BackupId::new("20261120T030000Z", "full", 1).unwrap();
        let target = RawPath::new(target.as_os_str().as_bytes()).unwrap();
        let mark = serde_json::to_vec(&Unfinished { backup, target }).unwrap();
        fs::write(directory.join(UNFINISHED_RESTORE), mark).unwrap();
    }

    /// The restore was killed between the control file and the marks; then the copy went into use under another name.
    #[test]
    fn the_tablespace_of_a_target_that_was_moved_is_in_use() {
        let scratch = tempfile::tempdir().unwrap();
        let (target, tablespace) = (scratch.path().join("target"), scratch.path().join("tablespace"));
        for directory in [&target, &tablespace] {
            fs::create_dir(directory).unwrap();
            marked(directory, &target);
        }
        assert!(is_unfinished(&target, &target) && is_unfinished(&tablespace, &target));
        fs::create_dir(target.join("global")).unwrap();
        fs::write(target.join(CONTROL_FILE), "").unwrap();
        assert!(!is_unfinished(&target, &target) && !is_unfinished(&tablespace, &target));
        fs::rename(&target, scratch.path().join("in use")).unwrap();
        assert!(!is_unfinished(&tablespace, &target));
        fs::create_dir(&target).unwrap();
        assert!(!is_unfinished(&tablespace, &target));
    }
}
