//! What it says of dumps.

use std::fmt::Write;

use super::{MIB, Report};
use crate::dump::Dumps;
use crate::measure::{Measured, median};

impl Report {
    pub fn dumps(&mut self, dumps: &Dumps) {
        self.section("Logical dump and its restore");
        let _ = writeln!(
            self.text,
            "A database of {:.1} GiB, two tables with their primary keys; the programs of the same server, the same cores.\n",
            dumps.bytes as f64 / MIB / 1024.0
        );
        let _ =
            writeln!(self.text, "| `pgcairn` | seconds | beside | seconds | times as fast |\n|---|---|---|---|---|");
        let stream = "`pg_dump -Fc -Z0`, `zstd -3 -T<cores>`, `age`";
        let directory = "`pg_dump -Fd -Z0 -j<cores>`, then `tar`, `zstd -3 -T<cores>`, `age`";
        let restore = "`pg_restore -j<cores>` from a directory, neither decompressed nor opened";
        self.dump_row("`dump`", &dumps.stream, stream);
        self.dump_row("`dump`", &dumps.directory, directory);
        self.dump_row("`dump restore`", &dumps.restore, restore);
        let peak = |runs: &[Measured]| runs.iter().map(|run| run.peak_kib).max().unwrap_or(0) as f64 / 1024.0;
        let _ = writeln!(
            self.text,
            "\nPeak resident memory of `dump`: **{:.0} MiB**, of `dump restore`: **{:.0} MiB**.\n",
            peak(&dumps.stream.0).max(peak(&dumps.directory.0)),
            peak(&dumps.restore.0)
        );
    }

    fn dump_row(&mut self, what: &str, (ours, others): &(Vec<Measured>, Vec<Measured>), other: &str) {
        let seconds = |runs: &[Measured]| median(runs.iter().map(|run| run.seconds));
        let ratio = median(ours.iter().zip(others).map(|(ours, other)| other.seconds / ours.seconds));
        let (a, b) = (seconds(ours), seconds(others));
        let _ = writeln!(self.text, "| {what} | {a:.1} | {other} | {b:.1} | **{ratio:.2}** |");
    }
}
