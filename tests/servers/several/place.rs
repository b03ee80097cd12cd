//! A server that archives into two repositories on this machine, `local` and `offsite`.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Site;
use crate::support::{Outcome, damage};

pub struct Place {
    pub server: Server,
    pub site: Site,
}

impl Place {
    /// `lines` are added to the second repository's table.
    pub fn new(install: &'static Installation, lines: &str) -> Outcome<Place> {
        let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
        let mut site = Site::new(&server)?;
        let url = site.path("offsite").display().to_string();
        site.configure(&format!("[[repository]]\nname = \"offsite\"\nurl = \"file://{url}\"\n{lines}"))?;
        site.init()?;
        site.archive_from(&server)?;
        server.sql("create table t as select generate_series(1, 1000) as n")?;
        Ok(Place { server, site })
    }

    pub fn offsite(&self) -> PathBuf {
        self.site.path("offsite")
    }

    pub fn backup(&self) -> Outcome<String> {
        let made = self.site.run(&["backup", "--json"])?.ok()?.result()?;
        Ok(made["id"].as_str().unwrap_or_default().to_owned())
    }

    /// Ids of `list`, each with the repositories that have it.
    pub fn listed(&self) -> Outcome<Vec<(String, String)>> {
        let listed = self.site.run(&["list", "--json"])?.ok()?.json()?;
        let row = |row: &Value| {
            let names: Vec<&str> =
                row["repositories"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            (row["id"].as_str().unwrap_or_default().to_owned(), names.join("+"))
        };
        Ok(listed["backups"].as_array().into_iter().flatten().map(row).collect())
    }

    /// What a restore to the end with these arguments says, and how many rows it brings back.
    pub fn restored(&self, name: &str, arguments: &[&str]) -> Outcome<(String, String)> {
        let target = self.site.path(name);
        let shown = target.display().to_string();
        let words = [&["restore", "--target-dir", &shown], arguments].concat();
        let run = self.site.run_with_identity(&words)?.ok()?;
        let server = Server::adopt(self.server.install, &target)?;
        server.start()?;
        server.wait_promoted()?;
        let rows = server.value("select count(*) from t")?;
        server.stop(Shutdown::Fast)?;
        fs::remove_dir_all(&target)?;
        Ok((run.stderr, rows))
    }
}

/// Objects below a directory whose path contains a text, sorted.
pub fn objects(root: &Path, containing: &str) -> Outcome<Vec<PathBuf>> {
    let (mut found, mut directories) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.to_string_lossy().contains(containing) && !is_half_made(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_half_made(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(pgcairn::store::TEMPORARY))
}

/// The names of all objects of a repository, below its root; what a killed run left half-made is none.
pub fn names(root: &Path, containing: &str) -> Outcome<Vec<String>> {
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap_or(path).display().to_string();
    Ok(objects(root, containing)?.iter().map(name).collect())
}

/// One bit in the middle of each.
pub fn damage_all(objects: &[PathBuf]) -> Outcome {
    assert!(!objects.is_empty());
    objects.iter().try_for_each(|object| damage::flip_bit(object, fs::metadata(object)?.len() as usize / 2))
}
