//! A directory of our own for one run, which is taken away again.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;

const MODE: u32 = 0o700;

/// Removed when it is dropped.
pub struct OwnDirectory(TempDir);

impl OwnDirectory {
    /// Readable by nobody else: keys or a whole cluster as plain text will lie here.
    pub fn make(base: &Path, prefix: &str) -> io::Result<OwnDirectory> {
        let private = Permissions::from_mode(MODE);
        tempfile::Builder::new().prefix(prefix).permissions(private).tempdir_in(base).map(OwnDirectory)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes everything, or says where it stays.
    pub fn close(self, keep: bool) -> Result<Option<PathBuf>> {
        if keep {
            return Ok(Some(self.0.keep()));
        }
        let path = self.path().to_owned();
        match self.0.close() {
            Err(error) if fs::exists(&path).unwrap_or(true) => {
                Err(Error::new(Code::Io, format!("{} cannot be removed: {error}", path.display()))
                    .hint(format!("rm -r {}", shell_word(&path.to_string_lossy()))))
            }
            _ => Ok(None),
        }
    }
}
