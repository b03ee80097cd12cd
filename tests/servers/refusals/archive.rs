//! The WAL of a planned restore: it breaks, ends too soon or holds what no recovery passes.

use std::fs;

use super::super::support::majors::Installation;
use super::super::support::server::{Server, Shutdown};
use super::super::support::site::Site;
use super::super::support::{Outcome, damage};
use super::{Document, backed_up, follow_pgcairn, plan, proposed};

/// In the first record of a segment, which follows the page's header of 40 bytes: where it links back to.
const LINK_BACK: usize = 40 + 9;

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    server.sql("insert into t values (11)")?;
    server.archive_all()?;
    server.sql("insert into t values (12)")?;
    let last = server.archive_all()?;
    broken(&mut document, &site, &server, &last)?;
    lacking(&mut document, &site)?;
    never_ended(&mut document, &site, &server)?;
    minimal(&mut document, &site, &server)?;
    server.stop(Shutdown::Fast)?;
    document.end()
}

fn broken(document: &mut Document, site: &Site, server: &Server, last: &str) -> Outcome {
    let fork = site.fork()?;
    fs::remove_file(fork.object(&format!("{last}.zst"))?)?;
    let path = server.data().join("pg_wal").join(last);
    let original = fs::read(&path)?;
    damage::flip_bit(&path, LINK_BACK)?;
    fork.run(&["wal", "push", &path.display().to_string()])?.ok()?;
    damage::replace(&path, &original)?;
    let hint = document.restore("the records in the archive are broken", &fork, &["--to", "latest"])?;
    plan(&fork, &["--to", proposed(&hint, "--to '")?])?;
    plan(&fork, &["--to-lsn", proposed(&hint, "--to-lsn ")?])?;
    let arguments = ["--to", "2099-01-01T00:00:00Z"];
    document.restore("a target behind a break of the records", &fork, &arguments)?;
    Ok(())
}

/// Of the segments that the backup needs one is lost, others follow or not.
fn lacking(document: &mut Document, site: &Site) -> Outcome {
    let report = site.run(&["show", "latest", "--json"])?.ok()?.json()?;
    let needed = report["stop_lsn"].as_str().ok_or("no stop LSN")?;
    let needed: pgcairn::model::lsn::Lsn = needed.parse()?;
    let size = report["wal_segment_size"].as_u64().ok_or("no segment size")?;
    let needed = pgcairn::model::wal_name::Segment::before(1, needed, size).name(size).to_string();
    let hole = site.fork()?;
    fs::remove_file(hole.object(&format!("{needed}.zst"))?)?;
    let hint = document.restore("WAL that the backup needs is missing", &hole, &["--backup", "latest"])?;
    follow_pgcairn(&hint)?;
    for object in hole.objects("/wal/00000001/")? {
        if object.file_name().is_some_and(|name| *name.to_string_lossy() > *needed) {
            fs::remove_file(object)?;
        }
    }
    let hint = document.restore("the archive ends before the backup does", &hole, &["--backup", "latest"])?;
    follow_pgcairn(&hint).map(drop)
}

fn never_ended(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let mut client = server.client()?;
    let rows = super::super::support::sql::query(
        &mut client,
        "begin; insert into t values (13); select pg_current_xact_id()::text; prepare transaction 'waits'",
    )?;
    let xid = rows.last().and_then(|row| row.first()).cloned().ok_or("no transaction id")?;
    server.archive_all()?;
    let refused = document.restore("a transaction that has not ended", site, &["--to-xid", &xid])?;
    assert!(refused.contains("--to latest"), "{refused}");
    plan(site, &["--to", "latest"])?;
    server.sql("rollback prepared 'waits'").map(drop)
}

fn minimal(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let minimal = [("wal_level", "minimal"), ("archive_mode", "off"), ("max_wal_senders", "0")];
    minimal.iter().try_for_each(|(name, value)| server.append_setting(name, value))?;
    server.restart()?;
    let again = [("wal_level", "replica"), ("archive_mode", "on"), ("max_wal_senders", "10")];
    again.iter().try_for_each(|(name, value)| server.append_setting(name, value))?;
    server.restart()?;
    server.archive_all()?;
    let hint = document.restore("WAL that was written with wal_level = minimal", site, &["--to", "latest"])?;
    plan(site, &["--to-lsn", proposed(&hint, "--to-lsn ")?, "--exclusive"])?;
    follow_pgcairn(&hint).map(drop)
}
