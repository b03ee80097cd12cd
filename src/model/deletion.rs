//! The objects that deletion works with: holds, what is condemned, run markers. An object in `trash/` is a commit
//! marker, byte for byte.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::key::{BackupId, Key};
use super::record::{self, InvalidRecord};

/// How long, by the store's clock, what nothing needs is spared.
pub const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A backup whose list of objects is older and that has no commit marker will get none: it was dropped, or its run died.
pub const COMMIT_OVERDUE: SignedDuration = SignedDuration::from_hours(1);

/// Between list and commit marker; a backup that took longer is given up.
pub const COMMIT_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// A backup that stored nothing for so long gives up: in twice the time expiry takes it for dead.
pub const LONGEST_SILENCE: SignedDuration = SignedDuration::from_secs(GRACE.as_secs() / 2);

/// The reason of the hold under which `undelete` works, and which it leaves.
pub const BROUGHT_BACK: &str = "brought back by undelete";

/// The reason of the hold under which `copy` relies on what an earlier one has left, and which it leaves.
pub const BEING_COPIED: &str = "being copied";

/// Between store and host; more than that is refused without `--yes`.
pub const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Longest reason of a hold, in bytes.
pub const MAX_REASON: usize = 255;

/// Largest hold.
pub const MAX_HOLD: usize = 4096;

/// Most keys that one object condemns; with [`MAX_CONDEMNED`] it bounds what is read at once.
pub const MAX_CONDEMNED_KEYS: usize = 16 * 1024;

/// Largest object that condemns others.
pub const MAX_CONDEMNED: usize = 8 * 1024 * 1024;

/// `holds/<id>.json`: a backup that expiry must keep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub format: u32,
    pub backup: BackupId,
    pub reason: String,
    pub created: Timestamp,
    /// It counts up to here, without it for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Hold {
    pub fn counts_at(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// `condemned/<time>-<random>.json`: objects that nothing needed when it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condemned {
    pub format: u32,
    pub keys: Vec<Key>,
}

/// `runs/<time>-<random>.json`: somebody is at work. Its time of storage is how the store's clock is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMarker {
    pub format: u32,
    pub command: String,
    pub started: Timestamp,
    pub pgcairn: String,
}

impl Hold {
    pub fn parse(bytes: &[u8], id: &BackupId) -> Result<Hold, InvalidRecord> {
        let hold: Hold = record::parse(bytes)?;
        if hold.backup == *id { Ok(hold) } else { Err(InvalidRecord::OtherBackup(hold.backup)) }
    }
}

impl Condemned {
    pub fn parse(bytes: &[u8]) -> Result<Condemned, InvalidRecord> {
        record::parse(bytes)
    }
}
