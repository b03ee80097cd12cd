//! How much expiry frees while backups go on being made as they were lately.

use std::time::Duration;

use super::{Input, Plan};
use crate::model::catalog::Summary;
use crate::model::key::BackupId;

impl Plan {
    /// Stored bytes of what is there now and will be dropped within `by`. The backups of the last `by` are taken to be
    /// made once more, so that those which they replace are seen to go.
    pub fn freed_within(input: &Input<'_>, by: Duration) -> u64 {
        let Ok(now) = input.now.checked_add(by) else { return 0 };
        let lately = input.now.checked_sub(by).unwrap_or(input.now);
        let again = input.backups.iter().filter(|backup| backup.stopped > lately).filter_map(|b| again(b, by));
        let backups: Vec<Summary> = input.backups.iter().cloned().chain(again).collect();
        let plan = Plan::new(&Input { backups: &backups, now, ..*input });
        let dropped: Vec<&BackupId> = plan.dropped().collect();
        let gone = input.backups.iter().filter(|backup| dropped.contains(&&backup.id));
        let backups: u64 = gone.map(|backup| backup.totals.stored_bytes).sum();
        backups + plan.unneeded_wal.iter().map(|object| object.size).sum::<u64>()
    }
}

/// The same backup, later: with the same WAL, so that it is as complete.
fn again(backup: &Summary, by: Duration) -> Option<Summary> {
    let (started, stopped) = (backup.started.checked_add(by).ok()?, backup.stopped.checked_add(by).ok()?);
    let method = backup.id.as_str().split('-').nth(1)?;
    let random = backup.stop_lsn.0 as u32;
    let id = BackupId::new(&started.strftime("%Y%m%dT%H%M%SZ").to_string(), method, random).ok()?;
    Some(Summary { id, started, stopped, ..backup.clone() })
}
