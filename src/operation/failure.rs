//! Errors of the inner rooms as the user meets them: the fact, and the next command.

use std::fmt::Display;
use std::io::{self, ErrorKind};

use crate::codec::CodecError;
use crate::flow::caught::Panicked;
use crate::flow::inward::InwardError;
use crate::flow::part_writer::OutwardError;
use crate::model::control_file::InvalidControlFile;
use crate::model::error::{Code, Error};
use crate::model::interrupt::interrupted;
use crate::model::key::Key;
use crate::model::path::RelPath;
use crate::model::shell_word::shell_word;
use crate::sink::SinkError;
use crate::{source, store};

const CHECK: &str = "pgcairn check";
pub const OTHER_BACKUP: &str = "restore another backup: pgcairn list";
pub const NO_SPACE_TO_RESTORE: &str = "free space, or choose another --target-dir, and run it again";
pub const MOVE_AWAY: &str =
    "move the damaged object out of the repository; a server that has the file in pg_wal can archive it again";
/// A restore over damaged WAL is refused, and says what is the last moment before.
pub const LAST_MOMENT: &str = "recovery cannot pass it, the last moment before it is told by: pgcairn restore --target-dir DIR --to latest --plan";
const OTHER_FILE_SYSTEM: &str =
    "put the repository on another file system, such as ext4, XFS, ZFS or NFS: another url, then pgcairn init";
pub const OTHER_STORE: &str =
    "use a store that refuses to overwrite (If-None-Match), docs/providers.md: another url, then pgcairn init";
const CREDENTIALS: &str = "the access key needs PutObject, GetObject and ListBucket; credentials under [[repository]] says where it is: pgcairn check";
const IDENTITY_HINT: &str = "give the identity of one of the recipients: --identity FILE";

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        use store::Error as E;
        let message = error.to_string();
        match error {
            E::NotFound { .. } => Error::new(Code::NotFound, message),
            E::AlreadyExists { .. } => Error::new(Code::Conflict, message),
            E::Permission { ref place, .. } if is_s3(place) => Error::new(Code::Permission, message).hint(CREDENTIALS),
            E::NoSpace { ref place, .. } if is_s3(place) => {
                Error::new(Code::DiskSpace, message).hint("raise the quota of the bucket, or free space in it")
            }
            E::NotARepository { ref url, .. } if is_s3(url) => Error::new(Code::NotARepository, message)
                .hint("correct url in [[repository]] if it was made before, else make it: pgcairn init"),
            E::NotCreateOnly { ref url, .. } if is_s3(url) => Error::new(Code::Refused, message).hint(OTHER_STORE),
            E::OtherRegion { .. } => {
                Error::new(Code::ConfigValue, message).hint("set region under [[repository]] in the configuration")
            }
            E::Interrupted => interrupted(),
            E::OneOfSeveral { others, source, .. } => without_it(*source, message, &others),
            E::TooLarge { .. } => Error::new(Code::Refused, message)
                .hint("keep the WAL segments of this cluster in a local repository: file:///absolute/path"),
            E::Io { ref place, ref source, .. } if is_s3(place) && source.kind() == ErrorKind::Unsupported => {
                Error::new(Code::Refused, message).hint(OTHER_STORE)
            }
            E::Permission { .. } => Error::new(Code::Permission, message)
                .hint("the owner of the data directory must own the repository's directory: pgcairn check"),
            E::NoSpace { .. } => Error::new(Code::DiskSpace, message).hint("free space on the repository's disk"),
            E::Unreachable { .. } => Error::new(Code::Unreachable, message).hint(CHECK),
            E::NotARepository { .. } => Error::new(Code::NotARepository, message)
                .hint("mount its disk if it was made before, else make it: pgcairn init"),
            E::OtherRepository { .. } => Error::new(Code::NotARepository, message)
                .hint("mount the right disk, or correct [[repository]] id in the configuration"),
            E::TooNew { .. } => Error::new(Code::RepositoryTooNew, message).hint("install a newer pgcairn"),
            E::Marker { .. } => {
                Error::new(Code::Damaged, message).hint("put pgcairn.json back from a copy of the repository")
            }
            E::NotCreateOnly { .. } => Error::new(Code::Refused, message).hint(OTHER_FILE_SYSTEM),
            E::Url { .. } => Error::new(Code::ConfigValue, message),
            E::NoVersions { .. } => Error::new(Code::Refused, message).hint(
                "leave --oldest-versions out; whether earlier versions can be had is known to who runs the store",
            ),
            E::Name(_) | E::ReadOnly { .. } => Error::new(Code::Internal, message),
            E::Io { source, .. } if source.kind() == ErrorKind::Unsupported => {
                Error::new(Code::Refused, message).hint(OTHER_FILE_SYSTEM)
            }
            E::Io { .. } => Error::new(Code::Io, message).hint(CHECK),
        }
    }
}

/// One of several repositories fails, and to go on without it is for a person to decide.
fn without_it(source: store::Error, message: String, others: &[String]) -> Error {
    let error = Error::from(source);
    let others: Vec<String> = others.iter().map(|name| format!("--repository {name}")).collect();
    let hint = format!("{}; to read without it: {}", error.hint.as_deref().unwrap_or(CHECK), others.join(" or "));
    Error { message, hint: Some(hint), ..error }
}

fn is_s3(place: &str) -> bool {
    place.starts_with("s3://")
}

/// What could not be done with a file or directory of this host.
pub fn cannot(action: &str, what: impl Display, error: io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::PermissionDenied => Code::Permission,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Code::DiskSpace,
        _ => Code::Io,
    };
    Error::new(code, format!("cannot {action} {what}: {error}"))
}

/// An object of a backup that says something else than it should.
pub fn damaged(key: &Key, reason: impl Display) -> Error {
    Error::new(Code::Damaged, format!("{key} is damaged: {reason}")).hint(OTHER_BACKUP).about(key)
}

/// An object that could not be opened, by its key.
pub fn object(key: &Key, error: CodecError) -> Error {
    let ours = match error {
        CodecError::WrongIdentity => Error::new(
            Code::Identity,
            format!("{key} is not encrypted to the given identity, or its header is damaged"),
        )
        .hint(IDENTITY_HINT),
        CodecError::Swapped { .. } | CodecError::Damaged(_) => {
            Error::new(Code::Damaged, format!("{key}: {error}")).hint(OTHER_BACKUP)
        }
        CodecError::TooNew(_) => {
            Error::new(Code::RepositoryTooNew, format!("{key}: {error}")).hint("install a newer pgcairn")
        }
        CodecError::Io(error) => unreadable(key, &error),
        other => Error::from(other),
    };
    ours.about(key)
}

/// The same for WAL, which is no part of a backup: `hint` is the way out of damage.
pub fn wal_object(key: &Key, error: CodecError, hint: &str) -> Error {
    match object(key, error) {
        error if error.code == Code::Damaged => error.hint(hint),
        error => error,
    }
}

/// The store gave a beginning of the object and then failed.
pub fn unreadable(key: &Key, error: &io::Error) -> Error {
    Error::new(Code::Unreachable, format!("{key} cannot be read: {error}")).hint(CHECK).about(key)
}

impl From<CodecError> for Error {
    /// For errors that have no object: what is to be written.
    fn from(error: CodecError) -> Error {
        let code = match error {
            CodecError::NoRecipients => Code::NoRecipients,
            CodecError::TooManyRecipients { .. } | CodecError::Level { .. } => Code::ConfigValue,
            CodecError::Io(_) => Code::Io,
            _ => Code::Internal,
        };
        Error::new(code, error.to_string())
    }
}

impl From<source::Error> for Error {
    fn from(error: source::Error) -> Error {
        use source::Error as E;
        let ours = Error::new(code(&error), error.to_string());
        match &error {
            E::NotADataDirectory { .. } | E::NoDirectory { .. } => {
                ours.hint("set data_dir in the configuration to the directory that holds PG_VERSION")
            }
            E::EssentialLink { target, .. } => {
                ours.hint(format!("stop the server and move {target} into the data directory"))
            }
            E::TablespaceMissing { location, .. } => ours.hint(format!("ls -l {location}")),
            E::TooDeep { path, .. } => {
                let top = std::iter::successors(Some(path.clone()), RelPath::parent).last();
                let top = top.as_ref().unwrap_or(path);
                ours.hint(format!("PostgreSQL has no such directory: move {top} out of the data directory"))
            }
            E::ControlFile { reason: InvalidControlFile::Version(_) | InvalidControlFile::Catalog(_), .. } => ours
                .hint(
                    "set data_dir in the configuration to the data directory of the server, or install a newer pgcairn",
                ),
            E::ControlFile { path, .. } | E::ControlFileSize { path, .. } => {
                let data_dir = path.ancestors().nth(2).unwrap_or(path);
                ours.hint(format!("pg_controldata -D {}", shell_word(&data_dir.to_string_lossy())))
            }
            E::Io { source, path, .. } if source.kind() == ErrorKind::PermissionDenied => {
                ours.hint(format!("ls -ld {}", path.display()))
            }
            E::Io { .. } => ours.hint("the kernel's log says what the disk answers: dmesg | tail"),
            _ => ours,
        }
    }
}

fn code(error: &source::Error) -> Code {
    use source::Error as E;
    match error {
        E::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => Code::Permission,
        E::Io { .. } | E::ListingTooLarge { .. } => Code::Io,
        E::ControlFile { reason: InvalidControlFile::Version(_) | InvalidControlFile::Catalog(_), .. } => Code::Refused,
        E::ControlFile { .. } | E::ControlFileSize { .. } => Code::Damaged,
        E::NotADataDirectory { .. } | E::NoDirectory { .. } => Code::ConfigValue,
        E::EssentialLink { .. } | E::TablespaceMissing { .. } | E::TooDeep { .. } => Code::Refused,
        E::Path(_) => Code::Internal,
    }
}

impl From<SinkError> for Error {
    fn from(error: SinkError) -> Error {
        let ours = cannot(error.action, &error.path, error.source);
        match ours.code {
            Code::DiskSpace => ours.hint(NO_SPACE_TO_RESTORE),
            _ => ours,
        }
    }
}

impl From<Panicked> for Error {
    fn from(panicked: Panicked) -> Error {
        Error::new(Code::Internal, panicked.to_string()).hint("please report it, with what was said before")
    }
}

impl From<OutwardError> for Error {
    fn from(error: OutwardError) -> Error {
        match error {
            OutwardError::Codec(error) => error.into(),
            OutwardError::Store(error) => error.into(),
            OutwardError::Source(error) => error.into(),
            OutwardError::Refused(error) => *error,
            OutwardError::Interrupted => interrupted(),
            OutwardError::Panicked(panicked) => panicked.into(),
            other => Error::new(Code::Internal, other.to_string()),
        }
    }
}

impl From<InwardError> for Error {
    fn from(error: InwardError) -> Error {
        let message = error.to_string();
        let key = error.object().cloned();
        let damaged = |message| Error::new(Code::Damaged, message).hint(OTHER_BACKUP);
        let ours = match error {
            InwardError::Store(error) if error.is_not_found() => damaged(format!("{message}, and the backup needs it")),
            InwardError::Store(error) => error.into(),
            InwardError::Codec { key, source } => object(&key, source),
            InwardError::Sink(error) => error.into(),
            InwardError::Panicked(panicked) => panicked.into(),
            InwardError::Interrupted => interrupted(),
            _ => damaged(message),
        };
        match key {
            Some(key) => ours.about(&key),
            None => ours,
        }
    }
}
