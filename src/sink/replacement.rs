//! A file that takes its place as a whole: written beside it, then renamed. Whoever looks sees what was there before
//! or all of what is there now.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::SinkError;
use super::error::error;

const SUFFIX: &str = ".pgcairn";

/// Modes of new files: what the umask leaves, or readable by the owner alone.
pub const BY_UMASK: u32 = 0o666;
pub const PRIVATE: u32 = 0o600;

/// Who sees to it that a file outlives a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The file and its name are durable before it is said to be in place.
    Now,
    /// Whoever the file is for syncs it.
    Later,
}

/// A file under construction; removed again unless it is put in place.
#[derive(Debug)]
pub struct Replacement {
    to: PathBuf,
    temporary: PathBuf,
    file: File,
    in_place: bool,
}

impl Replacement {
    /// Begins the file that will lie at `to`. What an earlier attempt left beside it goes, by name only: a writer that
    /// outlived whoever started it must not write into ours.
    pub fn begin(to: &Path, mode: u32) -> Result<Replacement, SinkError> {
        let mut temporary = to.as_os_str().to_owned();
        temporary.push(SUFFIX);
        let temporary = PathBuf::from(temporary);
        match fs::remove_file(&temporary) {
            Err(left) if left.kind() != io::ErrorKind::NotFound => {
                return Err(error("remove", &temporary.display(), left));
            }
            _ => {}
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary);
        let file = opened.map_err(|e| error("create", &temporary.display(), e))?;
        Ok(Replacement { to: to.to_owned(), temporary, file, in_place: false })
    }

    /// Whatever the umask is.
    pub fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(fs::Permissions::from_mode(mode))
    }

    /// Where it is written, for a program that writes it for us.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Takes its place unless something is there: then that stays.
    pub fn finish_new(self) -> Result<(), SinkError> {
        self.file.sync_all().map_err(|e| error("sync", &self.temporary.display(), e))?;
        self.is_still_ours().map_err(|e| error("link", &self.temporary.display(), e))?;
        fs::hard_link(&self.temporary, &self.to).map_err(|e| error("create", &self.to.display(), e))?;
        let directory = self.to.parent().unwrap_or(&self.to).to_owned();
        drop(self);
        sync_directory(&directory).map_err(|e| error("sync", &directory.display(), e))
    }

    pub fn finish(mut self, durability: Durability) -> Result<(), SinkError> {
        let sync = durability == Durability::Now;
        if sync {
            self.file.sync_all().map_err(|e| error("sync", &self.temporary.display(), e))?;
        }
        self.is_still_ours().map_err(|e| error("rename", &self.temporary.display(), e))?;
        fs::rename(&self.temporary, &self.to).map_err(|e| error("rename", &self.temporary.display(), e))?;
        self.in_place = true;
        match self.to.parent().filter(|_| sync) {
            Some(directory) => sync_directory(directory).map_err(|e| error("sync", &directory.display(), e)),
            None => Ok(()),
        }
    }

    /// Another writer has begun the same file where the name leads to another.
    fn is_still_ours(&self) -> io::Result<()> {
        let (named, own) = (fs::symlink_metadata(&self.temporary)?, self.file.metadata()?);
        match (named.dev(), named.ino()) == (own.dev(), own.ino()) {
            true => Ok(()),
            false => Err(io::Error::other("another process writes it too")),
        }
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.in_place {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Writes the whole file.
pub fn replace(path: &Path, content: &[u8], mode: u32, durability: Durability) -> Result<(), SinkError> {
    let mut file = Replacement::begin(path, mode)?;
    file.write_all(content).map_err(|e| error("write", &path.display(), e))?;
    file.finish(durability)
}

/// The names in a directory are durable when it returns.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let named = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(named)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_until_all_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "before").unwrap();
        let mut given_up = Replacement::begin(&path, BY_UMASK).unwrap();
        given_up.write_all(b"half").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before");
        drop(given_up);
        replace(&path, b"after", PRIVATE, Durability::Now).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_not_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for (content, is_done) in [(&b"first"[..], true), (b"second", false)] {
            let mut file = Replacement::begin(&path, PRIVATE).unwrap();
            file.write_all(content).unwrap();
            assert_eq!(file.finish_new().is_ok(), is_done);
            assert_eq!(fs::read(&path).unwrap(), b"first");
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, PRIVATE);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    /// A `wal fetch` whose server died goes on while the next server's fetches another segment to the same path.
    #[test]
    fn of_two_writers_the_later_one_is_delivered() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("RECOVERYXLOG");
        let mut left_over = Replacement::begin(&path, BY_UMASK).unwrap();
        left_over.write_all(b"before ").unwrap();
        let mut ours = Replacement::begin(&path, BY_UMASK).unwrap();
        ours.write_all(b"our segment").unwrap();
        left_over.write_all(b"another").unwrap();
        ours.finish(Durability::Later).unwrap();
        assert!(left_over.finish(Durability::Later).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"our segment");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_two_writers_the_earlier_one_spoils_both_rather_than_either() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("RECOVERYXLOG");
        let mut left_over = Replacement::begin(&path, BY_UMASK).unwrap();
        let ours = Replacement::begin(&path, BY_UMASK).unwrap();
        left_over.write_all(b"another").unwrap();
        assert!(left_over.finish(Durability::Later).is_err());
        assert!(ours.finish(Durability::Later).is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
