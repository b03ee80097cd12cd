//! What it says of a repository on S3.

use std::fmt::Write;

use super::{MIB, Report};
use crate::measure::{Measured, median};

type Pair = (Vec<Measured>, Vec<Measured>);

impl Report {
    /// Pairs of runs with a directory and on S3, and the stored bytes put and got alone.
    pub fn s3(&mut self, backups: &Pair, restores: &Pair, plain: &(Measured, Measured)) {
        self.section("Backup to and restore from S3");
        let _ = writeln!(
            self.text,
            "An S3 server on the same machine, in a process of its own, whose work is done by the same cores: the crate \
             s3s-fs behind HTTP on 127.0.0.1. It checks two SHA-256 of every body and \
             reckons its MD5; of objects it is made to read 256 KiB at once instead of 4. In turn with a \
             repository in a directory.\n"
        );
        let _ = writeln!(
            self.text,
            "| | seconds | speed of local | processor seconds of pgcairn | of the store | peak MiB |\n\
             |---|---|---|---|---|---|"
        );
        for (what, (local, s3)) in [("backup", backups), ("restore", restores)] {
            self.s3_row(&format!("`pgcairn {what}`, directory"), local, None);
            self.s3_row(&format!("`pgcairn {what}`, S3"), s3, Some(speed(local, s3)));
        }
        let (put, get) = plain;
        let _ = writeln!(
            self.text,
            "\nThe gate is 85 % of local speed, whole processes. The stored bytes alone, put by {cores} connections with \
             nothing else to do, take {:.1} s ({:.1} processor seconds of the store), and got {:.1} s ({:.1}). Without \
             those of the store, pgcairn's own processor seconds are **{:.0} %** (backup) and **{:.0} %** (restore) of \
             those with a directory.\n",
            put.seconds,
            put.store_cpu,
            get.seconds,
            get.store_cpu,
            own(backups),
            own(restores),
            cores = std::thread::available_parallelism().map_or(1, usize::from),
        );
    }

    fn s3_row(&mut self, name: &str, runs: &[Measured], speed: Option<f64>) {
        let of = |value: fn(&Measured) -> f64| median(runs.iter().map(value));
        let peak = runs.iter().map(|run| run.peak_kib).max().unwrap_or(0) as f64 * 1024.0 / MIB;
        let speed = speed.map_or(String::new(), |speed| format!("**{speed:.0} %**"));
        let store = speed.is_empty().then(String::new).unwrap_or_else(|| format!("{:.1}", of(|run| run.store_cpu)));
        let (whole, cpu) = (of(|run| run.whole), of(|run| run.cpu));
        let _ = writeln!(self.text, "| {name} | {whole:.1} | {speed} | {cpu:.1} | {store} | {peak:.0} |");
    }
}

/// Whole processes, in percent.
fn speed(local: &[Measured], s3: &[Measured]) -> f64 {
    median(local.iter().zip(s3).map(|(local, s3)| 100.0 * local.whole / s3.whole))
}

/// Processor time on S3, in percent of that with a directory.
fn own((local, s3): &Pair) -> f64 {
    median(local.iter().zip(s3).map(|(local, s3)| 100.0 * s3.cpu / local.cpu))
}
