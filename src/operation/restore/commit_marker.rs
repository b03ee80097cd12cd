//! The commit marker is signed by nobody yet, the rest of a backup is authentic: they must tell the same.

use std::fs;
use std::path::Path;

use super::Source;
use super::layout::Layout;
use crate::model::catalog::Summary;
use crate::model::control_file::ControlFile;
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterKeys;
use crate::model::labels::BackupLabel;
use crate::model::lsn::Lsn;
use crate::model::wal_name::TimelineId;
use crate::operation::failure;
use crate::sink::TargetDirectory;

/// What the manifest adds up to.
pub fn compare_totals(source: &Source<'_>, backup: &Summary, layout: &Layout) -> Result<()> {
    let links = layout.tablespaces.len() as u64;
    let found = [layout.files, layout.data_bytes, layout.directories.len() as u64 + links];
    let totals = &backup.totals;
    if found == [totals.files, totals.data_bytes, totals.directories] {
        return Ok(());
    }
    let [files, bytes, directories] = found;
    Err(contradiction(
        &source.opened.keys,
        backup,
        format!(
            "it tells of {} files, {} bytes and {} directories, the manifest of {files}, {bytes} and {directories}",
            totals.files, totals.data_bytes, totals.directories
        ),
    ))
}

/// The commit marker says something that the rest of the backup does not.
pub fn contradiction(keys: &ClusterKeys, backup: &Summary, reason: String) -> Error {
    failure::damaged(&keys.backup(&backup.id), reason)
}

/// It must be the control file of the cluster that the commit marker tells of.
pub fn check_control_file(source: &Source<'_>, target: &TargetDirectory, backup: &Summary) -> Result<ControlFile> {
    let bytes = target.read_waiting_control_file()?;
    let damaged =
        |reason: String| Error::new(Code::Damaged, format!("the control file of backup {}: {reason}", backup.id));
    let control = ControlFile::parse(&bytes).map_err(|e| damaged(e.to_string()))?;
    if control.system_identifier != backup.system_identifier {
        return Err(damaged(format!(
            "it is of cluster {}, not {}",
            control.system_identifier, backup.system_identifier
        )));
    }
    let says = &backup.postgresql;
    let (said, found) = (
        (says.major(), says.catalog_version, says.wal_segment_size, says.block_size),
        (control.major, control.catalog_version_no, control.wal_segment_size, control.page_size),
    );
    if said == found {
        return Ok(control);
    }
    let reason = format!(
        "major, catalog version, WAL segment size and page size are {said:?} in it, {found:?} in the control file"
    );
    Err(contradiction(&source.opened.keys, backup, reason))
}

/// Recovery begins where the label says, and was planned from where the commit marker says.
pub fn check_label(source: &Source<'_>, target: &Path, backup: &Summary) -> Result<()> {
    let damaged = |reason: String| Error::new(Code::Damaged, format!("backup_label of backup {}: {reason}", backup.id));
    let bytes = fs::read(target.join("backup_label")).map_err(|e| damaged(e.to_string()))?;
    let label = BackupLabel::parse(&bytes).map_err(|e| damaged(e.to_string()))?;
    let said = (backup.start_lsn, backup.timeline, backup.standby);
    let found = (label.start_lsn, label.start_timeline, label.from_standby);
    if said == found {
        return Ok(());
    }
    let words = |(lsn, timeline, standby): (Lsn, TimelineId, bool)| {
        format!("{lsn} on timeline {timeline} of a {}", if standby { "standby" } else { "primary" })
    };
    let reason = format!("the backup starts at {} in it, at {} in backup_label", words(said), words(found));
    Err(contradiction(&source.opened.keys, backup, reason))
}
