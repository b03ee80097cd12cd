//! What a store can answer other than yes.

use std::io;

use rustix::io::Errno;

use crate::model::key::Key;

pub type Result<T> = std::result::Result<T, Error>;

/// `action` says what was tried, `place` is the repository's URL or that of an object in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From a [`super::Reader`] this is proven: the repository's marker was read after the miss.
    #[error("{key} does not exist")]
    NotFound { key: Key },
    #[error("{key} exists")]
    AlreadyExists { key: Key },
    #[error("{action} {place}: {source}")]
    Permission { action: &'static str, place: String, source: io::Error },
    #[error("{action} {place}: {source}")]
    NoSpace { action: &'static str, place: String, source: io::Error },
    #[error("{action} {place}: {source}")]
    Unreachable { action: &'static str, place: String, source: io::Error },
    /// The marker or the whole root is missing: never created, or not mounted.
    #[error("{url} is not a repository: {reason}")]
    NotARepository { url: String, reason: &'static str },
    #[error("{url} is repository {found}, not {expected}")]
    OtherRepository { url: String, expected: String, found: String },
    #[error("{url} needs a reader of format {found}, this pgcairn reads up to {supported}")]
    TooNew { url: String, found: u32, supported: u32 },
    #[error("the marker of {url} is not readable: {reason}")]
    Marker { url: String, reason: String },
    #[error("{url} let {winners} of {of} concurrent writers create the same object")]
    NotCreateOnly { url: String, winners: usize, of: usize },
    #[error("{url} is in another region than the one that was asked")]
    OtherRegion { url: String },
    #[error("{place} would be larger than the {limit} bytes that this store takes at once")]
    TooLarge { place: String, limit: u64 },
    #[error("the versions of objects in {url} cannot be listed: {reason}")]
    NoVersions { url: String, reason: String },
    #[error("{url} is read in its oldest versions, and not written")]
    ReadOnly { url: String },
    /// Of what is read as one; `others` have answered.
    #[error("repository {name}: {source}")]
    OneOfSeveral { name: String, others: Vec<String>, source: Box<Error> },
    #[error("interrupted by a signal")]
    Interrupted,
    #[error("\"{url}\" is not a repository URL: {reason}")]
    Url { url: String, reason: String },
    #[error("\"{0}\" cannot be the name of an object here")]
    Name(String),
    #[error("{action} {place}: {source}")]
    Io { action: &'static str, place: String, source: io::Error },
}

impl Error {
    /// Sorts an error of the operating system by what a caller can do about it.
    pub(super) fn from_os(action: &'static str, place: String, source: io::Error) -> Error {
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Error::Permission { action, place, source },
            Some(Errno::NOSPC | Errno::DQUOT) => Error::NoSpace { action, place, source },
            Some(
                Errno::IO
                | Errno::STALE
                | Errno::NOTCONN
                | Errno::TIMEDOUT
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::REMOTEIO
                | Errno::NODEV
                | Errno::NXIO
                | Errno::CONNREFUSED
                | Errno::CONNABORTED,
            ) => Error::Unreachable { action, place, source },
            _ => Error::Io { action, place, source },
        }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound { .. })
    }
}
