//! The summary of `demo`.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{bytes, count, facts, grouped, seconds, utc};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Demo {
    /// Version of the throw-away server.
    pub postgresql: String,
    /// Rows committed before the mistake; each of them was found again.
    pub orders: u64,
    pub customers: u64,
    /// Of all orders, the same before and after.
    pub fingerprint: String,
    pub orders_during_backup: u64,
    /// Those that only WAL had.
    pub orders_after_backup: u64,
    /// Committed after the mistake, so they did not come back.
    pub customers_after_mistake: u64,
    pub dropped_by_transaction: u32,
    pub dropped_at: Timestamp,
    pub data_bytes: u64,
    pub files: u64,
    pub stored_bytes: u64,
    pub backup_seconds: f64,
    pub wal_segments: u64,
    pub wal_bytes: u64,
    pub restore_seconds: f64,
    /// From the start of the server to its first write.
    pub replay_seconds: f64,
    pub seconds: f64,
    /// Where everything was left, if that was wanted.
    pub kept: Option<PathBuf>,
}

impl Report for Demo {
    const NAME: &'static str = "demo";

    fn human(&self) -> String {
        let Demo { dropped_by_transaction: xid, dropped_at, .. } = self;
        let (data, stored) = (bytes(self.data_bytes), bytes(self.stored_bytes));
        let (files, segments) = (count(self.files, "file"), count(self.wal_segments, "WAL segment"));
        let [backup, restore, replay] = [self.backup_seconds, self.restore_seconds, self.replay_seconds].map(seconds);
        let left = match &self.kept {
            Some(path) => format!("everything in {}, both servers stopped", path.display()),
            None => "nothing: servers stopped, directories removed".to_owned(),
        };
        let rows = [
            ("lost", format!("table orders, dropped by transaction {xid} at {}", utc(*dropped_at))),
            ("recovered", format!("all {} orders, up to the last before the mistake", grouped(self.orders))),
            ("backup", format!("{data} in {files}, stored as {stored}, in {backup}")),
            ("restore", format!("{restore}, then {replay} to replay {segments} ({})", bytes(self.wal_bytes))),
            ("left", left),
            ("took", seconds(self.seconds)),
        ];
        format!("\n{}\n{FOR_YOUR_OWN}", facts(&rows))
    }

    fn next(&self) -> Option<String> {
        Some(match &self.kept {
            Some(path) => format!("pgcairn -c {} list", path.join("demo.toml").display()),
            None => "pgcairn key generate --output ~/pgcairn-identity.txt".to_owned(),
        })
    }
}

const FOR_YOUR_OWN: &str = "\
For your own server (README.md says more):
  1. on another machine: a key, whose public half the server will have
  2. on the server: /etc/pgcairn/main.toml; pgcairn config --help shows one
  3. pgcairn init, pgcairn check, pgcairn backup

";
