//! What must not be restored over, said before anything is written.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Request;
use super::choose::Chosen;
use super::layout::Layout;
use super::unfinished::is_unfinished;
use crate::model::error::{Code, Error, Result};
use crate::model::relation::UNFINISHED_RESTORE;

const ELSEWHERE: &str = "restore into another directory: --target-dir DIR";

pub fn unfit_target(layout: &Layout, chosen: &Chosen, request: &Request) -> Result<()> {
    refuse_server(&request.target_dir)?;
    refuse_shared_places(layout, request)?;
    directories_in_use(layout, request)?;
    if chosen.backup.environment.architecture != std::env::consts::ARCH {
        return Err(Error::new(
            Code::Refused,
            format!(
                "backup {} is of a server on {}, this machine is {}",
                chosen.backup.id,
                chosen.backup.environment.architecture,
                std::env::consts::ARCH
            ),
        )
        .hint(format!("restore it on a machine of its own kind, {}", chosen.backup.environment.architecture)));
    }
    refuse_little_space(layout)
}

/// Whatever holds files that no interrupted restore to this target has left.
pub fn directories_in_use(layout: &Layout, request: &Request) -> Result<()> {
    let target = &request.target_dir;
    refuse_files(target)?;
    layout.outside().try_for_each(|moved| refuse_tablespace(&moved.was, &moved.becomes, target))
}

/// The path becomes part of settings, which are text.
pub fn unspeakable(target: &Path) -> Result<()> {
    match target.to_str() {
        Some(_) => Ok(()),
        None => Err(Error::new(Code::Usage, format!("the name of {} is not UTF-8", target.display())).hint(ELSEWHERE)),
    }
}

/// `postmaster.pid` names a process: as long as that process lives, the directory is its.
fn refuse_server(target: &Path) -> Result<()> {
    let Ok(text) = fs::read_to_string(target.join("postmaster.pid")) else { return Ok(()) };
    let pid = text.lines().next().unwrap_or_default().trim().to_owned();
    if !Path::new("/proc").join(&pid).exists() || pid.is_empty() {
        return Ok(());
    }
    Err(Error::new(Code::PostmasterRunning, format!("a server with process id {pid} runs on {}", target.display()))
        .hint(ELSEWHERE))
}

/// An empty or absent directory, or one that an interrupted restore left.
fn refuse_files(target: &Path) -> Result<()> {
    if is_unfinished(target, target) {
        return Ok(());
    }
    match first_name(target)? {
        None => Ok(()),
        Some(name) => {
            Err(Error::new(Code::TargetNotEmpty, format!("{} is not empty: it holds {name}", target.display()))
                .hint("restore into an empty or new directory: --target-dir DIR"))
        }
    }
}

fn refuse_tablespace(was: &Path, location: &Path, target: &Path) -> Result<()> {
    if is_unfinished(location, target) {
        return Ok(());
    }
    match first_name(location)? {
        None => Ok(()),
        Some(name) => Err(Error::new(
            Code::TargetNotEmpty,
            format!("tablespace directory {} is not empty: it holds {name}", location.display()),
        )
        .hint(format!("--tablespace {}=NEW_DIRECTORY", was.display()))),
    }
}

/// Two tablespaces in one place would overwrite each other's files, which have the same names.
fn refuse_shared_places(layout: &Layout, request: &Request) -> Result<()> {
    let mut places = vec![resolved(&request.target_dir)];
    for tablespace in layout.outside() {
        let place = resolved(&tablespace.becomes);
        if let Some(other) = places.iter().find(|other| other.starts_with(&place) || place.starts_with(other)) {
            let message = format!(
                "tablespace {} cannot go to {}, which overlaps with {}",
                tablespace.was.display(),
                place.display(),
                other.display()
            );
            return Err(Error::new(Code::Refused, message)
                .hint(format!("--tablespace {}=NEW_DIRECTORY", tablespace.was.display())));
        }
        places.push(place);
    }
    Ok(())
}

/// The path without symbolic links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let Some((above, real)) = existing else { return path.to_owned() };
    match path.strip_prefix(above) {
        Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
        _ => real,
    }
}

/// A name in the directory, `None` where it is empty or not there. A mark alone comes from a restore that was killed
/// before it wrote anything.
fn first_name(directory: &Path) -> Result<Option<String>> {
    let cannot = |e: std::io::Error| {
        let code = if e.kind() == ErrorKind::PermissionDenied { Code::Permission } else { Code::Usage };
        Error::new(code, format!("{} cannot be used: {e}", directory.display())).hint(ELSEWHERE)
    };
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            let other =
                entries.find(|entry| entry.as_ref().map_or(true, |entry| entry.file_name() != UNFINISHED_RESTORE));
            let name = other.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
            name.transpose().map_err(cannot)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot(error)),
    }
}

fn refuse_little_space(layout: &Layout) -> Result<()> {
    match layout.space.iter().find(|space| space.needed > space.free) {
        None => Ok(()),
        Some(space) => Err(Error::new(
            Code::DiskSpace,
            format!("{} needs {} bytes, {} are free", space.path.display(), space.needed, space.free),
        )
        .hint("free space, or restore to another disk: --target-dir DIR, --tablespace OLD=NEW")),
    }
}
