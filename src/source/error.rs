//! Why the data directory cannot be read as a whole. All of it is fatal: what a running server may do
//! to its files beneath us is not an error but a notice.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::control_file::{CONTROL_FILE_SIZE, InvalidControlFile};
use crate::model::error::{self, Code};
use crate::model::path::{InvalidPath, RawPath, RelPath};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not a data directory: it has no {missing}", path.display())]
    NotADataDirectory { path: PathBuf, missing: &'static str },
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

impl From<Error> for error::Error {
    fn from(error: Error) -> error::Error {
        let ours = error::Error::new(code(&error), error.to_string());
        match &error {
            Error::NotADataDirectory { .. } => {
                ours.hint("set data_dir in the configuration to the directory that holds PG_VERSION")
            }
            Error::EssentialLink { target, .. } => {
                ours.hint(format!("stop the server and move {target} into the data directory"))
            }
            Error::TablespaceMissing { location, .. } => ours.hint(format!("ls -l {location}")),
            Error::Io { source, path, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                ours.hint(format!("ls -ld {}", path.display()))
            }
            _ => ours,
        }
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Code::Permission,
        Error::Io { .. } | Error::ListingTooLarge { .. } => Code::Io,
        Error::ControlFile { reason: InvalidControlFile::Version(_) | InvalidControlFile::Catalog(_), .. } => {
            Code::Refused
        }
        Error::ControlFile { .. } | Error::ControlFileSize { .. } => Code::Damaged,
        Error::NotADataDirectory { .. } => Code::ConfigValue,
        Error::EssentialLink { .. } | Error::TablespaceMissing { .. } | Error::TooDeep { .. } => Code::Refused,
        Error::Path(_) => Code::Internal,
    }
}
