//! `make bench`: measures and writes `docs/benchmarks.md`. Not a test: nothing here passes or fails.
//!
//! `PGCAIRN_BENCH_SCALE` is the size of the data in hundreds of MB (110 makes more than 10 GB), `PGCAIRN_BENCH_RUNS` the number of
//! runs of each measurement, `PGCAIRN_BENCH_MAJOR` the server.

mod measure;
mod peers;
mod report;
#[path = "../../tests/servers/support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use measure::{Measured, measured, paired};
use report::Report;
use support::account::account;
use support::majors;
use support::server::{Server, Shutdown};
use support::site::{Site, binary};
use support::{Outcome, Stop, scratch};

const DEFAULT_SCALE: u32 = 110;

/// Half of the data is pgbench's, which is nearly all blanks, half are rows that compress as text and
/// numbers do.
const PGBENCH_PER_HUNDRED_MB: u32 = 7;
const ROWS_PER_HUNDRED_MB: u32 = 380_000;
const ROWS: &str = "create table notes as select i as id, md5(i::text) as author, md5((i * 7)::text) as title, \
     timestamptz '2026-01-01' + i * interval '1 second' as written, i % 97 as weight from generate_series(1, ";
const DEFAULT_RUNS: usize = 3;
const DEFAULT_MAJOR: u32 = 18;
/// Segments that are pushed one by one.
const SEGMENTS: usize = 20;
/// Smaller files are caches and catalogs that may vanish, and take no time.
const LARGE: u64 = 1024 * 1024;
/// Starts of the binary.
const STARTS: usize = 50;

fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    scratch::sweep();
    let result = bench();
    scratch::end();
    match result {
        Ok(()) => {}
        Err(Stop::Skip(reason) | Stop::Fail(reason)) => {
            eprintln!("bench: {reason}");
            std::process::exit(1);
        }
    }
}

fn bench() -> Outcome {
    let scale = number("PGCAIRN_BENCH_SCALE", DEFAULT_SCALE);
    let runs = number("PGCAIRN_BENCH_RUNS", DEFAULT_RUNS);
    let major = number("PGCAIRN_BENCH_MAJOR", DEFAULT_MAJOR);
    let installed = majors::installed(&[major]);
    let install = installed.first().ok_or(format!("PostgreSQL {major} is not there: scripts/servers {major}"))?;
    eprintln!("bench: filling a server");
    let server = Server::builder(install)
        .setting("archive_mode", "on")
        .setting("max_wal_size", "'4GB'")
        .setting("shared_buffers", "'512MB'")
        .setting("archive_command", "'exit 0 # %p'")
        .start()?;
    server.pgbench(&["-i", "-q", "-s", &(scale * PGBENCH_PER_HUNDRED_MB / 2).to_string()])?;
    server.sql(&format!("{ROWS}{}) i", u64::from(scale) * u64::from(ROWS_PER_HUNDRED_MB)))?;
    server.sql("vacuum (freeze, analyze)")?;
    server.sql("checkpoint")?;
    let mut report = Report::new(&server, runs)?;
    let site = backup(&server, runs, &mut report)?;
    restore(&site, runs, &mut report)?;
    wal_push(&server, &mut report)?;
    start_up(&mut report)?;
    server.stop(Shutdown::Fast)?;
    report.write(Path::new("docs/benchmarks.md"))
}

/// Full backups in turn with zstd alone, so that a machine whose speed drifts slows both.
/// Each backup has a repository of its own, of which one at a time is there.
fn backup(server: &Server, runs: usize, report: &mut Report) -> Outcome<Site> {
    let files = data_files(server.data())?;
    let bytes: u64 = files.iter().map(|file| fs::metadata(file).map_or(0, |m| m.len())).sum();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let zstd = || -> Outcome<Measured> {
        let mut command = account().command("zstd");
        command.args(["-3", "-q", "-c", &format!("-T{cores}")]).args(&files);
        measured(&mut command).map(|run| run.0)
    };
    let mut kept = None;
    let ours = || -> Outcome<Measured> {
        kept = None;
        let site = Site::new(server)?;
        site.init()?;
        site.archive_from(server)?;
        let (run, output) = measured(&mut site.command(&["--json", "backup"]))?;
        let line = output.lines().last().unwrap_or_default().to_owned();
        let json: serde_json::Value = serde_json::from_str(&line)?;
        let copy = json["copy_seconds"].as_f64().ok_or(format!("no copy_seconds in {line}"))?;
        let stored = json["stored_bytes"].as_u64().unwrap_or_default();
        kept = Some(site);
        Ok(Measured { seconds: copy, whole: run.seconds, bytes: stored, ..run })
    };
    let (ours, zstd) = paired(runs, ours, zstd)?;
    report.backup(bytes, &ours, &zstd);
    kept.ok_or("there was no backup".into())
}

/// Files that do not come and go, largest first: what takes the time of a copy.
fn data_files(data: &Path) -> Outcome<Vec<PathBuf>> {
    let mut files = Vec::new();
    for database in fs::read_dir(data.join("base"))? {
        for file in fs::read_dir(database?.path())? {
            files.push(file?.path());
        }
    }
    files.retain(|file| fs::metadata(file).is_ok_and(|m| m.len() >= LARGE));
    files.sort_by_key(|file| std::cmp::Reverse(fs::metadata(file).map_or(0, |m| m.len())));
    Ok(files)
}

fn restore(site: &Site, runs: usize, report: &mut Report) -> Outcome {
    let mut measured_runs = Vec::new();
    for _ in 0..runs {
        let target = site.path("restored");
        let mut command = site.command(&["restore", "--backup", "latest", "--target-dir"]);
        command.arg(&target).env("PGCAIRN_IDENTITY", site.identity());
        measured_runs.push(measured(&mut command)?.0);
        scratch::remove(&target);
    }
    report.restore(&measured_runs);
    Ok(())
}

/// Segments of real WAL, each pushed by a process of its own, as archive_command does it.
fn wal_push(server: &Server, report: &mut Report) -> Outcome {
    let segments = full_segments(server)?;
    let site = Site::new(server)?;
    site.init()?;
    let push = |segment: &PathBuf| -> Outcome<Measured> {
        let path = format!("pg_wal/{}", segment.file_name().unwrap_or_default().to_string_lossy());
        let mut command = site.command(&["wal", "push", &path]);
        measured(command.current_dir(server.data())).map(|run| run.0)
    };
    let ours = segments.iter().map(push).collect::<Outcome<Vec<_>>>()?;
    let peers = peers::push(server, &segments)?;
    report.wal_push(&ours, &peers);
    Ok(())
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

fn start_up(report: &mut Report) -> Outcome {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(measured(account().command(binary()).arg("--version"))?.0);
    }
    report.start_up(&starts);
    Ok(())
}
