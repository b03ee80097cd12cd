//! The commit marker is signed by nobody yet, the rest of a backup is authentic: they must tell the same.

use std::fs;
use std::path::Path;

use super::Source;
use super::layout::Layout;
use crate::model::catalog::Summary;
use crate::model::control_file::ControlFile;
use crate::model::error::{Code, Error, Result};
use crate::model::key::ClusterKeys;
use crate::model::labels::{BackupLabel, InvalidLabel};
use crate::model::lsn::Lsn;
use crate::model::wal_name::TimelineId;
use crate::operation::failure;
use crate::sink::TargetDirectory;

/// What the manifest adds up to.
pub fn compare_totals(source: &Source<'_>, backup: &Summary, layout: &Layout) -> Result<()> {
    let links = layout.tablespaces.len() as u64;
    let totals = &backup.totals;
    let facts = [
        ("files", totals.files, layout.files),
        ("bytes", totals.data_bytes, layout.data_bytes),
        ("directories", totals.directories, layout.directories.len() as u64 + links),
    ];
    agree(&source.opened.keys, backup, "the manifest", facts)
}

/// Each fact with what the commit marker says of it, and what `other` does.
pub fn agree(keys: &ClusterKeys, backup: &Summary, other: &str, facts: [(&str, u64, u64); 3]) -> Result<()> {
    match facts.into_iter().find(|(_, said, found)| said != found) {
        None => Ok(()),
        Some((fact, said, found)) => {
            Err(contradiction(keys, backup, format!("it tells of {said} {fact}, {other} of {found}")))
        }
    }
}

/// The commit marker says something that the rest of the backup does not.
pub fn contradiction(keys: &ClusterKeys, backup: &Summary, reason: String) -> Error {
    failure::damaged(&keys.backup(&backup.id), reason)
}

/// It must be the control file of the cluster that the commit marker tells of.
pub fn check_control_file(source: &Source<'_>, target: &TargetDirectory, backup: &Summary) -> Result<ControlFile> {
    judge_control_file(&source.opened.keys, &target.read_waiting_control_file()?, backup)
}

/// The same of its bytes.
pub fn judge_control_file(keys: &ClusterKeys, bytes: &[u8], backup: &Summary) -> Result<ControlFile> {
    let damaged = |reason: String| damaged(format!("the control file of backup {}: {reason}", backup.id));
    let control = ControlFile::parse(bytes).map_err(|e| damaged(e.to_string()))?;
    if control.system_identifier != backup.system_identifier {
        return Err(damaged(format!(
            "it is of cluster {}, not {}",
            control.system_identifier, backup.system_identifier
        )));
    }
    let says = &backup.postgresql;
    let facts = [
        ("major version", says.major().into(), control.major.into()),
        ("catalog version", says.catalog_version.into(), control.catalog_version_no.into()),
        ("WAL segment size", says.wal_segment_size, control.wal_segment_size),
        ("page size", says.block_size.into(), u64::from(control.page_size)),
    ];
    match facts.into_iter().find(|(_, said, found)| said != found) {
        None => Ok(control),
        Some((fact, said, found)) => {
            let reason = format!("it says that the {fact} is {said}, the control file says {found}");
            Err(contradiction(keys, backup, reason))
        }
    }
}

fn damaged(message: String) -> Error {
    Error::new(Code::Damaged, message).hint(failure::OTHER_BACKUP)
}

/// Recovery begins where the label says, and was planned from where the commit marker says.
pub fn check_label(source: &Source<'_>, target: &Path, backup: &Summary) -> Result<()> {
    let bytes = fs::read(target.join("backup_label"))
        .map_err(|e| damaged(format!("backup_label of backup {}: {e}", backup.id)))?;
    judge_label(&source.opened.keys, &bytes, backup)
}

/// The same of its bytes.
pub fn judge_label(keys: &ClusterKeys, bytes: &[u8], backup: &Summary) -> Result<()> {
    let damaged = |e: InvalidLabel| damaged(format!("backup_label of backup {}: {e}", backup.id));
    let label = BackupLabel::parse(bytes).map_err(damaged)?;
    let said = (backup.start_lsn, backup.timeline, backup.standby);
    let found = (label.start_lsn, label.start_timeline, label.from_standby);
    if said == found {
        return Ok(());
    }
    let words = |(lsn, timeline, standby): (Lsn, TimelineId, bool)| {
        format!("{lsn} on timeline {timeline} of a {}", if standby { "standby" } else { "primary" })
    };
    let reason = format!("the backup starts at {} in it, at {} in backup_label", words(said), words(found));
    Err(contradiction(keys, backup, reason))
}
