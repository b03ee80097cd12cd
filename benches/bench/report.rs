//! The page that `make bench` writes.

mod dump;
mod s3;
mod wal;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::measure::{Measured, median};
use crate::support::Outcome;
use crate::support::server::{Server, run};

const MIB: f64 = 1024.0 * 1024.0;

pub struct Report {
    text: String,
}

impl Report {
    pub fn new(server: &Server, runs: usize, load: &str) -> Outcome<Report> {
        let version = server.value("show server_version")?;
        let size = server.value("select pg_size_pretty(sum(pg_database_size(oid))) from pg_database")?;
        let zstd = run(std::process::Command::new("zstd").arg("--version"))?;
        let mut text = String::from(
            "# Benchmarks\n\nMeasured by `make bench`, which wrote this page. Medians; whole processes where nothing \
             else is said. Run it on your own machine and data before you decide anything.\n\n",
        );
        let _ = writeln!(text, "- machine: {}", machine());
        let _ = writeln!(text, "- load average when it began: {load}, which is the work of others");
        let _ = writeln!(
            text,
            "- pgcairn {} (release build), zstd level 3 but for dumps, age encryption on",
            env!("CARGO_PKG_VERSION")
        );
        let _ = writeln!(
            text,
            "- PostgreSQL {version}, page checksums on; {size}, half of it pgbench's, half rows of text and numbers"
        );
        let _ = writeln!(text, "- {}", zstd.trim().trim_matches('*').trim());
        let _ =
            writeln!(text, "- {runs} runs of each, in turn where two are compared, after one that is not counted\n");
        Ok(Report { text })
    }

    pub fn backup(&mut self, bytes: u64, ours: &[Measured], zstd: &[Measured]) {
        let (copy, alone) = (median(ours.iter().map(|m| m.seconds)), median(zstd.iter().map(|m| m.seconds)));
        let ratio = median(ours.iter().zip(zstd).map(|(o, z)| 100.0 * z.seconds / o.seconds));
        let peak = ours.iter().map(|m| m.peak_kib).max().unwrap_or(0) as f64 / 1024.0;
        let rate = |seconds: f64| bytes as f64 / MIB / seconds;
        let stored = |runs: &[Measured]| median(runs.iter().map(|m| m.bytes as f64)) / MIB;
        self.section("Full backup");
        let _ =
            writeln!(self.text, "The same relation files ({:.1} GiB), the same cores.\n", bytes as f64 / MIB / 1024.0);
        let _ = writeln!(self.text, "| | seconds | MiB/s | stored MiB |\n|---|---|---|---|");
        let _ = writeln!(
            self.text,
            "| copy phase of `pgcairn backup` | {copy:.1} | {:.0} | {:.0} |",
            rate(copy),
            stored(ours)
        );
        let _ = writeln!(
            self.text,
            "| `zstd -3 -T<cores> -c FILES`, output thrown away | {alone:.1} | {:.0} | {:.0} |",
            rate(alone),
            stored(zstd)
        );
        let whole = median(ours.iter().map(|m| m.whole));
        let _ = writeln!(
            self.text,
            "\nThe copy phase runs at **{ratio:.0} %** of zstd alone (gate 75 %, goal 85 %), with page checksums, digests, \
             encryption and durable writes. The whole backup took {whole:.1} s. Peak resident memory: **{peak:.0} MiB** \
             (gate 300, goal 200).\n"
        );
    }

    pub fn restore(&mut self, runs: &[Measured]) {
        let seconds = median(runs.iter().map(|m| m.seconds));
        let peak = runs.iter().map(|m| m.peak_kib).max().unwrap_or(0) as f64 / 1024.0;
        self.section("Full restore");
        let _ = writeln!(
            self.text,
            "`pgcairn restore --backup latest` of that backup, every digest checked, synced to disk: {seconds:.1} s. \
             Peak resident memory: {peak:.0} MiB.\n"
        );
    }

    pub fn start_up(&mut self, runs: &[Measured]) {
        self.section("Start of the binary");
        let ms = median(runs.iter().map(|m| m.seconds * 1000.0));
        let _ = writeln!(self.text, "`pgcairn --version`, process start and end included: {ms:.1} ms.");
    }

    fn section(&mut self, title: &str) {
        let _ = writeln!(self.text, "## {title}\n");
    }

    pub fn print(&self) {
        print!("{}", self.text);
    }

    pub fn write(&self, path: &Path) -> Outcome {
        self.print();
        Ok(fs::write(path, &self.text)?)
    }
}

/// Model of the processor, cores, memory, kernel.
fn machine() -> String {
    let first = |file: &str, field: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default().to_owned();
        line.trim_start_matches([':', '\t', ' ']).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = first("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024 / 1024;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = kernel.trim().split('-').next().unwrap_or_default().to_owned();
    format!("{}, {cores} cores, {memory} GiB, Linux {kernel}", first("/proc/cpuinfo", "model name"))
}
