//! What the walk tells: entries to copy, and notices of what was tolerated.

use rustix::fs::Stat;

use crate::model::path::{RawPath, RelPath};
use crate::model::relation::RelationFile;

/// One step of the walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    Entry(Entry),
    Notice(Notice),
}

/// A directory or file that the copy must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: RelPath,
    pub kind: Kind,
    pub attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Directory,
    /// pg_tblspc/<oid>; what lies in the tablespace follows with paths below it.
    Tablespace(Tablespace),
    /// A file whose pages have headers and, where they are on, checksums.
    Relation(RelationFile),
    /// global/pg_control: the walk's last entry.
    ControlFile,
    /// Any other file, as it is.
    File,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tablespace {
    pub oid: u32,
    /// The link's own text, perhaps relative; `None` for an in-place tablespace (15+), a directory.
    pub link: Option<RawPath>,
    /// Absolute, all links resolved.
    pub location: RawPath,
}

/// Of a directory or file when the walk reached it. A file is read up to this size and no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    pub size: u64,
    /// Permission bits, 07777.
    pub mode: u32,
    /// Nanoseconds since 1970.
    pub mtime: i64,
}

impl Attributes {
    pub(super) fn of(stat: &Stat) -> Attributes {
        const NANOS: i64 = 1_000_000_000;
        Attributes {
            size: stat.st_size as u64,
            mode: stat.st_mode & 0o7777,
            mtime: stat.st_mtime.saturating_mul(NANOS).saturating_add(stat.st_mtime_nsec as i64),
        }
    }
}

/// Tolerated while the server runs, or left out with a warning; each is counted in the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Gone between the listing and the look at it: WAL replay knows of it.
    Vanished { path: RelPath },
    /// A link that PostgreSQL does not make: its target is not in the backup.
    LinkSkipped { path: RelPath, target: RawPath },
    /// A socket, FIFO or device.
    SpecialSkipped { path: RelPath },
    /// A link where a directory is expected whose contents are not copied (pg_wal): the copy gets a directory.
    LinkReplaced { path: RelPath, target: RawPath },
    /// This directory is a tablespace's location; what is in it follows under pg_tblspc.
    TablespaceInside { path: RelPath },
}
