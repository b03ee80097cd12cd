//! A small file system, which needs the right to mount.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::account::{account, is_root};
use super::server::run;
use super::{Outcome, Stop, skip, summary};

/// Unmounted with this value.
#[derive(Debug)]
pub struct Mounted(PathBuf);

impl Mounted {
    /// A directory of the account's, made where it is not there. Skipped where nothing can be mounted.
    pub fn over(path: &Path, options: &str) -> Outcome<Mounted> {
        if !is_root() {
            return skip("mounting needs root");
        }
        fs::create_dir_all(path)?;
        if run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path)).is_err() {
            return skip("this machine does not let root mount");
        }
        let mounted = Mounted(path.to_owned());
        account().own(path)?;
        Ok(mounted)
    }

    /// For a part of a trial: where nothing can be mounted, the summary says that `what` was left out.
    pub fn for_part(path: &Path, options: &str, (major, what): (u32, &str)) -> Outcome<Option<Mounted>> {
        match Mounted::over(path, options) {
            Err(Stop::Skip(reason)) => {
                summary::left_out(major, what, &reason);
                Ok(None)
            }
            mounted => mounted.map(Some),
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn remount(&self, options: &str) -> Outcome {
        run(Command::new("mount").arg("-o").arg(format!("remount,{options}")).arg(&self.0)).map(drop)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A server that ends may have files open there.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
