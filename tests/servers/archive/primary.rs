//! A running primary that archives with `wal push`, and copies of it from the beginning of its archive.

use std::path::PathBuf;
use std::sync::Arc;

use super::cluster::copy_tree;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, run};
use crate::support::shared::shared;
use crate::support::site::Site;
use crate::support::wait::wait_for;

/// Segments after the copies were made.
const SEGMENTS: usize = 6;

pub struct Primary {
    pub server: Server,
    /// Where it archives.
    pub live: Site,
    /// A copy of that repository with just these segments.
    pub site: Site,
    /// Archived after the copies, in order.
    pub segments: Vec<String>,
    /// What a whole recovery must bring back, at least.
    pub rows: u64,
    base: PathBuf,
}

/// The one of this major.
pub fn primary(install: &'static Installation) -> Outcome<Arc<Primary>> {
    shared(install.major, "archive::primary", || make(install))
}

/// A server that archives into a new repository.
pub fn archiving(install: &'static Installation) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").create()?;
    let site = Site::new(&server)?;
    site.init()?;
    server.append_setting("archive_command", &site.archive_command())?;
    server.start()?;
    server.sql("create table t (n bigserial, filler text)")?;
    Ok((server, site))
}

pub fn insert(server: &Server, rows: u64) -> Outcome {
    let text = format!("insert into t (filler) select repeat('x', 200) from generate_series(1, {rows})");
    server.sql(&text).map(drop)
}

pub fn count(server: &Server) -> Outcome<u64> {
    Ok(server.value("select count(*) from t")?.parse()?)
}

fn make(install: &'static Installation) -> Outcome<Primary> {
    let (server, live) = archiving(install)?;
    insert(&server, 10)?;
    live.run(&["backup", "--quiet"])?.ok()?;
    let base = server.scratch().join("base");
    let mut copy = server.program("pg_basebackup");
    copy.args(["--wal-method=none", "--checkpoint=fast", "--no-sync", "--no-manifest", "-D"]).arg(&base);
    run(&mut copy)?;
    let mut segments = Vec::new();
    for _ in 0..SEGMENTS {
        insert(&server, 100)?;
        segments.push(server.archive_all()?);
    }
    let rows = count(&server)?;
    let site = live.fork()?;
    Ok(Primary { server, live, site, segments, rows, base })
}

/// A copy that will recover; the directory goes with it.
pub struct Copy {
    pub server: Server,
    _scratch: Option<Scratch>,
}

impl Primary {
    /// A copy of the base backup with a signal file: `recovery.signal` or `standby.signal`.
    pub fn copy(&self, signal: &str) -> Outcome<Copy> {
        let scratch = Scratch::new()?;
        let data = scratch.join("data");
        copy_tree(&self.base, &data)?;
        account().write(&data.join(signal), b"", 0o600)?;
        Ok(Copy { server: Server::adopt(self.server.install, &data)?, _scratch: Some(scratch) })
    }

    /// A copy by `pgcairn restore --to latest`.
    pub fn restored(&self) -> Outcome<Copy> {
        let scratch = Scratch::new()?;
        let data = scratch.join("data");
        let target = data.display().to_string();
        self.site.run_with_identity(&["restore", "--quiet", "--target-dir", &target, "--to", "latest"])?.ok()?;
        Ok(Copy { server: Server::adopt(self.server.install, &data)?, _scratch: Some(scratch) })
    }
}

impl Copy {
    /// Of a directory that belongs to somebody else.
    pub fn of(server: Server) -> Copy {
        Copy { server, _scratch: None }
    }

    /// Starts the server, which must end by itself without ever having been open.
    pub fn refuses_to_open(&self, what: &str) -> Outcome<String> {
        let before = self.server.log().len();
        self.server.launch()?;
        let opened = ["ready to accept connections", "selected new timeline", "archive recovery complete"];
        let log = || self.server.log()[before..].to_owned();
        let status = wait_for("the server to end or to open", || match self.server.exited()? {
            Some(status) => Ok(Some(status)),
            None if opened.iter().any(|text| log().contains(text)) => Err(format!("{what}: opened\n{}", log()).into()),
            None => Ok(None),
        })?;
        let log = log();
        match opened.iter().find(|text| log.contains(**text)) {
            None if !status.success() && log.contains("FATAL:  could not restore file") => Ok(log),
            found => Err(format!("{what}: ended with {status}, {found:?}\n{log}").into()),
        }
    }

    /// Lets the recovery run to its end; the rows that are there then.
    pub fn opens(&self) -> Outcome<u64> {
        self.server.start()?;
        self.server.wait_promoted()?;
        count(&self.server)
    }
}
