//! The directory in which a copy is made, and everything beside it.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::leftover;
use crate::model::error::{Code, Error, Result};
use crate::operation::failure::cannot;
use crate::operation::own_directory::OwnDirectory;
use crate::postgres::Room;
use crate::report::Listener;

const MODE: u32 = 0o700;

/// Whose copies they are.
pub struct Kind {
    /// Of the name below the scratch directory.
    pub prefix: &'static str,
    /// `a drill`
    pub words: &'static str,
}

pub struct Place {
    directory: OwnDirectory,
    _lock: Option<File>,
}

impl Place {
    /// What another run of this kind has left that was killed is taken away first.
    pub fn make(scratch: &Path, kind: &Kind, listener: &dyn Listener) -> Result<Place> {
        let cannot = |error: std::io::Error| {
            Error::new(Code::Refused, format!("no copy can be made in {}: {error}", scratch.display()))
                .hint("name a directory that this user may write to, with room for the cluster: --scratch DIR")
        };
        fs::metadata(scratch).map_err(cannot)?;
        leftover::clear(scratch, kind, listener);
        let directory = OwnDirectory::make(scratch, kind.prefix).map_err(cannot)?;
        let lock = leftover::claim(directory.path()).map_err(cannot)?;
        let place = Place { directory, _lock: lock };
        for directory in [place.data(), place.tablespaces()] {
            DirBuilder::new().mode(MODE).create(directory).map_err(cannot)?;
        }
        Ok(place)
    }

    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn tablespaces(&self) -> PathBuf {
        self.directory.path().join("tablespaces")
    }

    pub fn room(&self) -> Result<Room> {
        Room::make(&self.directory.path().join("server"))
    }

    /// The room there is below it.
    pub fn refuse_less_than(&self, needed: u64) -> Result<()> {
        let path = self.directory.path().parent().unwrap_or(self.directory.path());
        let stat = rustix::fs::statvfs(path).map_err(|error| cannot("look at", path.display(), error.into()))?;
        let free = stat.f_bavail * stat.f_frsize;
        match free >= needed {
            true => Ok(()),
            false => {
                let message = format!("{} needs {needed} bytes, {free} are free", path.display());
                Err(Error::new(Code::DiskSpace, message)
                    .hint("free space, or make the copy on another disk: --scratch DIR"))
            }
        }
    }

    /// What a program said.
    pub fn output_of(&self, program: &str) -> PathBuf {
        self.directory.path().join(format!("{program}.log"))
    }

    /// Removes everything, or says where it stays.
    pub fn close(self, keep: bool) -> Result<Option<PathBuf>> {
        if keep {
            // The next run leaves it alone. Where there is no lock there is nothing to be removed.
            let _ = fs::remove_file(self.directory.path().join(leftover::AT_WORK));
        }
        self.directory.close(keep)
    }
}
