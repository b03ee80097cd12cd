//! Backups that tell of another time: the plaintext of the commit marker is written anew, and objects get the times
//! at which they would have been stored.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};

use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::marker;
use crate::support::server::Server;
use crate::support::site::{Run, Site};
use crate::support::small;

/// A server, a site, and ids of backups with one more row of `seen` each.
pub struct Aged {
    pub server: Server,
    pub site: Site,
    /// Oldest first.
    pub ids: Vec<String>,
}

impl Aged {
    /// One backup for each age in days, the oldest first; `lines` of the configuration.
    pub fn new(install: &'static Installation, lines: &str, days: &[i64]) -> Outcome<Aged> {
        let server = small::start(install)?;
        let mut site = Site::new(&server)?;
        site.configure(lines)?;
        site.init()?;
        site.archive_from(&server)?;
        server.sql("create table seen (n int)")?;
        let mut aged = Aged { server, site, ids: Vec::new() };
        for _ in days {
            aged.one_more()?;
        }
        for (id, days) in aged.ids.iter().zip(days) {
            set_age(&aged.site, id, *days)?;
        }
        Ok(aged)
    }

    pub fn one_more(&mut self) -> Outcome {
        self.server.sql(&format!("insert into seen values ({})", self.ids.len()))?;
        self.server.archive_all()?;
        self.ids.push(small::backup(&self.site)?);
        Ok(())
    }

    /// Restores a backup to its own end, starts it and counts: row n was written before backup n.
    pub fn restores(&self, site: &Site, number: usize) -> Outcome {
        let rows = self.rows_after(site, &["--backup", &self.ids[number], "--action", "promote"])?;
        assert_eq!(rows, (number + 1).to_string(), "{}", self.ids[number]);
        Ok(())
    }

    pub fn rows_after(&self, site: &Site, target: &[&str]) -> Outcome<String> {
        let place = tempfile_name();
        let (copy, fast) = (site.path(&place), site.path(&format!("{place}-ts")));
        let mapping = format!("{}={}", small::tablespace(&self.server).display(), fast.display());
        let target_dir = copy.display().to_string();
        let words = ["restore", "--target-dir", &target_dir, "--tablespace", &mapping];
        site.run_with_identity(&[&words[..], target].concat())?.ok()?;
        let restored = Server::adopt(self.server.install, &copy)?;
        restored.start()?;
        restored.wait_promoted()?;
        restored.value("select count(*) from seen")
    }

    /// The plan of a restore reads every record of WAL that is needed.
    pub fn plans(&self, site: &Site, number: usize) -> Outcome<Run> {
        let target = site.path(&tempfile_name()).display().to_string();
        let fast = site.path(&tempfile_name()).display().to_string();
        let mapping = format!("{}={fast}", small::tablespace(&self.server).display());
        let id = &self.ids[number];
        let words = ["restore", "--target-dir", &target, "--tablespace", &mapping, "--plan", "--backup", id];
        site.run_with_identity(&words)?.ok()
    }
}

fn tempfile_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("copy{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The backup was made that many days ago.
pub fn set_age(site: &Site, id: &str, days: i64) -> Outcome {
    let path = site.object(&format!("/backups/{id}.json"))?;
    let when = Timestamp::now() - SignedDuration::from_hours(24 * days);
    marker::edit(site, &path, |summary| (summary.started, summary.stopped) = (when, when))?;
    for object in site.objects(id)? {
        stored(&object, days)?;
    }
    Ok(())
}

/// The object was stored that many days ago.
pub fn stored(object: &Path, days: i64) -> Outcome {
    let when = SystemTime::now() - Duration::from_secs(24 * 3600 * days as u64);
    Ok(fs::File::options().write(true).open(object)?.set_modified(when)?)
}

/// The grace time is over.
pub fn grace_over(site: &Site) -> Outcome {
    let gone_by = site.objects("/condemned/")?.into_iter().chain(site.objects("/trash/")?);
    gone_by.into_iter().try_for_each(|object| stored(&object, 8))
}

pub fn listed(site: &Site, words: &[&str]) -> Outcome<Vec<String>> {
    let list = site.run(&[&["list", "--json"], words].concat())?.ok()?.json()?;
    let id = |row: &serde_json::Value| row["id"].as_str().unwrap_or_default().to_owned();
    Ok(list["backups"].as_array().into_iter().flatten().map(id).collect())
}
