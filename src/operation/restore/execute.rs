//! Carries out a plan. The order is what makes an interrupted restore safe: a mark first, the control file
//! last, so that a directory either cannot be started or is complete.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::choose::Chosen;
use super::layout::Layout;
use super::lock::lock;
use super::objects::contradiction;
use super::wal::{self, Entry, Index};
use super::{Request, Source, configuration, refuse};
use crate::flow::caught::{Panicked, caught};
use crate::model::catalog::Summary;
use crate::model::control_file::ControlFile;
use crate::model::error::{Code, Error, Result};
use crate::model::key::BackupId;
use crate::model::labels::{BackupLabel, TablespaceMap};
use crate::model::lsn::Lsn;
use crate::model::path::RawPath;
use crate::model::sha256::Sha256Sum;
use crate::model::wal_name::{TimelineId, WalName};
use crate::operation::wal::fetch;
use crate::report::{Listener, Phase, Progress};
use crate::sink::TargetDirectory;
use crate::sink::target_directory::CONTROL_FILE;

/// Marks a directory whose restore has not ended. Such a directory may be restored into again.
pub const UNFINISHED: &str = crate::model::relation::UNFINISHED_RESTORE;

/// PostgreSQL accepts 0700 and 0750.
const DIRECTORY_MODE: u32 = 0o700;
const GROUP_DIRECTORY_MODE: u32 = 0o750;

#[derive(Debug, Serialize, Deserialize)]
struct Unfinished {
    backup: BackupId,
    /// A tablespace's directory is as unfinished as the data directory that it belongs to.
    target: RawPath,
}

pub fn execute(
    source: &Source<'_>,
    request: &Request,
    chosen: &Chosen,
    layout: &Layout,
    listener: &dyn Listener,
) -> Result<()> {
    let target = &request.target_dir;
    let _locks = prepare(request, chosen, layout)?;
    let mut target_directory = TargetDirectory::open(target)?;
    make_directories(&mut target_directory, target, layout)?;

    copy_files(source, request, &chosen.backup, &target_directory, listener)?;
    let control = check_control_file(source, &target_directory, &chosen.backup)?;
    check_label(source, target, &chosen.backup)?;
    fetch_wal(source, request, chosen, listener)?;
    if !layout.tablespaces.is_empty() {
        configuration::write_tablespace_map(target, &tablespace_map(layout)?)?;
    }
    configuration::write(request, chosen, &control)?;

    listener.phase(Phase::Syncing);
    source.context.interrupt.check()?;
    target_directory.commit()?;
    unmark(target, layout).map_err(|e| io_error("finish", target, e))
}

/// Makes, locks, clears and marks every directory. Whether it may be cleared is asked again under the lock.
fn prepare(request: &Request, chosen: &Chosen, layout: &Layout) -> Result<Vec<File>> {
    let target = request.target_dir.as_path();
    let directories = || [target].into_iter().chain(layout.tablespaces.values().map(|t| t.becomes.as_path()));
    let made = |directory: &Path| prepare_directory(directory).map_err(|e| io_error("make", directory, e));
    let locks = directories().map(|directory| made(directory).and_then(|()| lock(directory)));
    let locks = locks.collect::<Result<Vec<_>>>()?;
    refuse::directories_in_use(layout, request)?;
    for directory in directories() {
        let prepared = clear(directory, target).and_then(|()| mark(directory, target, chosen));
        prepared.map_err(|e| io_error("prepare", directory, e))?;
    }
    Ok(locks)
}

fn io_error(action: &str, path: &Path, error: io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied => Code::Permission,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Code::DiskSpace,
        _ => Code::Io,
    };
    Error::new(code, format!("cannot {action} {}: {error}", path.display()))
}

/// Makes the directory, and makes that durable; nothing above it is made.
fn prepare_directory(target: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(target) {
        Ok(()) => sync_directory(target.parent().unwrap_or(Path::new("/"))),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(target)?.permissions().mode() & 0o7777;
            let fits = mode == DIRECTORY_MODE || mode == GROUP_DIRECTORY_MODE;
            if fits { Ok(()) } else { fs::set_permissions(target, fs::Permissions::from_mode(DIRECTORY_MODE)) }
        }
        Err(error) => Err(error),
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether an interrupted restore to `target` left this directory, the target itself or a tablespace of it. With a
/// control file the target is complete, whatever else lies in it: a kill at the very end leaves marks behind,
/// which say nothing either once the target was moved.
pub fn is_unfinished(directory: &Path, target: &Path) -> bool {
    let Ok(text) = fs::read(directory.join(UNFINISHED)) else { return false };
    let is_ours = match serde_json::from_slice::<Unfinished>(&text) {
        Ok(mark) => mark.target.as_path() == target,
        // Killed while it was written: nothing else had been.
        Err(_) => fs::read_dir(directory).is_ok_and(|entries| entries.count() == 1),
    };
    // In doubt there is one: what may be complete is not cleared away.
    is_ours && !target.join(CONTROL_FILE).try_exists().unwrap_or(true)
}

/// Takes away what an interrupted restore left, its mark last. Anything else was refused before.
fn clear(directory: &Path, target: &Path) -> io::Result<()> {
    if is_unfinished(directory, target) { clear_directory(directory, UNFINISHED) } else { Ok(()) }
}

fn clear_directory(directory: &Path, keep: &str) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name() == keep {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => fs::remove_dir_all(entry.path())?,
            false => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Durable before the first file is written.
fn mark(directory: &Path, target: &Path, chosen: &Chosen) -> io::Result<()> {
    let target = RawPath::new(target.as_os_str().as_bytes()).map_err(io::Error::other)?;
    let mark = Unfinished { backup: chosen.backup.id.clone(), target };
    let mut file = File::create(directory.join(UNFINISHED))?;
    file.write_all(&serde_json::to_vec(&mark)?)?;
    file.sync_all()?;
    sync_directory(directory)
}

/// The restore has ended: the target's mark goes last.
fn unmark(target: &Path, layout: &Layout) -> io::Result<()> {
    for directory in layout.tablespaces.values().map(|t| t.becomes.as_path()).chain([target]) {
        remove(&directory.join(UNFINISHED))?;
        sync_directory(directory)?;
    }
    Ok(())
}

/// Tablespaces first, so that what lies in them has a place; then directories, parents before children.
fn make_directories(target_directory: &mut TargetDirectory, target: &Path, layout: &Layout) -> Result<()> {
    let (roots, below): (Vec<_>, Vec<_>) = layout.directories.iter().partition(|d| d.path.as_bytes() == b"pg_tblspc");
    for directory in roots {
        target_directory.directory(&directory.path, directory.mode.0)?;
    }
    for (oid, tablespace) in &layout.tablespaces {
        target_directory.tablespace(oid.to_string().as_bytes(), &tablespace.becomes)?;
    }
    for directory in below {
        target_directory.directory(&directory.path, directory.mode.0)?;
    }
    open_to_group(target, layout).map_err(|e| io_error("set the mode of", target, e))?;
    let wal = target.join(wal::DIRECTORY);
    prepare_directory(&wal).map_err(|e| io_error("make", &wal, e))
}

/// PostgreSQL takes the modes of new files from the data directory's own (`checkDataDir`), of which a manifest has
/// no line: all directories of a cluster have the same.
fn open_to_group(target: &Path, layout: &Layout) -> io::Result<()> {
    let global = layout.directories.iter().find(|directory| directory.path.as_bytes() == b"global");
    match global.is_some_and(|global| global.mode.0 == GROUP_DIRECTORY_MODE) {
        true => fs::set_permissions(target, fs::Permissions::from_mode(GROUP_DIRECTORY_MODE)),
        false => Ok(()),
    }
}

fn tablespace_map(layout: &Layout) -> Result<Vec<u8>> {
    let location =
        |path: &Path| RawPath::new(path.as_os_str().as_bytes()).map_err(|e| Error::new(Code::Usage, e.to_string()));
    let entries = layout.tablespaces.iter().map(|(oid, moved)| Ok((*oid, location(&moved.becomes)?)));
    Ok(TablespaceMap(entries.collect::<Result<_>>()?).to_bytes())
}

fn copy_files(
    source: &Source<'_>,
    request: &Request,
    backup: &Summary,
    target: &TargetDirectory,
    listener: &dyn Listener,
) -> Result<()> {
    let (written, reader) = (AtomicU64::new(0), source.opened.repository.reader());
    let inward = source.inward(backup, request, &written, &reader);
    let total = Some(backup.totals.data_bytes);
    std::thread::scope(|scope| {
        let copy = scope.spawn(|| inward.files(target));
        while !copy.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(100));
            let bytes_done = written.load(Ordering::Relaxed);
            listener.progress(Progress { bytes_done, bytes_total: total, ..Progress::new(Phase::Restoring) });
        }
        copy.join().map_err(|_| Panicked)
    })??;
    Ok(())
}

/// It must be the control file of the cluster that the commit marker tells of.
fn check_control_file(source: &Source<'_>, target: &TargetDirectory, backup: &Summary) -> Result<ControlFile> {
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
fn check_label(source: &Source<'_>, target: &Path, backup: &Summary) -> Result<()> {
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

/// Lays all WAL that recovery needs beside the data, then the index that proves what is absent.
fn fetch_wal(source: &Source<'_>, request: &Request, chosen: &Chosen, listener: &dyn Listener) -> Result<()> {
    listener.phase(Phase::FetchingWal);
    let directory = request.target_dir.join(wal::DIRECTORY);
    let size = chosen.backup.postgresql.wal_segment_size;
    let histories = chosen.histories.iter().copied().map(WalName::History);
    let names: Vec<WalName> =
        chosen.scanned.segments.iter().map(|s| WalName::Segment(s.name(size))).chain(histories).collect();
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let entries = Mutex::new(Vec::with_capacity(names.len()));
    let first_error = Mutex::new(None);
    let work = || {
        while let Some(name) =
            names.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !failed.load(Ordering::Acquire))
        {
            match caught(|| fetch_one(source, &directory, name)) {
                Ok(Some(entry)) => entries.lock().unwrap_or_else(|e| e.into_inner()).push(entry),
                Ok(None) => {}
                Err(error) => {
                    failed.store(true, Ordering::Release);
                    first_error.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| (0..source.jobs(request)).for_each(|_| drop(scope.spawn(work))));
    if let Some(error) = first_error.into_inner().unwrap_or_else(|e| e.into_inner()) {
        return Err(error);
    }
    let index = Index::new(entries.into_inner().unwrap_or_else(|e| e.into_inner()));
    index.write(&directory).map_err(|e| io_error("write the index of", &directory, e))
}

/// `None` for the history of an ancestor that is not in the archive: the newest history tells it all.
fn fetch_one(source: &Source<'_>, directory: &Path, name: &WalName) -> Result<Option<Entry>> {
    source.context.interrupt.check()?;
    let path = directory.join(name.to_string());
    let cannot = |e: io::Error| io_error("write", &path, e);
    let mut file = File::create(&path).map_err(cannot)?;
    let (mut sha256, mut size) = (Sha256::new(), 0);
    let found = fetch::read(&source.opened, &source.opener, name, &mut |bytes| {
        sha256.update(bytes);
        size += bytes.len() as u64;
        file.write_all(bytes).map_err(cannot)
    })?;
    match (found, name) {
        (Some(_), _) => {
            file.sync_all().map_err(cannot)?;
            Ok(Some(Entry { name: name.to_string(), size, sha256: Sha256Sum(sha256.finalize().into()) }))
        }
        (None, WalName::History(_)) => {
            remove(&path).map_err(cannot)?;
            Ok(None)
        }
        (None, _) => Err(Error::new(Code::WalGap, format!("{name} vanished from the archive since it was planned"))
            .hint("run the same command again")),
    }
}
