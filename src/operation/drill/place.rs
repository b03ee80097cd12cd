//! The directory in which a drill happens.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;
use crate::postgres::Room;

const PREFIX: &str = "pgcairn-drill.";
const MODE: u32 = 0o700;

pub struct Place(TempDir);

impl Place {
    /// Readable by nobody else: the whole cluster will lie here as plain text.
    pub fn make(scratch: &Path) -> Result<Place> {
        let cannot = |error: std::io::Error| {
            Error::new(Code::Refused, format!("no copy can be made in {}: {error}", scratch.display()))
                .hint("name a directory that this user may write to, with room for the cluster: --scratch DIR")
        };
        fs::metadata(scratch).map_err(cannot)?;
        let private = Permissions::from_mode(MODE);
        let made = tempfile::Builder::new().prefix(PREFIX).permissions(private).tempdir_in(scratch);
        let place = made.map(Place).map_err(cannot)?;
        for directory in [place.data(), place.tablespaces()] {
            DirBuilder::new().mode(MODE).create(directory).map_err(cannot)?;
        }
        Ok(place)
    }

    pub fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub fn tablespaces(&self) -> PathBuf {
        self.0.path().join("tablespaces")
    }

    pub fn room(&self) -> Result<Room> {
        Room::make(&self.0.path().join("server"))
    }

    /// What a program said.
    pub fn output_of(&self, program: &str) -> PathBuf {
        self.0.path().join(format!("{program}.log"))
    }

    /// Removes everything, or says where it stays.
    pub fn close(self, keep: bool) -> Result<Option<PathBuf>> {
        if keep {
            return Ok(Some(self.0.keep()));
        }
        let path = self.0.path().to_owned();
        match self.0.close() {
            Err(error) if fs::exists(&path).unwrap_or(true) => {
                Err(Error::new(Code::Io, format!("{} cannot be removed: {error}", path.display()))
                    .hint(format!("rm -r {}", shell_word(&path.to_string_lossy()))))
            }
            _ => Ok(None),
        }
    }
}
