//! A data directory: what lies in it and its tablespaces, and the files themselves.

mod control_file;
mod entry;
mod listing;
mod tablespace;
mod walk;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, statat};
use rustix::io::Errno;

pub use entry::{Attributes, Entry, Item, Kind, Notice, Tablespace};
pub use walk::Walk;

use super::error::{Error, Result};
use crate::model::control_file::ControlFile;
use crate::model::path::RelPath;

/// Without these a directory is no data directory.
const REQUIRED: [&str; 3] = ["PG_VERSION", "global", "base"];

const DIRECTORY_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// A file that became a FIFO must not make the open hang, nor may a link lead elsewhere.
const FILE_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The control file of the data directory at `path`.
pub fn read_control_file(path: &Path) -> Result<ControlFile> {
    let fd = open(path)?;
    control_file::read(&fd, path).map(|(control_file, _)| control_file)
}

fn open(path: &Path) -> Result<OwnedFd> {
    openat(CWD, path, DIRECTORY_FLAGS, Mode::empty()).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => Error::NoDirectory { path: path.to_owned(), source: error.into() },
        error => Error::io("open", path, error),
    })
}

/// An open data directory. All paths are relative to it; a tablespace's files are reached through
/// `pg_tblspc/<oid>`, as PostgreSQL itself reaches them.
#[derive(Debug)]
pub struct DataDirectory {
    fd: OwnedFd,
    path: PathBuf,
    control_file: ControlFile,
    version_directory: Vec<u8>,
}

impl DataDirectory {
    /// Reads pg_control too: version and catalog version name the part of a tablespace that is ours.
    pub fn open(path: &Path) -> Result<DataDirectory> {
        let fd = open(path)?;
        for missing in REQUIRED {
            match statat(&fd, missing, AtFlags::empty()) {
                Ok(_) => {}
                Err(Errno::NOENT) => return Err(Error::NotADataDirectory { path: path.to_owned(), missing }),
                Err(e) => return Err(Error::io("read", path.join(missing), e)),
            }
        }
        let (control_file, _) = control_file::read(&fd, path)?;
        let version_directory = control_file.version_directory().into_bytes();
        Ok(DataDirectory { fd, path: path.to_owned(), control_file, version_directory })
    }

    /// As it was when the directory was opened.
    pub fn control_file(&self) -> &ControlFile {
        &self.control_file
    }

    /// As it is now, and its bytes for the copy.
    pub fn read_control_file(&self) -> Result<(ControlFile, Vec<u8>)> {
        control_file::read(&self.fd, &self.path)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that a backup copies, one directory at a time, names in the order of their bytes.
    pub fn walk(&self) -> Result<Walk<'_>> {
        Walk::new(self)
    }

    /// The file for reading; `None` where it has vanished, or is a regular file no more.
    pub fn open_file(&self, path: &RelPath) -> Result<Option<File>> {
        let error = |e: io::Error| Error::io("open", self.absolute(path), e);
        let file = match openat(&self.fd, path.as_path(), FILE_FLAGS, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO) => return Ok(None),
            Err(e) => return Err(error(e.into())),
        };
        let is_file = file.metadata().map_err(error)?.is_file();
        Ok(is_file.then_some(file))
    }

    /// Where `path` lies, for messages.
    pub fn absolute(&self, path: &RelPath) -> PathBuf {
        self.path.join(path.as_path())
    }
}

#[cfg(test)]
mod tests;
