//! The directory in which a drill happens.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::model::error::{Code, Error, Result};
use crate::operation::own_directory::OwnDirectory;
use crate::postgres::Room;

const PREFIX: &str = "pgcairn-drill.";
const MODE: u32 = 0o700;

pub struct Place(OwnDirectory);

impl Place {
    pub fn make(scratch: &Path) -> Result<Place> {
        let cannot = |error: std::io::Error| {
            Error::new(Code::Refused, format!("no copy can be made in {}: {error}", scratch.display()))
                .hint("name a directory that this user may write to, with room for the cluster: --scratch DIR")
        };
        fs::metadata(scratch).map_err(cannot)?;
        let place = OwnDirectory::make(scratch, PREFIX).map(Place).map_err(cannot)?;
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
        self.0.close(keep)
    }
}
