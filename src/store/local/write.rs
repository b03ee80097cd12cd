//! Creating objects: temporary file, write, sync, link, sync of every directory up to the root.
//!
//! A crash at any point leaves the object absent or complete. What it can leave besides is a temporary
//! file, which no reader sees and a later writer removes.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::{self, AtFlags, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::readers::{is_shared, make_readable};
use super::{DIRECTORY_MODE, LocalBackend, OPEN_DIRECTORY};
use crate::model::key::Key;
use crate::store::backend::ReadSeek;
use crate::store::error::{Error, Result};

/// What names of temporary files begin with; no key may have such a part.
pub const TEMPORARY: &str = ".pgcairn-tmp-";

/// A temporary file of this age has lost its writer.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP);
const CREATE_FILE: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);

/// Bytes per write.
const WRITE_SIZE: usize = 256 << 10;

impl LocalBackend {
    pub(super) fn create_file(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        if key.as_str().split('/').any(|part| part.starts_with(TEMPORARY)) {
            return Err(Error::Name(key.to_string()));
        }
        self.check_root()?;
        let (directory, name) = key.as_str().rsplit_once('/').unwrap_or(("", key.as_str()));
        let failed = |action, name, error| Error::from_os(action, self.place(name), error);
        let parent = self.make_directory(directory).map_err(|e| failed("cannot create", directory, e))?;
        let temporary = Temporary::new(&parent).map_err(|e| failed("cannot create", key.as_str(), e))?;
        temporary.fill(body).map_err(|e| failed("cannot write", key.as_str(), e))?;
        temporary.publish(name).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::AlreadyExists { key: key.clone() },
            _ => failed("cannot create", key.as_str(), e),
        })?;
        // Before the directory is synced, so that one sync makes both names durable.
        drop(temporary);
        self.sync_directories(directory)?;
        self.sweep(&parent, name);
        Ok(())
    }

    pub(super) fn persist_file(&self, key: &Key) -> Result<()> {
        let (file, _) = self.open_file(key)?;
        file.sync_all().map_err(|e| self.error("cannot sync", key, e))?;
        let directory = key.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
        self.sync_directories(directory)
    }

    pub(super) fn delete_file(&self, key: &Key) -> Result<()> {
        let delete = || -> io::Result<()> {
            fs::unlinkat(&self.root, key.as_str(), AtFlags::empty())?;
            let directory = key.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
            Ok(fs::fsync(self.open_directory(directory)?)?)
        };
        delete().map_err(|e| self.error("cannot delete", key, e))
    }

    /// The path must still lead to the root that was opened: a root moved away or covered by another
    /// mount would take writes that nobody finds again.
    fn check_root(&self) -> Result<()> {
        let missing = |reason| Error::NotARepository { url: self.url.clone(), reason };
        let failed = |e: Errno| match e {
            Errno::NOENT | Errno::NOTDIR => missing("the directory does not exist any more"),
            other => Error::from_os("cannot open", self.url.clone(), other.into()),
        };
        let now = fs::stat(&self.path).map_err(failed)?;
        let opened = fs::fstat(&self.root).map_err(failed)?;
        let same = (now.st_dev, now.st_ino) == (opened.st_dev, opened.st_ino);
        if same { Ok(()) } else { Err(missing("another directory has taken its place since it was opened")) }
    }

    fn open_directory(&self, directory: &str) -> io::Result<OwnedFd> {
        let path = if directory.is_empty() { "." } else { directory };
        Ok(fs::openat(&self.root, path, OPEN_DIRECTORY, Mode::empty())?)
    }

    /// Opens a directory, creating what is missing of it. The root is never created here.
    pub(super) fn make_directory(&self, directory: &str) -> io::Result<OwnedFd> {
        match self.open_directory(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        for end in directory.match_indices('/').map(|(at, _)| at).chain([directory.len()]) {
            match fs::mkdirat(&self.root, &directory[..end], DIRECTORY_MODE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.open_directory(directory)
    }

    /// Syncs a directory and all above it up to the root. All of them every time: another writer may
    /// have created one a moment ago and not have synced its parent yet.
    pub(super) fn sync_directories(&self, directory: &str) -> Result<()> {
        let mut rest = directory;
        let sync = |name: &str| self.open_directory(name).and_then(|opened| Ok(fs::fsync(opened)?));
        loop {
            sync(rest).map_err(|e| Error::from_os("cannot sync", self.place(rest), e))?;
            if rest.is_empty() {
                return Ok(());
            }
            rest = rest.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }

    /// Removes what killed writers left in a directory, once per backend. It is only tidying: failures
    /// are left to the next writer. `written` tells the time by the clock of the file system, which may be another than
    /// ours: a writer that is at work must not lose its file.
    fn sweep(&self, directory: &OwnedFd, written: &str) {
        if self.swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let Ok(now) = fs::statat(directory, written, AtFlags::SYMLINK_NOFOLLOW).map(|stat| stat.st_mtime) else {
            return;
        };
        let Ok(entries) = Dir::read_from(directory) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            if name.to_bytes().starts_with(TEMPORARY.as_bytes()) && is_stale(directory, name, now) {
                let _ = fs::unlinkat(directory, name, AtFlags::empty());
            }
        }
    }
}

fn is_stale(directory: &OwnedFd, name: &std::ffi::CStr, now: i64) -> bool {
    let Ok(stat) = fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
    now.saturating_sub(stat.st_mtime) > STALE.as_secs() as i64
}

/// An object under construction, in the directory where it will lie. Dropped, its name is gone.
struct Temporary<'a> {
    directory: &'a OwnedFd,
    name: String,
    file: File,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // What cannot be removed now is stale tomorrow.
        let _ = fs::unlinkat(self.directory, &self.name, AtFlags::empty());
    }
}

impl Temporary<'_> {
    fn new(directory: &OwnedFd) -> io::Result<Temporary<'_>> {
        let name = format!("{TEMPORARY}{:016x}", rand::random::<u64>());
        let file = File::from(fs::openat(directory, &name, CREATE_FILE, FILE_MODE)?);
        let temporary = Temporary { directory, name, file };
        if is_shared(directory)? {
            make_readable(&temporary.file)?;
        }
        Ok(temporary)
    }

    /// Writes all of `body`, durably.
    fn fill(&self, body: &mut dyn ReadSeek) -> io::Result<()> {
        let mut buffer = vec![0; WRITE_SIZE];
        loop {
            match body.read(&mut buffer) {
                Ok(0) => return self.file.sync_all(),
                Ok(read) => (&self.file).write_all(&buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives the file its name, unless there is one of that name.
    fn publish(&self, name: &str) -> io::Result<()> {
        match fs::linkat(self.directory, &self.name, self.directory, name, AtFlags::empty()) {
            // Over NFS a repeated request can meet the link that its lost first answer made.
            Err(Errno::EXIST) if self.is_named(name) => Ok(()),
            // A file system without hard links.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK) => self.rename(name),
            linked => Ok(linked?),
        }
    }

    fn rename(&self, name: &str) -> io::Result<()> {
        match fs::renameat_with(self.directory, &self.name, self.directory, name, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the file system has neither hard links nor RENAME_NOREPLACE, so it cannot create without overwriting",
            )),
            renamed => Ok(renamed?),
        }
    }

    fn is_named(&self, name: &str) -> bool {
        let Ok(named) = fs::statat(self.directory, name, AtFlags::SYMLINK_NOFOLLOW) else { return false };
        self.file.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (named.st_dev, named.st_ino))
    }
}
