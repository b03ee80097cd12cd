//! What replay needs a server to be told at least.

use super::settings_file::{Setting, includes, sets_one_of, value};
use crate::model::control_file::ControlFile;
use crate::model::wal::event::Parameters;

/// Settings that a server in recovery must not have lower than the primary had
/// (`CheckRequiredParameterValues` in `xlogrecovery.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredSettings {
    pub max_connections: i32,
    pub max_worker_processes: i32,
    pub max_wal_senders: i32,
    pub max_prepared_transactions: i32,
    pub max_locks_per_transaction: i32,
}

impl RequiredSettings {
    /// As they were when the copy was made.
    pub fn of_control_file(control: &ControlFile) -> RequiredSettings {
        RequiredSettings {
            max_connections: control.max_connections,
            max_worker_processes: control.max_worker_processes,
            max_wal_senders: control.max_wal_senders,
            max_prepared_transactions: control.max_prepared_transactions,
            max_locks_per_transaction: control.max_locks_per_transaction,
        }
    }

    /// As lines of a configuration.
    pub fn settings(&self) -> Vec<Setting> {
        vec![
            ("max_connections", self.max_connections.to_string()),
            ("max_worker_processes", self.max_worker_processes.to_string()),
            ("max_wal_senders", self.max_wal_senders.to_string()),
            ("max_prepared_transactions", self.max_prepared_transactions.to_string()),
            ("max_locks_per_transaction", self.max_locks_per_transaction.to_string()),
        ]
    }

    /// The primary changed them later, and replay passes the change.
    pub fn raise(&mut self, changed: &Parameters) {
        self.max_connections = self.max_connections.max(changed.max_connections);
        self.max_worker_processes = self.max_worker_processes.max(changed.max_worker_processes);
        self.max_wal_senders = self.max_wal_senders.max(changed.max_wal_senders);
        self.max_prepared_transactions = self.max_prepared_transactions.max(changed.max_prepared_transactions);
        self.max_locks_per_transaction = self.max_locks_per_transaction.max(changed.max_locks_per_transaction);
    }
}

/// Those that `main_file` and `auto_conf`, which beats it, may leave lower: on the origin they may have been
/// raised later, in a file that is left out here, or on the server's command line.
pub fn lacking_settings(required: &RequiredSettings, main_file: &[u8], auto_conf: &[u8]) -> Vec<Setting> {
    let includes = !includes(main_file).is_empty();
    let is_enough = |name: &str, wanted: &str| {
        let in_main_file = if includes { Some(None) } else { last_number(main_file, name) };
        let held = match last_number(auto_conf, name).or(in_main_file) {
            Some(value) => value,
            None => DEFAULTS.iter().find(|default| default.0 == name).map(|default| default.1),
        };
        held.is_some_and(|held| wanted.parse().is_ok_and(|wanted: i32| wanted <= held))
    };
    required.settings().into_iter().filter(|(name, wanted)| !is_enough(name, wanted)).collect()
}

/// The last value that a configuration gives to `name`; `Some(None)` for one that is no plain number.
fn last_number(text: &[u8], name: &str) -> Option<Option<i32>> {
    let line = text.split(|b| *b == b'\n').rfind(|line| sets_one_of(line, &[name]))?;
    Some(std::str::from_utf8(&value(line)).ok().and_then(|value| value.parse().ok()))
}

/// What a server has that is told nothing.
const DEFAULTS: [(&str, i32); 5] = [
    ("max_connections", 100),
    ("max_worker_processes", 8),
    ("max_wal_senders", 10),
    ("max_prepared_transactions", 0),
    ("max_locks_per_transaction", 64),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_too_low_is_raised() {
        let required = RequiredSettings {
            max_connections: 300,
            max_worker_processes: 8,
            max_wal_senders: 10,
            max_prepared_transactions: 0,
            max_locks_per_transaction: 64,
        };
        let names = |main: &[u8], auto: &[u8]| -> Vec<&str> {
            lacking_settings(&required, main, auto).into_iter().map(|setting| setting.0).collect()
        };
        assert_eq!(names(b"", b""), ["max_connections"]);
        assert_eq!(names(b"max_connections = 500\nmax_connections = 300 # enough", b""), [""; 0]);
        assert_eq!(names(b"max_connections=500\n", b"Max_Connections '20'\n"), ["max_connections"]);
        assert_eq!(names(b"max_connections=0x1000\n", b""), ["max_connections"]);
        assert_eq!(names(b"include 'x'\nmax_connections 300", b"").len(), 5);
    }
}
