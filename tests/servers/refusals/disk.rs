//! Full disks: file systems of a few KiB, which need the right to mount.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::super::support::account::{account, is_root};
use super::super::support::majors::Installation;
use super::super::support::server::{Server, Shutdown, run};
use super::super::support::site::Site;
use super::super::support::{Outcome, skip};
use super::{Document, backed_up};

pub fn refusals(install: &'static Installation) -> Outcome {
    if !is_root() {
        return skip("small file systems need root");
    }
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    let last = server.archive_all()?;
    server.stop(Shutdown::Fast)?;
    let Ok(small) = Mounted::new(&site, "small", "size=16m,nr_inodes=8") else { return skip("nothing can be mounted") };
    drop(small);
    repository(&mut document, &server, &last)?;
    fetch(&mut document, &site, &last)?;
    target(&mut document, &site)?;
    document.end()
}

/// A tmpfs below the site, unmounted with this value.
struct Mounted(std::path::PathBuf);

impl Mounted {
    fn new(site: &Site, name: &str, options: &str) -> Outcome<Mounted> {
        let path = site.path(name);
        fs::create_dir_all(&path)?;
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&path))?;
        account().own(&path)?;
        Ok(Mounted(path))
    }

    fn fill(&self) -> Outcome {
        let filler = self.0.join("filler");
        let _ = fs::write(&filler, vec![1; 32 << 20]);
        Ok(())
    }

    fn free(&self) -> Outcome {
        Ok(fs::remove_file(self.0.join("filler"))?)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn repository(document: &mut Document, server: &Server, last: &str) -> Outcome {
    let site = Site::new(server)?;
    let disk = Mounted::new(&site, "repo", "size=8m")?;
    site.init()?;
    disk.fill()?;
    let path = server.data().join("pg_wal").join(last).display().to_string();
    document.refuses("the repository's disk is full", &site, &["wal", "push", &path])?;
    disk.free()?;
    site.run(&["wal", "push", &path])?.ok().map(drop)
}

fn fetch(document: &mut Document, site: &Site, last: &str) -> Outcome {
    let disk = Mounted::new(site, "pg_wal", "size=8m")?;
    let to = disk.0.join("RECOVERYXLOG").display().to_string();
    document.refuses_with_identity("wal fetch onto a full disk", site, &["wal", "fetch", last, &to])?;
    run(Command::new("mount").args(["-o", "remount,size=64m"]).arg(&disk.0))?;
    site.run_with_identity(&["wal", "fetch", last, &to])?.ok().map(drop)
}

/// Bytes are counted before; inodes are not.
fn target(document: &mut Document, site: &Site) -> Outcome {
    let disk = Mounted::new(site, "small", "size=512m,nr_inodes=8")?;
    let restore = |target: &Path| {
        let target = target.display().to_string();
        ["restore", "--target-dir", &target, "--to", "latest"].map(str::to_owned)
    };
    let words = restore(&disk.0.join("new"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    document.refuses_with_identity("the target's disk runs full", site, &words)?;
    run(Command::new("mount").args(["-o", "remount,nr_inodes=100000"]).arg(&disk.0))?;
    site.run_with_identity(&words)?.ok().map(drop)
}
