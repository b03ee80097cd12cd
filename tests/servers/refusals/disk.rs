//! Full disks: file systems of a few KiB, which need the right to mount.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::support::Outcome;
use super::super::support::majors::Installation;
use super::super::support::mounted::Mounted;
use super::super::support::server::{Server, Shutdown};
use super::super::support::site::Site;
use super::{Document, backed_up};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    let last = server.archive_all()?;
    server.stop(Shutdown::Fast)?;
    repository(&mut document, &server, &last)?;
    fetch(&mut document, &site, &last)?;
    target(&mut document, &site)?;
    document.end()
}

fn fill(disk: &Mounted) -> Outcome<PathBuf> {
    let filler = disk.path().join("filler");
    let _ = fs::write(&filler, vec![1; 32 << 20]);
    Ok(filler)
}

fn repository(document: &mut Document, server: &Server, last: &str) -> Outcome {
    let site = Site::new(server)?;
    let disk = Mounted::over(&site.repository(), "size=8m")?;
    site.init()?;
    let filler = fill(&disk)?;
    let path = server.data().join("pg_wal").join(last).display().to_string();
    document.refuses("the repository's disk is full", &site, &["wal", "push", &path])?;
    fs::remove_file(filler)?;
    site.run(&["wal", "push", &path])?.ok().map(drop)
}

fn fetch(document: &mut Document, site: &Site, last: &str) -> Outcome {
    let disk = Mounted::over(&site.path("pg_wal"), "size=8m")?;
    let to = disk.path().join("RECOVERYXLOG").display().to_string();
    document.refuses_with_identity("wal fetch onto a full disk", site, &["wal", "fetch", last, &to])?;
    disk.remount("size=64m")?;
    site.run_with_identity(&["wal", "fetch", last, &to])?.ok().map(drop)
}

/// Bytes are counted before; inodes are not.
fn target(document: &mut Document, site: &Site) -> Outcome {
    let disk = Mounted::over(&site.path("small"), "size=512m,nr_inodes=8")?;
    let restore = |target: &Path| {
        let target = target.display().to_string();
        ["restore", "--target-dir", &target, "--to", "latest"].map(str::to_owned)
    };
    let words = restore(&disk.path().join("new"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    document.refuses_with_identity("the target's disk runs full", site, &words)?;
    disk.remount("nr_inodes=100000")?;
    site.run_with_identity(&words)?.ok().map(drop)
}
