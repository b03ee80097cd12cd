//! From when on something is wrong.

pub(super) const HOUR: u64 = 3600;
pub(super) const DAY: u64 = 24 * HOUR;

/// In seconds, as configured in `[status]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// How long WAL may wait for `archive_command`.
    pub wal_warning: u64,
    pub wal_critical: u64,
    /// How old the newest backup may be.
    pub backup: u64,
    /// And the newest dump, where dumps are configured.
    pub dump: u64,
    /// How old the last drill of a repository may be, and that of its dumps.
    pub drill: u64,
    /// In how long a repository may be full.
    pub full_warning: u64,
    pub full_critical: u64,
    /// How many bytes of WAL a replication slot may hold that nobody reads.
    pub slot: u64,
    /// How far behind a repository may be that is not required.
    pub behind: u64,
}

impl Default for Thresholds {
    /// For a backup and a dump every night and a drill every week.
    fn default() -> Thresholds {
        Thresholds {
            wal_warning: 5 * 60,
            wal_critical: HOUR,
            backup: 25 * HOUR,
            dump: 25 * HOUR,
            drill: 8 * DAY,
            full_warning: 7 * DAY,
            full_critical: DAY,
            slot: 1 << 30,
            behind: 25 * HOUR,
        }
    }
}
