//! What runs have left that were killed: a whole cluster as plain text. The next run of the kind takes it away.

use std::fs::{self, DirEntry, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

use super::place::Kind;
use crate::report::Listener;

/// Locked for as long as the run goes on; whoever lets a copy stay removes it.
pub const AT_WORK: &str = "drill.lock";

/// Comes by its name with the lock on it: nobody sees it without. Where nothing can be locked there is none.
pub fn claim(place: &Path) -> io::Result<Option<File>> {
    let new = place.join("drill.lock.new");
    let file = File::create_new(&new)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => fs::rename(&new, place.join(AT_WORK)).map(|()| Some(file)),
        Err(_) => fs::remove_file(&new).map(|()| None),
    }
}

/// What cannot be removed is in nobody's way.
pub fn clear(scratch: &Path, kind: &Kind, listener: &dyn Listener) {
    let (is_of_kind, who) =
        (|entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(kind.prefix), kind.words);
    for entry in fs::read_dir(scratch).into_iter().flatten().flatten().filter(is_of_kind) {
        let place = entry.path();
        let is_ours = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == geteuid().as_raw());
        let Some(_lock) = File::open(place.join(AT_WORK)).ok().filter(|_| is_ours).and_then(abandoned) else {
            continue;
        };
        let said = match (server_on(&place.join("data")), place.display()) {
            (Some(pid), shown) => {
                format!("{who} that was killed has left {shown}, where its server goes on: kill -QUIT {pid}")
            }
            (None, shown) => match fs::remove_dir_all(&place) {
                Ok(()) => format!("removed {shown}, which {who} that was killed had left"),
                Err(error) => format!("{who} that was killed has left {shown}, which cannot be removed: {error}"),
            },
        };
        listener.notice(said);
    }
}

fn abandoned(file: File) -> Option<File> {
    flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(file)
}

/// A server works in its data directory (`ChangeToDataDir`); its number may have become somebody else's.
fn server_on(data: &Path) -> Option<String> {
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = text.lines().next()?.trim().to_owned();
    let works_in = fs::read_link(Path::new("/proc").join(&pid).join("cwd"));
    let is_it = works_in.map_or_else(
        |error| error.kind() != io::ErrorKind::NotFound,
        |directory| fs::canonicalize(data).is_ok_and(|data| data == directory),
    );
    is_it.then_some(pid)
}
