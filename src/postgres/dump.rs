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

pub use archive::{Archive, ClientPrograms, Need};
pub use copy_out::CopyOut;
pub use databases::{DumpServer, DumpedDatabase};
pub use snapshot::{HeldSnapshot, LargeTable, Snapshot, Tables};

use std::time::Duration;

/// The most that a server's `lock_timeout` can be told: `INT_MAX` milliseconds, nearly 25 days.
pub const MAX_LOCK_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// How long programs wait for a lock. What they want is locked already; whoever came in between waits for us, and
/// everybody else who wants that table waits behind them.
const PROGRAM_WAIT: Duration = Duration::from_secs(10);

/// What every session and program of one dump has in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// How long each lock is waited for.
    pub lock_timeout: Duration,
    pub schema_only: bool,
}

impl Manner {
    fn program_wait(self) -> u128 {
        self.lock_timeout.min(PROGRAM_WAIT).as_millis()
    }
}
