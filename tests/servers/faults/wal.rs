//! `wal push` and `wal fetch`, every call of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::strace::{self, Fault, KILLED};
use super::{Tally, order};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown};
use crate::support::site::{Run, Site};

const HISTORY: &str = "00000002.history";
const MISSING: &str = "0000000100000000000000FE";
/// PostgreSQL takes 1 for a file that is not there, 126 for a reason to stop.
const ABSENT: i32 = 1;
const STOP: i32 = 126;

struct Place {
    /// Stopped.
    server: Server,
    scratch: Scratch,
}

pub fn faults(install: &'static Installation, tally: &Tally) -> Outcome {
    let server = Server::builder(install).segment_mib(1).start()?;
    let segment = server.switch_segment()?;
    server.stop(Shutdown::Fast)?;
    let history = server.data().join("pg_wal").join(HISTORY);
    account().write(&history, "1\t0/180000\tno recovery target specified\n", 0o600)?;
    let place = Place { server, scratch: Scratch::new()? };
    let empty = Site::new(&place.server)?;
    empty.init()?;
    for name in [&*segment, HISTORY] {
        place.push(&empty, name, tally)?;
        let full = empty.fork()?;
        full.run(&["wal", "push", &place.path(name)])?.ok()?;
        place.push(&full, name, tally)?;
        place.fetch(&full, name, tally)?;
    }
    let full = empty.fork()?;
    full.run(&["wal", "push", &place.path(&segment)])?.ok()?;
    place.fetch(&full, MISSING, tally)
}

impl Place {
    fn path(&self, name: &str) -> String {
        self.server.data().join("pg_wal").join(name).display().to_string()
    }

    /// Each time into a copy of the repository.
    fn push(&self, before: &Site, name: &str, tally: &Tally) -> Outcome {
        let command = |site: &Site| site.command(&["wal", "push", &self.path(name)]);
        let site = before.fork()?;
        let (calls, run) = strace::record(&command(&site), self.scratch.path())?;
        run.ok()?;
        order::objects_last(&calls, &site.repository())?;
        let (faults, shadowed) = strace::faults(&calls, &[&site.repository()]);
        tally.shadowed(shadowed);
        for fault in tally.choose(faults) {
            let site = before.fork()?;
            let Some(run) = fault.run(&command(&site), self.scratch.path())? else { continue };
            tally.hit();
            let failed = |stop| format!("{fault:?}: {stop:?}\n{}", run.report());
            self.pushed(&site, name, &run).map_err(failed)?;
        }
        Ok(())
    }

    fn pushed(&self, site: &Site, name: &str, run: &Run) -> Outcome {
        if !(0..=125).contains(&run.status) && run.status != KILLED {
            return Err("PostgreSQL's archiver would die of this status".into());
        }
        let there = site.objects(&format!("{name}.zst"))?;
        let there = there.iter().any(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(name)));
        if run.status == 0 && !there {
            return Err("success, and no object".into());
        }
        if there {
            self.delivers(site, name)?;
        }
        site.run(&["wal", "push", &self.path(name)])?.ok()?;
        self.delivers(site, name)
    }

    fn fetch_command(&self, site: &Site, name: &str, to: &Path) -> Command {
        let mut command = site.command(&["wal", "fetch", name, &to.display().to_string()]);
        command.env("PGCAIRN_IDENTITY", site.identity()).current_dir(self.server.data());
        command
    }

    fn to(&self) -> PathBuf {
        self.scratch.join("RECOVERYXLOG")
    }

    fn delivers(&self, site: &Site, name: &str) -> Outcome {
        let _ = fs::remove_file(self.to());
        Run::of(&mut self.fetch_command(site, name, &self.to()))?.ok()?;
        self.same(name)
    }

    fn same(&self, name: &str) -> Outcome {
        let same = fs::read(self.to())? == fs::read(self.path(name))?;
        if same { Ok(()) } else { Err(format!("{name} was delivered with another content").into()) }
    }

    fn fetch(&self, site: &Site, name: &str, tally: &Tally) -> Outcome {
        let command = self.fetch_command(site, name, &self.to());
        let (calls, run) = strace::record(&command, self.scratch.path())?;
        let usual = if name == MISSING { ABSENT } else { 0 };
        run.status_is(usual)?;
        let (faults, shadowed) = strace::faults(&calls, &[&site.repository(), &self.to()]);
        tally.shadowed(shadowed);
        for fault in tally.choose(faults) {
            let _ = fs::remove_file(self.to());
            let Some(run) = fault.run(&command, self.scratch.path())? else { continue };
            tally.hit();
            let failed = |stop| format!("{fault:?}: {stop:?}\n{}", run.report());
            self.fetched(site, name, &fault, &run).map_err(failed)?;
        }
        Ok(())
    }

    /// A fault never looks like the end of the archive, and nothing but the file lies where it belongs.
    fn fetched(&self, site: &Site, name: &str, fault: &Fault, run: &Run) -> Outcome {
        let usual = if name == MISSING { ABSENT } else { 0 };
        // What cannot be taken away is not in the way.
        let tolerated = fault.call.name.starts_with("unlink") && run.status == usual;
        let due = if fault.kills() { KILLED } else { STOP };
        if run.status != due && !tolerated {
            return Err(format!("expected {due}").into());
        }
        let delivered = self.to().exists();
        if name == MISSING {
            return if delivered { Err("a missing file was delivered".into()) } else { Ok(()) };
        }
        if delivered {
            self.same(name)?;
        } else if run.status == 0 {
            return Err("success, and no file".into());
        }
        self.delivers(site, name)
    }
}
