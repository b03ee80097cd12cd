//! The directory in which everything of the demo lies.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::error::{Code, Error, Result};
use crate::operation::failure;
use crate::operation::own_directory::OwnDirectory;
use crate::postgres::{MAX_ROOM, Room};

const PREFIX: &str = "pgcairn-demo.";
/// Where `TMPDIR` is too deep for a socket below it, or has a name that a repository URL cannot hold.
const FALLBACK: &str = "/tmp";
/// Bytes below the temporary directory: our own directory, and the longest room in it.
const DEPTH: usize = 40;
/// Two data directories of about 130 MiB with their WAL, a repository, and as much again.
const NEEDED: u64 = 512 * 1024 * 1024;

pub struct Place(OwnDirectory);

impl Place {
    pub fn new() -> Result<Place> {
        let wanted = std::env::temp_dir();
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-".contains(b);
        let bytes = wanted.as_os_str().as_encoded_bytes();
        let usable = wanted.is_absolute() && bytes.len() + DEPTH <= MAX_ROOM && bytes.iter().all(plain);
        let make = |base: &Path| OwnDirectory::make(base, PREFIX);
        let made =
            if usable { make(&wanted).or_else(|_| make(Path::new(FALLBACK))) } else { make(Path::new(FALLBACK)) };
        let cannot = |error| Error::new(Code::Io, format!("no directory can be made in {FALLBACK}: {error}"));
        let place = made.map(Place).map_err(cannot)?;
        place.refuse_little_space()?;
        Ok(place)
    }

    fn refuse_little_space(&self) -> Result<()> {
        let base = self.path().parent().unwrap_or(self.path());
        let unknown = |error| failure::cannot("look at", base.display(), io::Error::from(error));
        let stat = rustix::fs::statvfs(base).map_err(unknown)?;
        let free = stat.f_bavail * stat.f_frsize;
        if free >= NEEDED {
            return Ok(());
        }
        let message = format!("the demo needs {NEEDED} bytes in {}, {free} are free", base.display());
        Err(Error::new(Code::DiskSpace, message).hint("free space, or name another directory: TMPDIR=DIR pgcairn demo"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The data directory that is lost in part.
    pub fn origin(&self) -> PathBuf {
        self.path().join("origin")
    }

    pub fn recovered(&self) -> PathBuf {
        self.path().join("recovered")
    }

    pub fn identity(&self) -> PathBuf {
        self.path().join("key.txt")
    }

    fn configuration(&self) -> PathBuf {
        self.path().join("demo.toml")
    }

    /// A new directory for what a server has beside its data.
    pub fn room(&self, name: &str) -> Result<Room> {
        Room::make(&self.path().join(name))
    }

    pub fn write_configuration(&self, recipient: &str, connection: &str) -> Result<PathBuf> {
        let text = |text: &str| toml::Value::from(text).to_string();
        let repository = format!("file://{}", self.path().join("repository").display());
        let lines = format!(
            "state_dir = {}\n[postgres]\ndata_dir = {}\nconnection = {}\n\n[encryption]\nrecipients = [{}]\n\n\
             [[repository]]\nname = \"local\"\nurl = {}\n",
            text(&self.path().join("state").to_string_lossy()),
            text(&self.origin().to_string_lossy()),
            text(connection),
            text(recipient),
            text(&repository)
        );
        let file = self.configuration();
        fs::write(&file, lines).map_err(|error| cannot_write(&file, &error))?;
        Ok(file)
    }

    /// Removes everything, or says where it stays.
    pub fn close(self, keep: bool) -> Result<Option<PathBuf>> {
        self.0.close(keep)
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::new(Code::Io, format!("{} cannot be written: {error}", path.display()))
}
