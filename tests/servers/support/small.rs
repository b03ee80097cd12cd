//! A small cluster, quick to copy and to restore: one database, WAL segments of 1 MiB, one tablespace.

use std::fs;
use std::path::{Path, PathBuf};

use super::Outcome;
use super::account::account;
use super::majors::Installation;
use super::server::{Server, Shutdown};
use super::site::Site;
use super::wait::wait_for;

/// Starts it, with archiving on and no archive_command yet.
pub fn start(install: &'static Installation) -> Outcome<Server> {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    server.sql("update pg_database set datistemplate = false")?;
    ["template0", "template1"].iter().try_for_each(|name| server.sql(&format!("drop database {name}")).map(drop))?;
    account().make_dir(&tablespace(&server))?;
    server.sql(&format!("create tablespace fast location '{}'", tablespace(&server).display()))?;
    server.sql("create table t as select n, repeat('x', 100) as x from generate_series(1, 2000) n")?;
    server.sql("create table f tablespace fast as select n from generate_series(1, 2000) n")?;
    Ok(server)
}

pub fn tablespace(server: &Server) -> PathBuf {
    server.scratch().join("ts")
}

/// One worker, so that two runs make the same calls in the same order.
pub fn one_worker(site: &mut Site) -> Outcome {
    site.configure("[backup]\njobs = 1\n")
}

/// A backup; its id.
pub fn backup(site: &Site) -> Outcome<String> {
    let report = site.run(&["backup", "--json"])?.ok()?;
    let last = report.stdout.lines().last().unwrap_or_default();
    let id = serde_json::from_str::<serde_json::Value>(last)
        .ok()
        .and_then(|json| Some(json.get("id")?.as_str()?.to_owned()));
    id.ok_or_else(|| format!("{}\nnames no backup", report.report()).into())
}

/// Onto the next timeline, by way of a standby that nobody leads.
pub fn promote(server: &Server) -> Outcome {
    server.stop(Shutdown::Fast)?;
    account().write(&server.data().join("standby.signal"), "", 0o600)?;
    server.start()?;
    server.sql("select pg_promote()")?;
    server.wait_promoted()
}

/// Waits until a file of this name lies in the repository.
pub fn wait_object(site: &Site, containing: &str) -> Outcome<PathBuf> {
    wait_for(containing, || Ok(site.objects(containing)?.into_iter().next()))
}

/// What must not be started is not: PostgreSQL finds no control file.
pub fn refuses_to_start(install: &Installation, data: &Path) -> Outcome {
    let log = fs::File::create(data.with_extension("log"))?;
    let mut command = account().command(install.program("postgres"));
    command.arg("-D").arg(data).args(["-c", "listen_addresses="]).arg("-c");
    command.arg(format!("unix_socket_directories={}", data.parent().unwrap_or(data).display()));
    let status = command.stdout(log.try_clone()?).stderr(log).status()?;
    if status.success() { Err(format!("{} was started", data.display()).into()) } else { Ok(()) }
}
