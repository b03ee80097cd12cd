//! What can be wrong. The words are said in `report`.

use super::{Behind, Damage, Slot, WalMissing};

/// Ages are in seconds.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    ServerUnreachable,
    ServerUnknown,
    WalWaits {
        files: u64,
        seconds: u64,
    },
    ArchivingOff,
    ArchiverFails {
        segment: String,
    },
    SlotHoldsWal(Slot),
    RunFailed {
        /// As it was called.
        command: String,
    },
    NoBackup,
    BackupOld {
        seconds: u64,
    },
    NoDump,
    DumpOld {
        seconds: u64,
    },
    Unanswered,
    Unreadable {
        message: String,
    },
    OtherCluster,
    BackupsUnreadable {
        backups: u64,
    },
    BackupsUntrusted {
        backups: u64,
    },
    DumpsUnreadable {
        dumps: u64,
    },
    PagesFlagged {
        pages: u64,
    },
    NothingRestorable,
    HoleInWal,
    /// After the newest backup, for so long.
    HoleAfterBackup {
        seconds: u64,
    },
    WalMissing(WalMissing),
    TimelinesUnreadable {
        timelines: u64,
    },
    WindowShort {
        seconds: u64,
        promised: u64,
    },
    NothingStored,
    FullSoon {
        days: u64,
    },
    Behind(Behind),
    VerifyFailed(Damage),
    DrillFailed {
        seconds: u64,
    },
    DrillOld {
        seconds: u64,
    },
    DrillNever,
    DumpDrillFailed {
        seconds: u64,
    },
    DumpDrillOld {
        seconds: u64,
    },
    DumpDrillNever,
    KeyNeverChecked {
        /// Of a repository to check it with.
        url: String,
    },
    SheetNeverMade,
    SheetOutdated,
}

/// Every [`Reason::name`].
pub const NAMES: [&str; 37] = [
    "server-unreachable",
    "server-unknown",
    "wal-waits",
    "archiving-off",
    "archiver-fails",
    "slot-holds-wal",
    "run-failed",
    "no-backup",
    "backup-old",
    "no-dump",
    "dump-old",
    "unanswered",
    "unreadable",
    "other-cluster",
    "backups-unreadable",
    "backups-untrusted",
    "dumps-unreadable",
    "pages-flagged",
    "nothing-restorable",
    "hole-in-wal",
    "hole-after-backup",
    "wal-missing",
    "timelines-unreadable",
    "window-short",
    "nothing-stored",
    "full-soon",
    "behind",
    "verify-failed",
    "drill-failed",
    "drill-old",
    "drill-never",
    "dump-drill-failed",
    "dump-drill-old",
    "dump-drill-never",
    "key-never-checked",
    "sheet-never-made",
    "sheet-outdated",
];

impl Reason {
    /// Stable: programs go by it.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::ServerUnreachable => "server-unreachable",
            Reason::ServerUnknown => "server-unknown",
            Reason::WalWaits { .. } => "wal-waits",
            Reason::ArchivingOff => "archiving-off",
            Reason::ArchiverFails { .. } => "archiver-fails",
            Reason::SlotHoldsWal(_) => "slot-holds-wal",
            Reason::RunFailed { .. } => "run-failed",
            Reason::NoBackup => "no-backup",
            Reason::BackupOld { .. } => "backup-old",
            Reason::NoDump => "no-dump",
            Reason::DumpOld { .. } => "dump-old",
            Reason::Unanswered => "unanswered",
            Reason::Unreadable { .. } => "unreadable",
            Reason::OtherCluster => "other-cluster",
            Reason::BackupsUnreadable { .. } => "backups-unreadable",
            Reason::BackupsUntrusted { .. } => "backups-untrusted",
            Reason::DumpsUnreadable { .. } => "dumps-unreadable",
            Reason::PagesFlagged { .. } => "pages-flagged",
            Reason::NothingRestorable => "nothing-restorable",
            Reason::HoleInWal => "hole-in-wal",
            Reason::HoleAfterBackup { .. } => "hole-after-backup",
            Reason::WalMissing(_) => "wal-missing",
            Reason::TimelinesUnreadable { .. } => "timelines-unreadable",
            Reason::WindowShort { .. } => "window-short",
            Reason::NothingStored => "nothing-stored",
            Reason::FullSoon { .. } => "full-soon",
            Reason::Behind(_) => "behind",
            Reason::VerifyFailed(_) => "verify-failed",
            Reason::DrillFailed { .. } => "drill-failed",
            Reason::DrillOld { .. } => "drill-old",
            Reason::DrillNever => "drill-never",
            Reason::DumpDrillFailed { .. } => "dump-drill-failed",
            Reason::DumpDrillOld { .. } => "dump-drill-old",
            Reason::DumpDrillNever => "dump-drill-never",
            Reason::KeyNeverChecked { .. } => "key-never-checked",
            Reason::SheetNeverMade => "sheet-never-made",
            Reason::SheetOutdated => "sheet-outdated",
        }
    }

    /// Nothing has broken: the set-up is not complete yet.
    pub fn is_advice(&self) -> bool {
        use Reason::{DrillNever, DumpDrillNever, KeyNeverChecked, SheetNeverMade, SheetOutdated};
        matches!(self, DrillNever | DumpDrillNever | KeyNeverChecked { .. } | SheetNeverMade | SheetOutdated)
    }
}
