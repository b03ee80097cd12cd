//! `wal push` and `wal fetch`, a process each, as PostgreSQL calls them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::measure::{Measured, measured};
use crate::peers;
use crate::report::Report;
use crate::s3::Store;
use crate::support::Outcome;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::site::Site;

/// Segments that are moved one by one.
const SEGMENTS: usize = 20;

/// Segments of real WAL, in turn into a directory and to S3, and then back.
pub fn push_and_fetch(server: &Server, store: &Store, report: &mut Report) -> Outcome {
    let segments = full_segments(server)?;
    let (local, remote) = (Site::new(server)?, store.site(server, "wal")?);
    local.init()?;
    let room = Scratch::new()?;
    let (mut pushes, mut fetches): ([Vec<Measured>; 2], [Vec<Measured>; 2]) = Default::default();
    for segment in &segments {
        for (site, runs) in [&local, &remote].into_iter().zip(&mut pushes) {
            runs.push(push(server, site, segment)?);
        }
    }
    for segment in &segments {
        for (site, runs) in [&local, &remote].into_iter().zip(&mut fetches) {
            runs.push(fetch(server, site, segment, &room)?);
        }
    }
    let peers = peers::push(server, &segments)?;
    report.wal(&pushes, &fetches, &peers);
    Ok(())
}

fn push(server: &Server, site: &Site, segment: &Path) -> Outcome<Measured> {
    let path = format!("pg_wal/{}", name(segment));
    let mut command = site.command(&["wal", "push", &path]);
    measured(command.current_dir(server.data())).map(|run| run.0)
}

fn fetch(server: &Server, site: &Site, segment: &Path, room: &Scratch) -> Outcome<Measured> {
    let mut command = site.command(&["wal", "fetch", &name(segment)]);
    command.arg(room.join("RECOVERYXLOG")).env("PGCAIRN_IDENTITY", site.identity());
    measured(command.current_dir(server.data())).map(|run| run.0)
}

fn name(segment: &Path) -> String {
    segment.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn full_segments(server: &Server) -> Outcome<Vec<PathBuf>> {
    while segments_there(server)?.len() < SEGMENTS {
        server.pgbench(&["-n", "-t", "2000", "-c", "2"])?;
        server.sql("select pg_switch_wal()")?;
    }
    Ok(segments_there(server)?.into_iter().take(SEGMENTS).collect())
}

/// All but the newest, which is still being written.
fn segments_there(server: &Server) -> Outcome<Vec<PathBuf>> {
    let current = server.value("select pg_walfile_name(pg_current_wal_lsn())")?;
    let mut segments: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(server.data().join("pg_wal"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.len() == 24 && name < current {
            segments.push(entry.path());
        }
    }
    segments.sort();
    Ok(segments)
}
