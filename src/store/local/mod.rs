//! A directory of this machine. Our own, because durability needs what general stores hide: every
//! directory above an object is synced by the call that acknowledges it, an existing object can be made
//! durable, and a killed writer leaves nothing that looks like an object.
//!
//! Everything is opened beneath one descriptor of the root: a file system that is unmounted meanwhile
//! cannot redirect a write to the directory below its mount point.

mod list;
mod readers;
mod write;

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use jiff::Timestamp;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;

use super::backend::{Backend, Entry, ReadSeek, Space, Stat};
use super::error::{Error, Result};
use crate::model::key::Key;

pub use write::TEMPORARY;

const DIRECTORY_MODE: Mode = Mode::RWXU.union(Mode::RGRP).union(Mode::XGRP);
const OPEN_DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Something else than a file, such as a FIFO, must not make the reader wait.
const OPEN_FILE: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

#[derive(Debug)]
pub struct LocalBackend {
    url: String,
    path: PathBuf,
    root: OwnedFd,
    /// Whether left temporary files were already looked for.
    swept: AtomicBool,
}

impl LocalBackend {
    /// Opens a root that exists.
    pub fn open(path: &Path) -> Result<LocalBackend> {
        let url = format!("file://{}", path.display());
        match fs::open(path, OPEN_DIRECTORY, Mode::empty()) {
            Ok(root) => Ok(LocalBackend { url, path: path.to_owned(), root, swept: AtomicBool::new(false) }),
            Err(Errno::NOENT) => Err(Error::NotARepository { url, reason: "the directory does not exist" }),
            Err(Errno::NOTDIR) => Err(Error::NotARepository { url, reason: "it is not a directory" }),
            Err(error) => Err(Error::from_os("cannot open", url, error.into())),
        }
    }

    /// Creates the root and what is missing above it, durably, and opens it. For `init` alone.
    pub fn create_root(path: &Path) -> Result<LocalBackend> {
        let missing: Vec<&Path> = path.ancestors().take_while(|dir| !dir.exists()).collect();
        for dir in missing.into_iter().rev() {
            let failed =
                |error: Errno| Error::from_os("cannot create", format!("file://{}", dir.display()), error.into());
            match fs::mkdir(dir, DIRECTORY_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(failed(error)),
            }
            let parent = dir.parent().unwrap_or(dir);
            let parent = fs::open(parent, OPEN_DIRECTORY, Mode::empty()).map_err(failed)?;
            fs::fsync(parent).map_err(failed)?;
        }
        LocalBackend::open(path)
    }

    fn place(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }

    /// The error of an operation on one object.
    fn error(&self, action: &'static str, key: &Key, error: io::Error) -> Error {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Error::NotFound { key: key.clone() },
            Some(Errno::EXIST) => Error::AlreadyExists { key: key.clone() },
            _ => Error::from_os(action, self.place(key.as_str()), error),
        }
    }

    fn open_file(&self, key: &Key) -> Result<(File, std::fs::Metadata)> {
        let open = || -> io::Result<_> {
            let file = File::from(fs::openat(&self.root, key.as_str(), OPEN_FILE, Mode::empty())?);
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        let (file, metadata) = open().map_err(|e| self.error("cannot open", key, e))?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(Error::NotFound { key: key.clone() }) }
    }
}

impl Backend for LocalBackend {
    fn url(&self) -> &str {
        &self.url
    }

    fn get(&self, key: &Key) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.open_file(key)?.0))
    }

    fn get_range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        let (file, metadata) = self.open_file(key)?;
        let end = range.end.min(metadata.size());
        let mut part = vec![0; end.saturating_sub(range.start) as usize];
        let read = file.read_exact_at(&mut part, range.start);
        read.map_err(|e| self.error("cannot read", key, e)).map(|()| part)
    }

    fn open(&self, key: &Key) -> Result<Box<dyn ReadSeek + Send>> {
        Ok(Box::new(self.open_file(key)?.0))
    }

    fn stat(&self, key: &Key) -> Result<Stat> {
        let (_, metadata) = self.open_file(key)?;
        Ok(Stat { size: metadata.size(), modified: timestamp(metadata.mtime(), metadata.mtime_nsec()) })
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>> {
        self.list_files(prefix)
    }

    fn children(&self, directory: &str) -> Result<Vec<String>> {
        self.list_children(directory)
    }

    fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        self.create_file(key, body)
    }

    fn persist(&self, key: &Key) -> Result<()> {
        self.persist_file(key)
    }

    fn delete(&self, key: &Key) -> Result<()> {
        self.delete_file(key)
    }

    fn open_to_readers(&self, directory: &str) -> Result<bool> {
        self.share(directory.trim_end_matches('/'))
    }

    fn space(&self) -> Result<Option<Space>> {
        let stat =
            fs::fstatvfs(&self.root).map_err(|e| Error::from_os("cannot look at", self.url.clone(), e.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        Ok(Some(Space { free: bytes(stat.f_bavail), total: bytes(stat.f_blocks) }))
    }
}

/// A time beyond year 9999 is a broken clock's and counts as the latest there is.
fn timestamp(seconds: i64, nanoseconds: i64) -> Timestamp {
    Timestamp::new(seconds, nanoseconds as i32).unwrap_or(Timestamp::MAX)
}
