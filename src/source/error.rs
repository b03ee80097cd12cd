//! Why the data directory cannot be read as a whole. All of it is fatal: what a running server may do
//! to its files beneath us is not an error but a notice.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::control_file::{CONTROL_FILE_SIZE, InvalidControlFile};
use crate::model::path::{InvalidPath, RawPath, RelPath};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not a data directory: it has no {missing}", path.display())]
    NotADataDirectory { path: PathBuf, missing: &'static str },
    #[error("data directory {} cannot be opened: {source}", path.display())]
    NoDirectory { path: PathBuf, source: io::Error },
    #[error("{path} is a symbolic link to {target}, and only pg_wal and tablespaces may be links")]
    EssentialLink { path: RelPath, target: RawPath },
    #[error("{path} (tablespace at {location}) has no {version_directory}: is its file system mounted?")]
    TablespaceMissing { path: RelPath, location: RawPath, version_directory: String },
    #[error("{}: {reason}", path.display())]
    ControlFile { path: PathBuf, reason: InvalidControlFile },
    #[error("{} has {found} bytes and should have {CONTROL_FILE_SIZE}", path.display())]
    ControlFileSize { path: PathBuf, found: usize },
    #[error("{path} lies deeper than {limit} directories")]
    TooDeep { path: RelPath, limit: usize },
    #[error("{} has more names than fit into {limit} bytes", path.display())]
    ListingTooLarge { path: PathBuf, limit: u64 },
    #[error(transparent)]
    Path(#[from] InvalidPath),
}

impl Error {
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Error {
        Error::Io { action, path: path.as_ref().to_owned(), source: source.into() }
    }
}
