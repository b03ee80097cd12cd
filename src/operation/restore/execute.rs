//! Carries out a plan. The order is what makes an interrupted restore safe: a mark first, the control file
//! last, so that a directory either cannot be started or is complete.

use std::sync::atomic::{AtomicU64, Ordering};

use super::choose::Chosen;
use super::layout::Layout;
use super::{Request, Source, commit_marker, configuration, directories, unfinished, wal};
use crate::model::catalog::Summary;
use crate::model::error::Result;
use crate::model::plan::required_settings::RequiredSettings;
use crate::operation::failure::cannot;
use crate::operation::watched::watched;
use crate::report::{Listener, Phase, Progress};
use crate::sink::TargetDirectory;

/// Gives what a server on the copy must be told at least.
pub fn execute(
    source: &Source<'_>,
    request: &Request,
    chosen: &Chosen,
    layout: &Layout,
    listener: &dyn Listener,
) -> Result<RequiredSettings> {
    let target = &request.target_dir;
    let _locks = directories::prepare(request, chosen, layout)?;
    let mut target_directory = TargetDirectory::open(target)?;
    directories::make(&mut target_directory, target, layout)?;

    copy_files(source, request, (&chosen.backup, layout), &target_directory, listener)?;
    let control = commit_marker::check_control_file(source, &target_directory, &chosen.backup)?;
    commit_marker::check_label(source, target, &chosen.backup)?;
    wal::fetch_all(source, request, chosen, listener)?;
    configuration::write_tablespace_map(target, layout)?;
    let required = configuration::write(request, chosen, &control)?;

    listener.phase(Phase::Syncing);
    source.context.interrupt.check()?;
    target_directory.commit()?;
    unfinished::unmark(target, layout).map_err(|e| cannot("finish", target.display(), e))?;
    Ok(required)
}

fn copy_files(
    source: &Source<'_>,
    request: &Request,
    (backup, layout): (&Summary, &Layout),
    target: &TargetDirectory,
    listener: &dyn Listener,
) -> Result<()> {
    let (written, reader) = (AtomicU64::new(0), source.opened.repository.reader());
    let inward = source.inward(backup, &layout.objects, request, &written, &reader);
    let total = Some(backup.totals.data_bytes);
    let progress = || {
        let bytes_done = written.load(Ordering::Relaxed);
        Progress { bytes_done, bytes_total: total, ..Progress::new(Phase::Restoring) }
    };
    Ok(watched(listener, progress, || inward.files(target))?)
}
