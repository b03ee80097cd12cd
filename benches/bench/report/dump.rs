//! What it says of dumps.

use std::fmt::Write;

use super::{MIB, Report};
use crate::dump::{Dumps, Row};
use crate::measure::{Measured, median};

impl Report {
    pub fn dumps(&mut self, dumps: &Dumps) {
        self.section("Logical dump and its restore");
        let _ = writeln!(
            self.text,
            "A database of {:.1} GiB, half of it pgbench's, half rows of text and numbers; the programs of the same server, the \
             same cores. A dump is compressed at level 1 where the configuration says nothing else \
             ([why](decisions/0021-dumps-at-level-1.md)).\n",
            dumps.bytes as f64 / MIB / 1024.0
        );
        for (rows, stored) in [(&dumps.dumps, ", stored MiB"), (&dumps.restores, "")] {
            let head = format!("| `pgcairn` | seconds{stored} | beside | seconds{stored} | times as fast |");
            let _ = writeln!(self.text, "{head}\n|---|---|---|---|---|");
            rows.iter().for_each(|row| self.dump_row(row));
            let _ = writeln!(self.text);
        }
        let peak = |rows: &[Row]| {
            rows.iter().flat_map(|row| &row.ours.1).map(|run| run.peak_kib).max().unwrap_or(0) as f64 / 1024.0
        };
        let _ = writeln!(
            self.text,
            "Peak resident memory of `dump`: **{:.0} MiB**, of `dump restore`: **{:.0} MiB**.\n",
            peak(&dumps.dumps),
            peak(&dumps.restores)
        );
    }

    fn dump_row(&mut self, row: &Row) {
        let ((what, ours), (beside, others)) = (&row.ours, &row.beside);
        let seconds = |runs: &[Measured]| median(runs.iter().map(|run| run.seconds));
        let ratio = median(ours.iter().zip(others).map(|(ours, other)| other.seconds / ours.seconds));
        let [own_stored, others_stored] = match row.stored {
            Some((ours, others)) => [format!(", {ours:.0}"), format!(", {others:.0}")],
            None => Default::default(),
        };
        let (a, b) = (seconds(ours), seconds(others));
        let _ =
            writeln!(self.text, "| {what} | {a:.1}{own_stored} | {beside} | {b:.1}{others_stored} | **{ratio:.2}** |");
    }
}
