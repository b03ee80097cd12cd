//! A WAL file on its way to where PostgreSQL wants it: written beside, verified, renamed. PostgreSQL
//! itself makes it durable (`KeepFileRestoredFromArchive`), so nothing is synced here.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::SinkError;

const SUFFIX: &str = ".pgcairn";

/// A file under construction; removed again unless it is delivered.
#[derive(Debug)]
pub struct WalFile {
    to: PathBuf,
    temporary: PathBuf,
    file: File,
    delivered: bool,
}

/// Begins the file that will lie at `to`. What an earlier attempt left beside it is overwritten.
pub fn begin(to: &Path) -> Result<WalFile, SinkError> {
    let mut temporary = to.as_os_str().to_owned();
    temporary.push(SUFFIX);
    let temporary = PathBuf::from(temporary);
    let opened = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary);
    let file = opened.map_err(|source| error("create", &temporary, source))?;
    Ok(WalFile { to: to.to_owned(), temporary, file, delivered: false })
}

impl WalFile {
    pub fn deliver(mut self) -> Result<(), SinkError> {
        std::fs::rename(&self.temporary, &self.to).map_err(|source| error("rename", &self.temporary, source))?;
        self.delivered = true;
        Ok(())
    }
}

impl Write for WalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for WalFile {
    fn drop(&mut self) {
        if !self.delivered {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

fn error(action: &'static str, path: &Path, source: io::Error) -> SinkError {
    SinkError { action, path: path.display().to_string(), source }
}
