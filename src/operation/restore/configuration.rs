//! The files that a restored server starts with.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Request;
use super::choose::Chosen;
use super::layout::Layout;
use crate::model::control_file::ControlFile;
use crate::model::error::{Code, Error, Result};
use crate::model::labels::TablespaceMap;
use crate::model::path::RawPath;
use crate::model::plan::recovery_settings::{auto_conf, private_hba, private_main_file, stay_here};
use crate::model::plan::required_settings::{RequiredSettings, lacking_settings};
use crate::model::plan::settings_file::{Include, Setting, includes};
use crate::model::plan::target::Target;
use crate::model::shell_word::command_setting_word;
use crate::operation::failure::cannot;
use crate::sink::{Durability, PRIVATE, replace};

/// A socket's path has at most this many bytes (`UNIXSOCK_PATH_BUFLEN`), its name among them.
const MAX_SOCKET_DIRECTORY: usize = 107 - "/.s.PGSQL.65535".len();
const FALLBACK_SOCKET_DIRECTORY: &str = "/tmp";

/// A configuration has a handful; files that include each other must end.
const MAX_INCLUDED_FILES: usize = 1000;

/// Lines for `postgresql.auto.conf`, the recovery target last.
pub fn settings(request: &Request, chosen: &Chosen) -> Vec<Setting> {
    let word = |path: &Path| command_setting_word(&path.to_string_lossy());
    let program = std::env::current_exe().unwrap_or_else(|_| "pgcairn".into());
    let wal = request.target_dir.join(super::wal::DIRECTORY);
    let mut settings = vec![
        ("archive_mode", "off".to_owned()),
        // A subscription of the copy would use up what the publisher holds for the origin's.
        ("max_logical_replication_workers", "0".to_owned()),
        ("restore_command", format!("{} wal fetch --from {} %f %p", word(&program), word(&wal))),
        ("recovery_target_timeline", chosen.timeline.id.to_string()),
    ];
    if request.target != Target::Latest {
        settings.push(("recovery_target_action", request.action.word().to_owned()));
    }
    let inclusive = |inclusive: bool| ("recovery_target_inclusive", if inclusive { "on" } else { "off" }.to_owned());
    match &request.target {
        Target::Latest => {}
        Target::Immediate => settings.push(("recovery_target", "immediate".to_owned())),
        Target::Time { at, inclusive: side } => {
            settings.extend([inclusive(*side), ("recovery_target_time", at.to_string())]);
        }
        Target::Lsn { at, inclusive: side } => {
            settings.extend([inclusive(*side), ("recovery_target_lsn", at.to_string())]);
        }
        Target::Xid { xid, inclusive: side } => {
            settings.extend([inclusive(*side), ("recovery_target_xid", xid.to_string())]);
        }
        Target::Name(name) => settings.push(("recovery_target_name", name.clone())),
    }
    settings
}

/// Writes everything that makes the restored directory recover, and nothing that makes it startable. Gives what a
/// server on it must be told at least.
pub fn write(request: &Request, chosen: &Chosen, control: &ControlFile) -> Result<RequiredSettings> {
    let target = &request.target_dir;
    let mut required = RequiredSettings::of_control_file(control);
    // The origin raised a setting after the backup: replay would stop where it did.
    if let Some(parameters) = &chosen.scanned.reach.parameters {
        required.raise(parameters);
    }
    let has_main_file = target.join("postgresql.conf").exists();
    match has_main_file {
        true => keep_here(target)?,
        false => private_main(target, &required)?,
    }
    let main_file = read(&target.join("postgresql.conf"))?.unwrap_or_default();
    let existing = read(&target.join("postgresql.auto.conf"))?.unwrap_or_default();
    access_files(target, private_hba(!has_main_file, &existing))?;
    let mut settings = lacking_settings(&required, &main_file, &existing);
    settings.extend(self::settings(request, chosen));
    if has_tablespace_in_place(target)? {
        settings.insert(0, ("allow_in_place_tablespaces", "on".to_owned()));
    }
    let auto = auto_conf(&existing, &settings);
    write_file(&target.join("postgresql.auto.conf"), &auto)?;
    write_file(&target.join("recovery.signal"), b"")?;
    Ok(required)
}

/// `None` where there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot("read", path.display(), error)),
    }
}

/// Takes the lines that lead to the origin out of its own postgresql.conf and of what that includes in the data
/// directory.
fn keep_here(target: &Path) -> Result<()> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![target.join("postgresql.conf")]);
    while let Some(path) = waiting.pop().filter(|_| seen.len() < MAX_INCLUDED_FILES) {
        if !seen.insert(path.clone()) {
            continue;
        }
        let Some(text) = read(&path)? else { continue };
        for include in includes(&text).iter().filter(|include| !include.leads_away()) {
            waiting.extend(included_files(path.parent().unwrap_or(target), include)?);
        }
        stay_here(&text).map_or(Ok(()), |edited| write_file(&path, &edited))?;
    }
    Ok(())
}

/// Of a directory the files that PostgreSQL reads there (`GetConfFilesInDir`).
fn included_files(beside: &Path, include: &Include) -> Result<Vec<PathBuf>> {
    let path = beside.join(OsStr::from_bytes(&include.path));
    if !include.is_directory {
        return Ok(vec![path]);
    }
    let failed = |e| cannot("read", path.display(), e);
    let entries = match fs::read_dir(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries.map_err(failed)?,
    };
    let is_read = |name: &[u8]| name.ends_with(b".conf") && !name.starts_with(b".");
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().map_err(failed)?;
    Ok(paths.into_iter().filter(|path| path.file_name().is_some_and(|name| is_read(name.as_bytes()))).collect())
}

/// A directory whose configuration lay elsewhere gets a minimal one of its own.
fn private_main(target: &Path, required: &RequiredSettings) -> Result<()> {
    let directory = target.to_string_lossy();
    let socket = if directory.len() <= MAX_SOCKET_DIRECTORY { &directory } else { FALLBACK_SOCKET_DIRECTORY };
    write_file(&target.join("postgresql.conf"), private_main_file(socket, required).as_bytes())
}

/// Private ones, where the origin's lay elsewhere.
fn access_files(target: &Path, hba: &str) -> Result<()> {
    for (name, content) in [("pg_hba.conf", hba), ("pg_ident.conf", "")] {
        if !target.join(name).exists() {
            write_file(&target.join(name), content.as_bytes())?;
        }
    }
    Ok(())
}

/// A directory in pg_tblspc ends recovery with a PANIC unless it is allowed (`CheckTablespaceDirectory`); who made the
/// tablespace may have allowed it in one session only.
fn has_tablespace_in_place(target: &Path) -> Result<bool> {
    let tablespaces = target.join("pg_tblspc");
    let is_directory = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_type()?.is_dir());
    let found = fs::read_dir(&tablespaces)
        .and_then(|entries| entries.map(is_directory).collect::<io::Result<Vec<_>>>())
        .map_err(|e| cannot("read", tablespaces.display(), e))?;
    Ok(found.contains(&true))
}

/// Readable by the owner alone; made durable with everything else.
fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    Ok(replace(path, content, PRIVATE, Durability::Later)?)
}

/// The map that PostgreSQL makes tablespace links from when it finds a `backup_label`
/// (`read_tablespace_map` in `xlogrecovery.c`): it must name the new locations, and none but those. The server's own
/// still names a tablespace that was dropped during the backup, where the origin may have another by now.
pub fn write_tablespace_map(target: &Path, layout: &Layout) -> Result<()> {
    let location =
        |path: &Path| RawPath::new(path.as_os_str().as_bytes()).map_err(|e| Error::new(Code::Usage, e.to_string()));
    let entries = layout.tablespaces.iter().map(|(oid, moved)| Ok((*oid, location(&moved.becomes)?)));
    let map = TablespaceMap(entries.collect::<Result<_>>()?);
    let path = target.join("tablespace_map");
    if !layout.tablespaces.is_empty() {
        return write_file(&path, &map.to_bytes());
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("remove", path.display(), error)),
        _ => Ok(()),
    }
}
