//! What it says of WAL.

use std::fmt::Write;

use super::Report;
use crate::measure::{Measured, median};
use crate::peers::Peer;

impl Report {
    /// Of a directory and of S3 each.
    pub fn wal(&mut self, pushes: &[Vec<Measured>; 2], fetches: &[Vec<Measured>; 2], peers: &[Peer]) {
        self.section("One `wal push`, one `wal fetch`");
        let _ = writeln!(
            self.text,
            "{} segments of 16 MiB of pgbench's WAL, a process each, into a directory and to S3 in turn. S3 is asked \
             twice, over one connection: for the marker of the repository, and for the segment.\n",
            pushes[0].len()
        );
        let _ = writeln!(self.text, "| | milliseconds, median | least | most |\n|---|---|---|---|");
        for (what, runs) in [("push", pushes), ("fetch", fetches)] {
            self.wal_row(&format!("`pgcairn wal {what}`, directory"), &runs[0]);
            self.wal_row(&format!("`pgcairn wal {what}`, S3"), &runs[1]);
        }
        for peer in peers {
            self.wal_row(&peer.name, &peer.pushes);
        }
        self.text.push('\n');
    }

    fn wal_row(&mut self, name: &str, runs: &[Measured]) {
        if runs.is_empty() {
            let _ = writeln!(self.text, "| {name} | | | |");
            return;
        }
        let ms = |m: &Measured| m.seconds * 1000.0;
        let least = runs.iter().map(ms).fold(f64::INFINITY, f64::min);
        let most = runs.iter().map(ms).fold(0.0, f64::max);
        let _ = writeln!(self.text, "| {name} | {:.0} | {least:.0} | {most:.0} |", median(runs.iter().map(ms)));
    }
}
