//! Which moments can be restored: from the end of a backup on, for as long as WAL follows without a hole.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::wal::Archive;
use crate::model::catalog::Summary;
use crate::model::key::BackupId;
use crate::model::wal_name::{SegmentName, TimelineId};

/// Every moment from the end of a backup to the end of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub timeline: TimelineId,
    /// The oldest that a recovery through the segment can begin with.
    pub backup: BackupId,
    /// When that one is usable from.
    pub from: Timestamp,
    /// The newest that such a recovery can begin with.
    pub newest: BackupId,
    pub last: SegmentName,
}

impl Archive {
    /// By timeline, oldest first. Two of one timeline have a hole in the WAL between them.
    pub fn windows(&self, backups: &[Summary]) -> Vec<Window> {
        let is_sound = |backup: &&Summary| !backup.is_broken() && self.is_complete(backup);
        let sound: Vec<&Summary> = backups.iter().filter(is_sound).collect();
        let timelines = self.known_timelines().into_iter().filter(|timeline| self.has_history(*timeline));
        timelines.flat_map(|timeline| self.windows_of(timeline, &sound)).collect()
    }

    fn windows_of(&self, timeline: TimelineId, backups: &[&Summary]) -> Vec<Window> {
        let mut within: BTreeMap<u64, Vec<&Summary>> = BTreeMap::new();
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for backup in backups.iter().filter(|backup| self.leads_to(backup, timeline)) {
            let Some((first, end)) = self.segments_of(backup) else { continue };
            let known = runs.iter().find(|(start, last)| (*start..=*last).contains(&first)).copied();
            let Some((_, last)) = known.or_else(|| self.run_from(timeline, first)) else { continue };
            if known.is_none() {
                runs.push((first, last));
            }
            // Else it ends on a timeline before this one, or a hole is in the backup's own WAL.
            if last >= end && self.owner(timeline, last) == timeline {
                within.entry(last).or_default().push(backup);
            }
        }
        let by_end = |backup: &&&Summary| (backup.stopped, backup.id.clone());
        let window = |(last, backups): (u64, Vec<&Summary>)| {
            let (oldest, newest) = (backups.iter().min_by_key(by_end)?, backups.iter().max_by_key(by_end)?);
            let (backup, from, newest) = (oldest.id.clone(), oldest.stopped, newest.id.clone());
            Some(Window { timeline, backup, from, newest, last: self.name(timeline, last)? })
        };
        within.into_iter().filter_map(window).collect()
    }
}
