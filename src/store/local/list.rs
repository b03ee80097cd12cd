//! Listing a directory tree as a flat space of keys.

use std::io;

use rustix::fs::{self, AtFlags, Dir, FileType, Mode};
use rustix::io::Errno;

use super::readers::{is_object, is_shared};
use super::{LocalBackend, OPEN_DIRECTORY, TEMPORARY, timestamp};
use crate::model::key::Key;
use crate::store::backend::Entry;
use crate::store::error::{Error, Result};

/// Deepest directory: more than any key of the format has parts, and an end to loops of links.
const MAX_DEPTH: usize = 16;

impl LocalBackend {
    pub(super) fn list_files(&self, prefix: &str) -> Result<Vec<Entry>> {
        let start = prefix.rfind('/').map_or("", |slash| &prefix[..slash]);
        if !start.is_empty() {
            Key::new(start).map_err(|_| Error::Name(prefix.to_owned()))?;
        }
        let mut found = Vec::new();
        let mut waiting = vec![start.to_owned()];
        while let Some(directory) = waiting.pop() {
            let failed = |e: io::Error| Error::from_os("cannot list", self.place(&directory), e);
            self.list_directory(&directory, prefix, &mut found, &mut waiting).map_err(failed)?;
        }
        found.sort_by(|a: &Entry, b| a.key.cmp(&b.key));
        Ok(found)
    }

    pub(super) fn list_children(&self, directory: &str) -> Result<Vec<String>> {
        Key::new(directory).map_err(|_| Error::Name(directory.to_owned()))?;
        let mut waiting = Vec::new();
        let listed = self.list_directory(directory, &format!("{directory}/"), &mut Vec::new(), &mut waiting);
        listed.map_err(|e| Error::from_os("cannot list", self.place(directory), e))?;
        let last = |key: String| key.rsplit('/').next().unwrap_or_default().to_owned();
        let mut children: Vec<String> = waiting.into_iter().map(last).collect();
        children.sort();
        Ok(children)
    }

    /// One directory: files to `found`, directories to `waiting`.
    fn list_directory(
        &self,
        directory: &str,
        prefix: &str,
        found: &mut Vec<Entry>,
        waiting: &mut Vec<String>,
    ) -> io::Result<()> {
        let path = if directory.is_empty() { "." } else { directory };
        let opened = match fs::openat(&self.root, path, OPEN_DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other?,
        };
        let shared = is_shared(&opened)?;
        let follow = if shared { AtFlags::SYMLINK_NOFOLLOW } else { AtFlags::empty() };
        for entry in Dir::read_from(&opened)? {
            let entry = entry?;
            let Some(key) = key_below(directory, entry.file_name().to_bytes()) else { continue };
            if !key.as_str().starts_with(prefix) && !prefix.starts_with(key.as_str()) {
                continue;
            }
            let stat = match fs::statat(&opened, entry.file_name(), follow) {
                // Deleted since the directory was read, or a link to nothing.
                Err(Errno::NOENT) => continue,
                other => other?,
            };
            if shared && !is_object(&stat) {
                continue;
            }
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory if depth(&key) < MAX_DEPTH => waiting.push(key.into()),
                FileType::RegularFile if key.as_str().starts_with(prefix) => {
                    let modified = timestamp(stat.st_mtime, stat.st_mtime_nsec as i64);
                    found.push(Entry { key, size: stat.st_size as u64, modified });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The key of a name in `directory`; nothing for `.`, temporary files and what no writer of ours made.
fn key_below(directory: &str, name: &[u8]) -> Option<Key> {
    let name = std::str::from_utf8(name).ok().filter(|name| !name.starts_with(TEMPORARY))?;
    let key = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
    Key::new(key).ok()
}

fn depth(key: &Key) -> usize {
    key.as_str().split('/').count()
}
