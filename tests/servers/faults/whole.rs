//! `backup` and `restore` of a small cluster with a tablespace.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::strace;
use super::{Tally, order};
use crate::support::majors::Installation;
use crate::support::scratch::{self, Scratch};
use crate::support::server::{Server, Shutdown};
use crate::support::site::{Run, Site};
use crate::support::{Outcome, full_length, small};

/// A backup that is complete is looked at in full; in short length that the next succeeds is shown this often.
const NEXT_RUN: usize = 6;
const COUNT: &str = "select (select count(*) from t), (select count(*) from f)";
const TARGET_NOT_EMPTY: i32 = 4;

struct Place {
    server: Server,
    site: Site,
    scratch: Scratch,
}

pub fn faults(install: &'static Installation, tally: &Tally) -> Outcome {
    let server = small::start(install)?;
    let mut site = Site::new(&server)?;
    small::one_worker(&mut site)?;
    site.init()?;
    site.archive_from(&server)?;
    let place = Place { server, site, scratch: Scratch::new()? };
    place.backups(tally)?;
    place.restores(tally)
}

impl Place {
    fn backups(&self, tally: &Tally) -> Outcome {
        let command = self.site.command(&["backup"]);
        let (calls, run) = strace::record(&command, self.scratch.path())?;
        run.ok()?;
        order::objects_last(&calls, &self.site.repository())?;
        let (faults, shadowed) = strace::faults(&calls, &[&self.site.repository()]);
        tally.shadowed(shadowed);
        let mut known = self.complete_backups(&BTreeSet::new())?;
        for (number, fault) in tally.choose(faults).into_iter().enumerate() {
            let Some(run) = fault.run(&command, self.scratch.path())? else { continue };
            tally.hit();
            let failed = |stop| format!("{fault:?}: {stop:?}\n{}", run.report());
            let now = self.complete_backups(&known).map_err(failed)?;
            if run.status == 0 && now.len() == known.len() {
                return Err(failed("success, and no backup".into()).into());
            }
            known = now;
            if full_length() || number % NEXT_RUN == 0 {
                known.insert(small::backup(&self.site).map_err(failed)?);
            }
        }
        Ok(())
    }

    /// All that are listed; those not known yet hold everything that a restore needs.
    fn complete_backups(&self, known: &BTreeSet<String>) -> Outcome<BTreeSet<String>> {
        let list = self.site.run(&["list", "--json"])?.ok()?.json()?;
        let rows = list.get("backups").and_then(|rows| rows.as_array()).ok_or("no backups in the list")?;
        let ids: BTreeSet<String> = rows.iter().filter_map(|row| Some(row.get("id")?.as_str()?.to_owned())).collect();
        let (target, tablespace) = (self.target().display().to_string(), self.tablespace_mapping());
        for id in ids.difference(known) {
            let place = ["--target-dir", &target, "--tablespace", &tablespace, "--plan"];
            self.site.run_with_identity(&[&["restore", "--backup", id], &place[..]].concat())?.ok()?;
        }
        Ok(ids)
    }

    fn restore_command(&self) -> Command {
        let target = self.target().display().to_string();
        let tablespace = self.tablespace_mapping();
        let mut command = self.site.command(&["restore", "--to", "latest", "--jobs", "1"]);
        command.args(["--target-dir", &target, "--tablespace", &tablespace]);
        command.env("PGCAIRN_IDENTITY", self.site.identity());
        command
    }

    fn target(&self) -> PathBuf {
        self.scratch.join("restored")
    }

    fn tablespace(&self) -> PathBuf {
        self.scratch.join("restored-ts")
    }

    fn tablespace_mapping(&self) -> String {
        format!("{}={}", small::tablespace(&self.server).display(), self.tablespace().display())
    }

    fn clear(&self) {
        scratch::remove(&self.target());
        scratch::remove(&self.tablespace());
    }

    fn restores(&self, tally: &Tally) -> Outcome {
        self.server.sql("insert into t select n, 'later' from generate_series(1, 500) n")?;
        self.server.archive_all()?;
        let expected = self.server.psql(COUNT)?;
        self.server.stop(Shutdown::Fast)?;
        let command = self.restore_command();
        let (calls, run) = strace::record(&command, self.scratch.path())?;
        run.ok()?;
        order::control_file_comes_last(&calls, &self.target(), &self.tablespace())?;
        let whole = self.content()?;
        let (faults, shadowed) = strace::faults(&calls, &[&self.target(), &self.tablespace(), &self.site.repository()]);
        tally.shadowed(shadowed);
        for fault in tally.choose(faults) {
            self.clear();
            let Some(run) = fault.run(&command, self.scratch.path())? else { continue };
            tally.hit();
            let failed = |stop| format!("{fault:?}: {stop:?}\n{}", run.report());
            self.restored(&run, &whole).map_err(failed)?;
        }
        self.comes_up(&expected)
    }

    /// Complete, or not to be started and made complete by the same command.
    fn restored(&self, run: &Run, whole: &BTreeMap<PathBuf, u64>) -> Outcome {
        let complete = self.target().join("global/pg_control").exists();
        if run.status == 0 && !complete {
            return Err("success, and no control file".into());
        }
        if complete {
            let again = Run::of(&mut self.restore_command())?;
            again.status_is(TARGET_NOT_EMPTY)?;
        } else {
            if self.target().exists() {
                small::refuses_to_start(self.server.install, &self.target())?;
            }
            Run::of(&mut self.restore_command())?.ok()?;
        }
        let found = self.content()?;
        let differs: Vec<_> = whole.iter().filter(|(path, hash)| found.get(*path) != Some(hash)).collect();
        let more: Vec<_> = found.keys().filter(|path| !whole.contains_key(*path)).collect();
        let only_marks =
            more.iter().all(|path| path.ends_with("pgcairn_restore.json")) && (complete || more.is_empty());
        if differs.is_empty() && only_marks {
            return Ok(());
        }
        Err(format!("complete: {complete}; not as it must be: {differs:?}; too many: {more:?}").into())
    }

    /// Every file of the target and its tablespace, by what it holds.
    fn content(&self) -> Outcome<BTreeMap<PathBuf, u64>> {
        let mut files = BTreeMap::new();
        let mut waiting = vec![self.target(), self.tablespace()];
        while let Some(directory) = waiting.pop() {
            for entry in fs::read_dir(&directory)? {
                let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type()))?;
                let kind = kind?;
                if kind.is_dir() {
                    waiting.push(path);
                } else {
                    files.insert(path.clone(), hash(&path, kind.is_symlink())?);
                }
            }
        }
        Ok(files)
    }

    fn comes_up(&self, expected: &str) -> Outcome {
        let restored = Server::adopt(self.server.install, &self.target())?;
        restored.start()?;
        restored.wait_promoted()?;
        assert_eq!(restored.psql(COUNT)?, expected);
        restored.amcheck().map_err(|stop| format!("{stop:?}\n{}", restored.log_tail()).into())
    }
}

fn hash(path: &Path, link: bool) -> Outcome<u64> {
    let mut hasher = DefaultHasher::new();
    let content = if link { fs::read_link(path)?.into_os_string().into_encoded_bytes() } else { fs::read(path)? };
    hasher.write(&content);
    Ok(hasher.finish())
}
