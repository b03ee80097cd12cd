//! The objects that deletion works with: holds, what is condemned, run markers. An object in `trash/` is a commit
//! marker, byte for byte.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::key::{BackupId, Key};

/// Version of these objects that this program writes, and the newest it reads.
pub const FORMAT: u32 = 1;

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

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDeletion {
    #[error("it is not readable: {0}")]
    Unreadable(String),
    #[error("it is of format {0}, this pgcairn reads up to {FORMAT}")]
    TooNew(u32),
    #[error("it belongs to backup {0}")]
    OtherBackup(BackupId),
}

/// One line of JSON.
pub fn to_line(value: &impl Serialize) -> Vec<u8> {
    // Strings, numbers and times alone: serialising them cannot fail.
    let mut bytes = serde_json::to_vec(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

impl Hold {
    pub fn parse(bytes: &[u8], id: &BackupId) -> Result<Hold, InvalidDeletion> {
        let hold: Hold = checked(bytes)?;
        if hold.backup == *id { Ok(hold) } else { Err(InvalidDeletion::OtherBackup(hold.backup)) }
    }
}

impl Condemned {
    pub fn parse(bytes: &[u8]) -> Result<Condemned, InvalidDeletion> {
        checked(bytes)
    }
}

/// The version first, so that a newer format is told from damage.
pub(super) fn checked<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, InvalidDeletion> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let unreadable = |e: serde_json::Error| InvalidDeletion::Unreadable(e.to_string());
    let version: Version = serde_json::from_slice(bytes).map_err(unreadable)?;
    if version.format > FORMAT {
        return Err(InvalidDeletion::TooNew(version.format));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}
