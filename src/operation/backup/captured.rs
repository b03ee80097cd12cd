//! Files that are not read from the data directory: the labels that the server returned, the control file
//! read last, the configuration, the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::Prepared;
use crate::config::Config;
use crate::flow::outward::Content;
use crate::model::error::{Code, Error, Result};
use crate::model::manifest::{Directory, Mode};
use crate::model::path::RelPath;
use crate::model::relation::CAPTURED_CONFIGURATION;
use crate::model::shell_word::shell_word;
use crate::operation::failure::cannot;
use crate::postgres::{Connection, Stop};
use crate::report::Listener;
use crate::sink::target_directory::CONTROL_FILE;
use crate::source::data_directory::DataDirectory;

const ENVIRONMENT_FILE: &str = "pgcairn_config/environment.json";

/// Configuration files are small; something larger is none.
const MAX_CONFIG_FILE: u64 = 1024 * 1024;
const MAX_CONFIG_TOTAL: u64 = 32 * 1024 * 1024;
const MAX_CONFIG_FILES: usize = 10_000;

const PRIVATE: u32 = 0o600;
const PERMISSIONS: u32 = 0o7777;
const PRIVATE_DIRECTORY: u32 = 0o700;

/// `backup_label` makes PostgreSQL recover from the start of the backup; without it a copy is corrupt.
/// Stored byte for byte as the server returned it, never written into the live directory.
pub fn labels(stop: &Stop) -> Result<Vec<Content>> {
    let mut labels = vec![content("backup_label", stop.backup_label.clone())?];
    if !stop.tablespace_map.is_empty() {
        labels.push(content("tablespace_map", stop.tablespace_map.clone())?);
    }
    Ok(labels)
}

/// Read after everything else: on a standby its minRecoveryPoint must cover all pages copied before.
pub fn control_file(directory: &DataDirectory) -> Result<Content> {
    let (_, bytes) = directory.read_control_file()?;
    let mut control_file = content(CONTROL_FILE, bytes)?;
    let path = directory.absolute(&control_file.path);
    let metadata = path.metadata().map_err(|e| cannot("look at", path.display(), e))?;
    control_file.mode = metadata.permissions().mode() & PERMISSIONS;
    Ok(control_file)
}

fn content(path: &str, bytes: Vec<u8>) -> Result<Content> {
    let path = RelPath::new(path).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    Ok(Content { path, bytes, mode: PRIVATE, mtime: now })
}

/// The files that the server's settings come from, where they lie outside of the data directory, what the
/// configuration includes, and the environment.
pub fn configuration(
    connection: &mut Connection,
    prepared: &Prepared,
    config: &Config,
    listener: &dyn Listener,
) -> Result<Vec<Content>> {
    let settings = &prepared.settings;
    let mut files = vec![settings.config_file.clone(), settings.hba_file.clone(), settings.ident_file.clone()];
    files.extend(connection.configuration_files()?);
    config.backup.include.iter().try_for_each(|path| collect(path, &mut files))?;
    let data_directory = canonical(&settings.data_directory);
    files.retain(|file| !canonical(file).starts_with(&data_directory));
    let files = by_place(files);
    let mut captured = Captured { contents: Vec::new(), total: 0, listener };
    files.iter().try_for_each(|file| captured.add(file))?;
    let environment = serde_json::to_vec_pretty(&prepared.environment);
    let environment = environment.map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    captured.contents.push(content(ENVIRONMENT_FILE, environment)?);
    Ok(captured.contents)
}

/// One spelling of each: an `include` with `..` names a file as its directory does, and a path is stored once.
fn by_place(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let places: BTreeMap<PathBuf, PathBuf> = files.into_iter().map(|file| (without_detours(&file), file)).collect();
    places.into_values().collect()
}

/// A link in the data directory leads out of it: the walk does not follow it, so what it leads to is captured.
fn canonical(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The directories that captured files lie in, parents first; the data directory has none of them.
pub fn directories(contents: &[Content]) -> Vec<Directory> {
    let parents = |path: &RelPath| std::iter::successors(path.parent(), RelPath::parent).collect::<Vec<_>>();
    let paths: BTreeSet<RelPath> = contents.iter().flat_map(|content| parents(&content.path)).collect();
    paths.into_iter().map(|path| Directory { path, mode: Mode(PRIVATE_DIRECTORY) }).collect()
}

/// Files below a directory, links not followed. What cannot be looked into might hold any number of them, and
/// nobody would miss them before they are needed.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(unreadable(path, error)),
        _ if files.len() < MAX_CONFIG_FILES => {
            files.push(path.to_owned());
            return Ok(());
        }
        _ => {
            let message = format!("[backup] include leads to more than {MAX_CONFIG_FILES} files");
            return Err(Error::new(Code::ConfigValue, message).hint("name fewer or smaller directories"));
        }
    }
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| unreadable(path, error))?,
    };
    for entry in entries {
        collect(&entry.map_err(|error| unreadable(path, error))?.path(), files)?;
    }
    Ok(())
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    cannot("read", format_args!("{} under [backup] include", path.display()), error)
        .hint(format!("ls -ld {}", shell_word(&path.to_string_lossy())))
}

struct Captured<'a> {
    contents: Vec<Content>,
    total: u64,
    listener: &'a dyn Listener,
}

impl Captured<'_> {
    /// A file that cannot be captured is said aloud and does not stop the backup: the data does not need it.
    fn add(&mut self, file: &Path) -> Result<()> {
        match self.read(file) {
            Ok(bytes) => {
                self.total += bytes.len() as u64;
                self.contents.push(captured_content(file, bytes)?);
            }
            Err(reason) => {
                let message = format!("configuration file {} is not captured: {reason}", file.display());
                self.listener.warning(
                    Error::new(Code::Flagged, message).hint("make it readable for the owner of the data directory"),
                );
            }
        }
        Ok(())
    }

    fn read(&self, file: &Path) -> std::result::Result<Vec<u8>, String> {
        let metadata = std::fs::metadata(file).map_err(|e| e.to_string())?;
        let size = metadata.len();
        if !metadata.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        if size > MAX_CONFIG_FILE || self.total + size > MAX_CONFIG_TOTAL {
            return Err(format!(
                "it has {size} bytes, and {MAX_CONFIG_FILE} in one file and {MAX_CONFIG_TOTAL} in all are the most"
            ));
        }
        let bytes = std::fs::read(file).map_err(|e| e.to_string())?;
        if bytes.len() as u64 > MAX_CONFIG_FILE { Err("it grows".to_owned()) } else { Ok(bytes) }
    }
}

fn captured_content(file: &Path, bytes: Vec<u8>) -> Result<Content> {
    Ok(Content { path: captured_path(file)?, ..content(ENVIRONMENT_FILE, bytes)? })
}

/// Without `.`, `..` and doubled slashes, which no path of a manifest may have.
fn without_detours(file: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in file.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

/// Where the copy of a configuration file lies.
pub fn captured_path(file: &Path) -> Result<RelPath> {
    use std::os::unix::ffi::OsStrExt;
    let file = without_detours(file);
    let below = file.as_os_str().as_bytes().strip_prefix(b"/").unwrap_or(file.as_os_str().as_bytes());
    let path = [CAPTURED_CONFIGURATION.as_bytes(), b"/", below].concat();
    RelPath::new(path).map_err(|e| Error::new(Code::ConfigValue, e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_two_spellings_is_captured_once() {
        let spelled = ["/etc/pg/./a.conf", "/etc/pg/a.conf", "/etc/pg/conf.d/../a.conf", "/etc/pg//a.conf", "/etc/b"];
        let files = by_place(spelled.map(PathBuf::from).to_vec());
        let paths: Vec<RelPath> = files.iter().map(|file| captured_path(file).unwrap()).collect();
        assert_eq!(paths, ["pgcairn_config/etc/b", "pgcairn_config/etc/pg/a.conf"].map(|p| RelPath::new(p).unwrap()));
    }
}
