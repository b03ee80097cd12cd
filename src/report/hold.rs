//! What `hold`, `release` and `undelete` came to.

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::utc_and_local;
use crate::model::key::BackupId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub repository: String,
    pub id: BackupId,
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many objects the store itself holds, where objects are locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locked: Option<usize>,
    pub next: String,
}

impl Report for Held {
    const NAME: &'static str = "hold";

    fn human(&self) -> String {
        let until = self.until.map_or("released".to_owned(), utc_and_local);
        let locked = self.locked.map(|number| format!("legal holds are on its {number} objects\n")).unwrap_or_default();
        format!("backup {} is held until {until}: {}\n{locked}", self.id, self.reason)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Released {
    pub repository: String,
    pub id: BackupId,
    /// For which it was held.
    pub reason: String,
    pub next: String,
}

impl Report for Released {
    const NAME: &'static str = "release";

    fn human(&self) -> String {
        format!("backup {} is held no more (it was: {})\n", self.id, self.reason)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undeleted {
    pub repository: String,
    pub id: BackupId,
    pub stopped: Timestamp,
    /// Up to then expiry keeps it; for ever where it was held already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
    pub next: String,
}

impl Report for Undeleted {
    const NAME: &'static str = "undelete";

    fn human(&self) -> String {
        let usable = utc_and_local(self.stopped);
        let until = self.held_until.map_or("released".to_owned(), utc_and_local);
        format!("backup {} is back, usable from {usable}\nit is held until {until}\n", self.id)
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }
}
