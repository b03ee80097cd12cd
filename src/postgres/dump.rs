//! What a logical dump takes out of a live server: everything of one database under one snapshot.
//!
//! A table is locked before the snapshot is taken, so what empties or rewrites it without regard to snapshots, such as
//! TRUNCATE, comes before or after all of the dump. `LOCK` takes no snapshot itself (`analyze_requires_snapshot` in
//! PostgreSQL's analyze.c), so one transaction can do both.

mod archive;
mod copy_out;
mod databases;
pub mod said;
mod snapshot;

pub use archive::{Archive, ClientPrograms};
pub use copy_out::CopyOut;
pub use databases::{DumpServer, DumpedDatabase};
pub use snapshot::{HeldSnapshot, LargeTable, Snapshot, Tables};

use std::time::Duration;

/// What every session and program of one dump has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// How long a lock is waited for.
    pub lock_timeout: Duration,
    pub schema_only: bool,
}
