//! The files that a restored server starts with.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::Request;
use super::choose::Chosen;
use crate::model::control_file::ControlFile;
use crate::model::error::{Code, Error, Result};
use crate::model::plan::recovery_settings::{
    Include, PRIVATE_HBA, RequiredSettings, Setting, auto_conf, includes, lacking_settings, private_main_file,
    stay_here,
};
use crate::model::plan::target::Target;
use crate::model::shell_word::command_setting_word;

/// A socket's path has at most this many bytes (`UNIXSOCK_PATH_BUFLEN`), its name among them.
const MAX_SOCKET_DIRECTORY: usize = 107 - "/.s.PGSQL.65535".len();
const FALLBACK_SOCKET_DIRECTORY: &str = "/tmp";

const PRIVATE: u32 = 0o600;

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

/// Writes everything that makes the restored directory recover, and nothing that makes it startable.
pub fn write(request: &Request, chosen: &Chosen, control: &ControlFile) -> Result<()> {
    let target = &request.target_dir;
    let cannot =
        |e: io::Error| Error::new(Code::Io, format!("cannot write the configuration of {}: {e}", target.display()));
    let mut required = RequiredSettings::of_control_file(control);
    // The origin raised a setting after the backup: replay would stop where it did.
    if let Some(parameters) = &chosen.scanned.reach.parameters {
        required.raise(parameters);
    }
    match target.join("postgresql.conf").exists() {
        true => keep_here(target).map_err(cannot)?,
        false => private_main(target, &required).map_err(cannot)?,
    }
    access_files(target).map_err(cannot)?;
    let main_file = fs::read(target.join("postgresql.conf")).map_err(cannot)?;
    let existing = match fs::read(target.join("postgresql.auto.conf")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    };
    let existing = existing.map_err(cannot)?;
    let mut settings = lacking_settings(&required, &main_file, &existing);
    settings.extend(self::settings(request, chosen));
    if has_tablespace_in_place(target).map_err(cannot)? {
        settings.insert(0, ("allow_in_place_tablespaces", "on".to_owned()));
    }
    let auto = auto_conf(&existing, &settings);
    replace(&target.join("postgresql.auto.conf"), &auto).map_err(cannot)?;
    replace(&target.join("recovery.signal"), b"").map_err(cannot)
}

/// Takes the lines that lead to the origin out of its own postgresql.conf and of what that includes in the data
/// directory.
fn keep_here(target: &Path) -> io::Result<()> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![target.join("postgresql.conf")]);
    while let Some(path) = waiting.pop().filter(|_| seen.len() < MAX_INCLUDED_FILES) {
        if !seen.insert(path.clone()) {
            continue;
        }
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        for include in includes(&text).iter().filter(|include| !include.leads_away()) {
            waiting.extend(included_files(path.parent().unwrap_or(target), include)?);
        }
        stay_here(&text).map_or(Ok(()), |edited| replace(&path, &edited))?;
    }
    Ok(())
}

/// Of a directory the files that PostgreSQL reads there (`GetConfFilesInDir`).
fn included_files(beside: &Path, include: &Include) -> io::Result<Vec<PathBuf>> {
    let path = beside.join(OsStr::from_bytes(&include.path));
    if !include.is_directory {
        return Ok(vec![path]);
    }
    let entries = match fs::read_dir(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let is_read = |name: &[u8]| name.ends_with(b".conf") && !name.starts_with(b".");
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.file_name().is_some_and(|name| is_read(name.as_bytes()))).collect())
}

/// A directory whose configuration lay elsewhere gets a minimal one of its own.
fn private_main(target: &Path, required: &RequiredSettings) -> io::Result<()> {
    let directory = target.to_string_lossy();
    let socket = if directory.len() <= MAX_SOCKET_DIRECTORY { &directory } else { FALLBACK_SOCKET_DIRECTORY };
    replace(&target.join("postgresql.conf"), private_main_file(socket, required).as_bytes())
}

/// Private ones, where the origin's lay elsewhere.
fn access_files(target: &Path) -> io::Result<()> {
    for (name, content) in [("pg_hba.conf", PRIVATE_HBA), ("pg_ident.conf", "")] {
        if !target.join(name).exists() {
            replace(&target.join(name), content.as_bytes())?;
        }
    }
    Ok(())
}

/// A directory in pg_tblspc ends recovery with a PANIC unless it is allowed (`CheckTablespaceDirectory`); who made the
/// tablespace may have allowed it in one session only.
fn has_tablespace_in_place(target: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(target.join("pg_tblspc"))? {
        if entry?.file_type()?.is_dir() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// As a whole, readable by the owner alone; made durable with everything else.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".pgcairn");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE).open(&temporary)?;
    file.write_all(content)?;
    fs::rename(&temporary, path)
}

/// The map that PostgreSQL makes tablespace links from when it finds a `backup_label`
/// (`read_tablespace_map` in `xlogrecovery.c`): it must name the new locations.
pub fn write_tablespace_map(target: &Path, map: &[u8]) -> Result<()> {
    let path = target.join("tablespace_map");
    replace(&path, map).map_err(|e| Error::new(Code::Io, format!("cannot write {}: {e}", path.display())))
}
