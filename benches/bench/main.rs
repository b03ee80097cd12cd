//! `make bench`: measures and writes `docs/benchmarks.md`. Not a test: nothing here passes or fails.
//!
//! `PGCAIRN_BENCH_SCALE` is the size of the data in hundreds of MB (110 makes more than 10 GB), `PGCAIRN_BENCH_RUNS` the number of
//! runs of each measurement, `PGCAIRN_BENCH_MAJOR` the server; with `PGCAIRN_BENCH_ONLY=dump` nothing but dumps is measured, and the page stays as it is.

mod compare;
mod dump;
mod measure;
mod peers;
mod report;
mod s3;
#[path = "../../tests/servers/support/mod.rs"]
mod support;
mod wal;

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
/// Smaller files are caches and catalogs that may vanish, and take no time.
const LARGE: u64 = 1024 * 1024;
/// Starts of the binary.
const STARTS: usize = 50;

fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    if let Some(root) = std::env::var_os(s3::SERVE) {
        return s3::serve::run(Path::new(&root)).unwrap_or_else(|error| panic!("the store ended: {error}"));
    }
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
    let load = fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned();
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
    let mut report = Report::new(&server, runs, &load)?;
    if std::env::var("PGCAIRN_BENCH_ONLY").is_ok_and(|only| only == "dump") {
        dump::dump_and_restore(&server, scale, runs, &mut report)?;
        report.print();
        return server.stop(Shutdown::Fast);
    }
    let site = backup(&server, runs, &mut report)?;
    restore(&site, runs, &mut report)?;
    let store = s3::Store::start()?;
    compare::backup_and_restore(&server, &store, site, runs, &mut report)?;
    wal::push_and_fetch(&server, &store, &mut report)?;
    drop(store);
    // What is measured by now is kept, whatever becomes of the rest.
    report.print();
    dump::dump_and_restore(&server, scale, runs, &mut report)?;
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
        let run = one_backup(&site, server)?;
        kept = Some(site);
        Ok(run)
    };
    let (ours, zstd) = paired(runs, ours, zstd)?;
    report.backup(bytes, &ours, &zstd);
    kept.ok_or("there was no backup".into())
}

/// Its seconds are those of the copy phase.
fn one_backup(site: &Site, server: &Server) -> Outcome<Measured> {
    site.archive_from(server)?;
    let (run, output) = measured(&mut site.command(&["--json", "backup"]))?;
    let line = output.lines().last().unwrap_or_default().to_owned();
    let json: serde_json::Value = serde_json::from_str(&line)?;
    let copy = json["copy_seconds"].as_f64().ok_or(format!("no copy_seconds in {line}"))?;
    let stored = json["stored_bytes"].as_u64().unwrap_or_default();
    Ok(Measured { seconds: copy, bytes: stored, ..run })
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
        measured_runs.push(one_restore(site)?);
    }
    report.restore(&measured_runs);
    Ok(())
}

fn one_restore(site: &Site) -> Outcome<Measured> {
    let target = site.path("restored");
    let mut command = site.command(&["restore", "--backup", "latest", "--target-dir"]);
    command.arg(&target).env("PGCAIRN_IDENTITY", site.identity());
    let (run, _) = measured(&mut command)?;
    scratch::remove(&target);
    Ok(run)
}

fn start_up(report: &mut Report) -> Outcome {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(measured(account().command(binary()).arg("--version"))?.0);
    }
    report.start_up(&starts);
    Ok(())
}
