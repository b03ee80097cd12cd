//! Scratch directories: one per run in a short place (a socket path must stay below 108 bytes), one per server
//! or trial in it, all removed at the end of the run, also after a panic or a signal; what a killed run left
//! behind is removed by the next.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::account::account;
use super::process;

const PREFIX: &str = "pgc.";
const OWNER: &str = "owner.pid";

/// Whether scratch directories stay for a look afterwards.
pub fn keep() -> bool {
    std::env::var_os("PGCAIRN_TEST_KEEP").is_some()
}

fn base() -> PathBuf {
    std::env::var_os("PGCAIRN_TEST_DIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// The directory of this run.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let dir = tempfile::Builder::new().prefix(PREFIX).rand_bytes(4).tempdir_in(base()).unwrap().keep();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(dir.join(OWNER), std::process::id().to_string()).unwrap();
        dir
    })
}

/// A directory of one server or trial, removed with this value.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> std::io::Result<Scratch> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let path = root().join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
        account().make_dir(&path)?;
        Ok(Scratch(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !keep() {
            remove(&self.0);
        }
    }
}

/// Removes a tree; mounts in it and read-only directories do not stop that.
pub fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return;
    }
    for mount in mounts_below(path) {
        let _ = Command::new("umount").arg("--lazy").arg(mount).status();
    }
    let _ = Command::new("chmod").args(["-R", "u+w"]).arg(path).status();
    let _ = fs::remove_dir_all(path);
}

fn mounts_below(path: &Path) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().filter_map(|l| l.split(' ').nth(1)).map(PathBuf::from).filter(|m| m.starts_with(path)).collect()
}

/// Ends the run: no server outlives it, nothing of it stays.
pub fn end() {
    process::stop_all();
    if keep() {
        eprintln!("servers: kept {}", root().display());
    } else {
        remove(root());
    }
}

/// Clears away what runs that were killed have left: their servers, then their directories.
pub fn sweep() {
    let Ok(entries) = fs::read_dir(base()) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.metadata().is_ok_and(|m| m.is_dir() && m.uid() == nix::unistd::geteuid().as_raw());
        let owner = fs::read_to_string(path.join(OWNER)).ok().and_then(|pid| pid.parse().ok());
        if let (true, Some(pid)) = (ours, owner)
            && !process::alive(pid)
        {
            process::stop_below(&path);
            remove(&path);
        }
    }
}
