//! Finished WAL of one cluster and of a clone of it, and small data directories to push it from: pg_control
//! and pg_wal are all that `wal push` looks at.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown, run};
use crate::support::shared::shared;
use crate::support::site::{Run, Site};
use crate::support::{Outcome, full_length};

pub const SEGMENT_SIZE: usize = 1 << 20;
/// Segments that the cluster and its clone have in common.
const COMMON: usize = 5;

/// A stopped cluster with a repository that holds none of its WAL yet.
pub struct Cluster {
    server: Server,
    clone: Server,
    site: Site,
    plain: Site,
    /// In order; the last one has other content in the clone.
    pub segments: Vec<String>,
    pub backup_history: String,
}

/// The one of this major.
pub fn cluster(install: &'static Installation) -> Outcome<Arc<Cluster>> {
    shared(install.major, "archive::cluster", || make(install))
}

fn make(install: &'static Installation) -> Outcome<Cluster> {
    // Archiving that waits: without it the server removes its .backup files.
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    server.sql("create table t (n int, filler text)")?;
    let mut segments = Vec::new();
    for n in 0..COMMON {
        server.sql(&format!("insert into t select {n}, repeat('x', 500) from generate_series(1, 200)"))?;
        segments.push(server.switch_segment()?);
    }
    server.sql(match install.major {
        14 => "select pg_start_backup('x', true, false); select lsn from pg_stop_backup(false, false)",
        _ => "select pg_backup_start('x', true); select lsn from pg_backup_stop(false)",
    })?;
    let names = fs::read_dir(server.data().join("pg_wal"))?.filter_map(|e| e.ok()?.file_name().into_string().ok());
    let backup_history = names.into_iter().find(|name| name.ends_with(".backup")).ok_or("no .backup file")?;
    server.stop(Shutdown::Fast)?;

    let copy = server.scratch().join("clone");
    copy_tree(server.data(), &copy)?;
    let clone = Server::adopt(install, &copy)?;
    for (server, filler) in [(&server, "origin"), (&clone, "clone")] {
        server.start()?;
        server.sql(&format!("insert into t select 0, '{filler}' from generate_series(1, 100)"))?;
        segments.push(server.switch_segment()?);
        server.stop(Shutdown::Fast)?;
    }
    segments.dedup();
    assert_eq!(segments.len(), COMMON + 1, "{segments:?}");

    let (site, plain) = (Site::new(&server)?, Site::unencrypted(&server)?);
    site.init()?;
    plain.init()?;
    Ok(Cluster { server, clone, site, plain, segments, backup_history })
}

pub fn copy_tree(from: &Path, to: &Path) -> Outcome {
    run(account().command("/bin/cp").arg("-a").arg(from).arg(to)).map(drop)
}

impl Cluster {
    /// A data directory and a repository of one's own.
    pub fn place(&self) -> Outcome<Place> {
        Place::new(self.server.install, self.server.data(), self.site.fork()?)
    }

    pub fn unencrypted_place(&self) -> Outcome<Place> {
        let place = Place::new(self.server.install, self.server.data(), self.plain.fork()?)?;
        Ok(Place { encrypted: false, ..place })
    }

    /// The clone's data directory, configured for the same repository as `origin`.
    pub fn clone_of(&self, origin: &Place) -> Outcome<Place> {
        let mut place = Place::new(self.server.install, self.clone.data(), self.site.fork()?)?;
        place.site.share_repository(&origin.site)?;
        Ok(place)
    }
}

/// Just enough of a data directory, and a site that is configured for it.
pub struct Place {
    pub site: Site,
    pub data: PathBuf,
    pub encrypted: bool,
    _scratch: Scratch,
}

impl Place {
    fn new(install: &'static Installation, data: &Path, mut site: Site) -> Outcome<Place> {
        let scratch = Scratch::new()?;
        let own = scratch.join("data");
        for dir in ["", "base", "global", "pg_wal"] {
            account().make_dir(&own.join(dir))?;
        }
        for name in ["PG_VERSION", "global/pg_control"] {
            account().write(&own.join(name), fs::read(data.join(name))?, 0o600)?;
        }
        for entry in fs::read_dir(data.join("pg_wal"))?.flatten().filter(|e| e.path().is_file()) {
            account().write(&own.join("pg_wal").join(entry.file_name()), fs::read(entry.path())?, 0o600)?;
        }
        site.point_at(&Server::adopt(install, &own)?)?;
        Ok(Place { site, data: own, encrypted: true, _scratch: scratch })
    }

    /// A file of pg_wal.
    pub fn wal(&self, name: &str) -> PathBuf {
        self.data.join("pg_wal").join(name)
    }

    pub fn write_wal(&self, name: &str, bytes: &[u8]) -> Outcome {
        Ok(account().write(&self.wal(name), bytes, 0o600)?)
    }

    /// As PostgreSQL calls it: in the data directory, by a relative path.
    pub fn push_command(&self, name: &str) -> Command {
        let mut command = self.site.command(&["wal", "push", &format!("pg_wal/{name}")]);
        command.current_dir(&self.data);
        command
    }

    pub fn push(&self, name: &str) -> Outcome<Run> {
        Run::of(&mut self.push_command(name))
    }

    pub fn fetch_command(&self, options: &[&str], name: &str) -> Command {
        let arguments = [&["wal", "fetch"], options, &[name, RECOVERED]].concat();
        let mut command = self.site.command(&arguments);
        command.current_dir(&self.data).env("PGCAIRN_IDENTITY", self.site.identity());
        command
    }

    pub fn fetch(&self, options: &[&str], name: &str) -> Outcome<Run> {
        Run::of(&mut self.fetch_command(options, name))
    }

    /// Fetches a file; its content, which must have been delivered, and nothing beside it.
    pub fn fetched(&self, name: &str) -> Outcome<Vec<u8>> {
        self.fetch(&[], name)?.ok()?;
        let bytes = fs::read(self.data.join(RECOVERED))?;
        fs::remove_file(self.data.join(RECOVERED))?;
        self.nothing_delivered(name)?;
        Ok(bytes)
    }

    pub fn nothing_delivered(&self, what: &str) -> Outcome {
        let directory = match fs::read_dir(self.data.join("pg_wal")) {
            // Closed by the trial, to all but root.
            Err(closed) if closed.kind() == std::io::ErrorKind::PermissionDenied => return Ok(()),
            directory => directory?,
        };
        let left = directory.flatten().map(|e| e.file_name());
        match left.into_iter().find(|name| name.to_string_lossy().starts_with("RECOVERY")) {
            Some(name) => Err(format!("{what}: {} lies in pg_wal", name.display()).into()),
            None => Ok(()),
        }
    }
}

/// %p of restore_command.
pub const RECOVERED: &str = "pg_wal/RECOVERYXLOG";

/// Every file of a repository, temporary ones too, with what changes when it is written or replaced.
pub fn contents(site: &Site) -> Outcome<BTreeMap<PathBuf, (u64, u64, i64)>> {
    let describe = |path: PathBuf| {
        let m = fs::symlink_metadata(&path)?;
        Ok((path, (m.ino(), m.len(), m.mtime_nsec())))
    };
    site.objects("")?.into_iter().map(describe).collect()
}

/// What archive_command may say of a failure: above 125 the archiver would die.
pub fn refused(run: Run) -> Outcome<Run> {
    run.status_in(1..=125)
}

/// More of something in `make test-all`.
pub fn amount(short: usize, full: usize) -> usize {
    if full_length() { full } else { short }
}
