//! What was copied, and what was tolerated on the way.

use crate::model::catalog::{FlaggedPage, MAX_FLAGGED_PAGES, ObjectLine};
use crate::model::relation::RelationFile;
use crate::source::data_directory::Notice;

/// More notices than these are counted, not listed.
pub const MAX_NOTICES: usize = 1000;

#[derive(Debug, Default)]
pub struct Copied {
    pub objects: Vec<ObjectLine>,
    pub files: u64,
    pub directories: u64,
    pub data_bytes: u64,
    pub vanished: u64,
    pub shrunk: u64,
    /// Links and special files that were left out.
    pub skipped: u64,
    pub flagged_count: u64,
    pub flagged: Vec<(RelationFile, FlaggedPage)>,
    pub notices: Vec<Notice>,
}

impl Copied {
    pub fn merge(&mut self, other: Copied) {
        self.objects.extend(other.objects);
        self.files += other.files;
        self.directories += other.directories;
        self.data_bytes += other.data_bytes;
        self.vanished += other.vanished;
        self.shrunk += other.shrunk;
        self.skipped += other.skipped;
        self.flagged_count += other.flagged_count;
        let room = MAX_FLAGGED_PAGES.saturating_sub(self.flagged.len());
        self.flagged.extend(other.flagged.into_iter().take(room));
        self.notices.extend(other.notices);
    }

    /// What the walk tolerated; the first [`MAX_NOTICES`] are kept.
    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Vanished { .. } => self.vanished += 1,
            Notice::LinkSkipped { .. } | Notice::SpecialSkipped { .. } => self.skipped += 1,
            Notice::LinkReplaced { .. } | Notice::TablespaceInside { .. } => {}
        }
        if self.notices.len() < MAX_NOTICES && !matches!(notice, Notice::Vanished { .. }) {
            self.notices.push(notice);
        }
    }
}
