//! The configuration a restored data directory starts with: recovery settings appended to
//! `postgresql.auto.conf`, and a private `postgresql.conf` where the origin kept its own elsewhere.

use crate::model::control_file::ControlFile;
use crate::model::wal::event::Parameters;

/// Left over from the origin or from an earlier recovery, and wrong here: taken out of
/// `postgresql.auto.conf`.
const REPLACED: [&str; 17] = [
    "allow_in_place_tablespaces",
    "archive_cleanup_command",
    "archive_mode",
    "max_logical_replication_workers",
    "primary_conninfo",
    "primary_slot_name",
    "recovery_end_command",
    "recovery_target",
    "recovery_target_action",
    "recovery_target_inclusive",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_timeline",
    "recovery_target_xid",
    "restore_command",
    "synchronous_standby_names",
];

/// Settings of which at most one may be set (`assign_recovery_target` and its siblings in `xlogrecovery.c`).
const TARGETS: [&str; 5] =
    ["recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_xid"];

/// Made nothing of, wherever they are set: the origin's commands would clear the origin's archive, its delay would
/// hold up recovery, and a synchronous standby that is not there every commit.
const DEFUSED: [(&str, &str); 6] = [
    ("archive_cleanup_command", ""),
    ("recovery_end_command", ""),
    ("primary_conninfo", ""),
    ("primary_slot_name", ""),
    ("recovery_min_apply_delay", "0"),
    ("synchronous_standby_names", ""),
];

/// Would send the server to the origin's directory or files.
const LEADING_AWAY: [&str; 5] = ["data_directory", "hba_file", "ident_file", "external_pid_file", "config_file"];

const HEADING: &str = "# Recovery settings written by pgcairn restore.\n";

/// One setting and its value, unquoted.
pub type Setting = (&'static str, String);

/// `existing` without what must not remain, then `settings`.
///
/// Every target is emptied before ours, and all of `DEFUSED`, because the main file, or one that it includes, may
/// set another. An empty target after a real one would clear that on every version, so ours stands last.
pub fn auto_conf(existing: &[u8], settings: &[Setting]) -> Vec<u8> {
    let must_go = |line: &[u8]| [&REPLACED[..], &LEADING_AWAY].iter().any(|names| sets_one_of(line, names));
    let kept = existing.split_inclusive(|b| *b == b'\n').filter(|line| !must_go(line));
    let mut text: Vec<u8> = kept.flatten().copied().collect();
    if text.last().is_some_and(|b| *b != b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(HEADING.as_bytes());
    let ours = |name: &&str| settings.iter().any(|(set, _)| set == name);
    for name in TARGETS.iter().filter(|name| !ours(name)) {
        text.extend_from_slice(line(name, "").as_bytes());
    }
    for (name, nothing) in DEFUSED {
        text.extend_from_slice(line(name, nothing).as_bytes());
    }
    for (name, value) in settings {
        text.extend_from_slice(line(name, value).as_bytes());
    }
    text
}

/// A restored `postgresql.conf`, or a file that it includes, in which no line leads away from the restored
/// directory; `None` where none did.
pub fn stay_here(file: &[u8]) -> Option<Vec<u8>> {
    let lines = || file.split_inclusive(|b| *b == b'\n');
    let leads_away = |line: &[u8]| {
        sets_one_of(line, &LEADING_AWAY) || Include::of_line(line).is_some_and(|include| include.leads_away())
    };
    if !lines().any(leads_away) {
        return None;
    }
    let edited = lines().flat_map(|line| match leads_away(line) {
        true => [b"# taken out by pgcairn restore: ", line].concat(),
        false => line.to_vec(),
    });
    Some(edited.collect())
}

/// What a configuration file includes, beside itself.
pub fn includes(file: &[u8]) -> Vec<Include> {
    file.split(|b| *b == b'\n').filter_map(Include::of_line).collect()
}

/// `include`, `include_if_exists` or `include_dir` and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include {
    pub path: Vec<u8>,
    pub is_directory: bool,
}

impl Include {
    fn of_line(line: &[u8]) -> Option<Include> {
        let is_directory = sets_one_of(line, &["include_dir"]);
        let includes = is_directory || sets_one_of(line, &["include", "include_if_exists"]);
        includes.then(|| Include { path: value(line), is_directory })
    }

    /// A path that begins at the root is the origin's, even where it led into the data directory.
    pub fn leads_away(&self) -> bool {
        self.path.starts_with(b"/") || self.path.split(|b| *b == b'/').any(|part| part == b"..")
    }
}

/// The value of a line that sets something (`GUC_scanstr`).
fn value(line: &[u8]) -> Vec<u8> {
    let line = line.trim_ascii_start();
    let line = line[name_length(line)..].trim_ascii_start();
    let line = line.strip_prefix(b"=").unwrap_or(line).trim_ascii_start();
    let Some(quoted) = line.strip_prefix(b"'") else {
        let end = line.iter().position(|b| b.is_ascii_whitespace() || *b == b'#').unwrap_or(line.len());
        return line[..end].to_vec();
    };
    let (mut value, mut rest) = (Vec::new(), quoted);
    loop {
        (rest, _) = match rest {
            [b'\'', b'\'', rest @ ..] => (rest, value.push(b'\'')),
            [b'\\', byte, rest @ ..] => (rest, value.push(*byte)),
            [b'\'', ..] | [] => return value,
            [byte, rest @ ..] => (rest, value.push(*byte)),
        };
    }
}

/// `name = 'value'` as PostgreSQL reads it (`GUC_scanstr`: quotes and backslashes are doubled, and a line
/// ends nowhere but at its end).
pub fn line(name: &str, value: &str) -> String {
    format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''").replace('\n', "\\n"))
}

/// One element of a setting that is a list of directories (`SplitDirectoriesString`).
fn list_element(path: &str) -> String {
    let plain = !path.contains([',', '"']) && path.trim() == path;
    if plain { path.to_owned() } else { format!("\"{}\"", path.replace('"', "\"\"")) }
}

/// Whether a line of a configuration file sets one of `names`. Names are case-insensitive, `=` is optional.
fn sets_one_of(line: &[u8], names: &[&str]) -> bool {
    let line = line.trim_ascii_start();
    let name = &line[..name_length(line)];
    names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted.as_bytes()))
}

fn name_length(line: &[u8]) -> usize {
    line.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))).unwrap_or(line.len())
}

/// A `postgresql.conf` for a directory that has none: reachable through a socket of its own, over no
/// network, with what replay requires (`CheckRequiredParameterValues` in `xlogrecovery.c`).
pub fn private_main_file(socket_directory: &str, required: &RequiredSettings) -> String {
    let mut text = String::from(
        "# Written by pgcairn restore, because the origin kept its configuration outside of its data directory.\n\
         # The origin's files, as they were when the backup was made, are in pgcairn_config/.\n",
    );
    text += &line("listen_addresses", "");
    text += &line("unix_socket_directories", &list_element(socket_directory));
    text += &line("unix_socket_permissions", "0700");
    for (name, value) in required_settings(required) {
        text += &line(name, &value);
    }
    text
}

/// For a directory without one: only the operating system's own user gets in.
pub const PRIVATE_HBA: &str = "# Written by pgcairn restore.\nlocal all all peer\n";

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
    required_settings(required).into_iter().filter(|(name, wanted)| !is_enough(name, wanted)).collect()
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

/// As lines of a configuration.
pub fn required_settings(required: &RequiredSettings) -> Vec<Setting> {
    vec![
        ("max_connections", required.max_connections.to_string()),
        ("max_worker_processes", required.max_worker_processes.to_string()),
        ("max_wal_senders", required.max_wal_senders.to_string()),
        ("max_prepared_transactions", required.max_prepared_transactions.to_string()),
        ("max_locks_per_transaction", required.max_locks_per_transaction.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_was_left_over_goes_and_the_rest_stays() {
        let existing = b"# ALTER SYSTEM\nwork_mem = '4MB'\nRecovery_Target_Time '2020-01-01'\n primary_conninfo='x'\nrestore_command_x = 1";
        let settings = [("recovery_target_name", "it's \\ here".to_owned())];
        let written = text(auto_conf(existing, &settings));
        let kept = "# ALTER SYSTEM\nwork_mem = '4MB'\nrestore_command_x = 1\n\
                    # Recovery settings written by pgcairn restore.\n";
        assert!(written.starts_with(kept), "{written}");
        assert!(written.ends_with("\nrecovery_target_name = 'it''s \\\\ here'\n"), "{written}");
    }

    #[test]
    fn all_other_targets_and_commands_are_emptied_before_ours() {
        let written = text(auto_conf(b"", &[("recovery_target_lsn", "0/1".into())]));
        let expected = "recovery_target = ''\nrecovery_target_name = ''\nrecovery_target_time = ''\n\
                        recovery_target_xid = ''\narchive_cleanup_command = ''\nrecovery_end_command = ''\n\
                        primary_conninfo = ''\nprimary_slot_name = ''\nrecovery_min_apply_delay = '0'\n\
                        synchronous_standby_names = ''\n\
                        recovery_target_lsn = '0/1'\n";
        assert!(written.ends_with(expected), "{written}");
        assert_eq!(written.matches("recovery_target_lsn").count(), 1);
    }

    #[test]
    fn no_line_leads_to_the_origin() {
        let edited = stay_here(b"port = 5432\ndata_directory = '/origin'\n").unwrap();
        assert_eq!(text(edited), "port = 5432\n# taken out by pgcairn restore: data_directory = '/origin'\n");
        assert_eq!(stay_here(b"port = 5432\n#data_directory = ''\n"), None);
    }

    #[test]
    fn includes_stay_or_go() {
        let file = b"include 'a''b.conf' # one\ninclude_dir=conf.d\n#include 'x'\n Include_If_Exists '../up'\ninclude = '/etc/x'\n";
        let read: Vec<_> =
            includes(file).into_iter().map(|i| (text(i.path.clone()), i.is_directory, i.leads_away())).collect();
        let due =
            [("a'b.conf", false, false), ("conf.d", true, false), ("../up", false, true), ("/etc/x", false, true)];
        assert_eq!(read, due.map(|(path, is_directory, away)| (path.to_owned(), is_directory, away)));
        let edited = text(stay_here(file).unwrap());
        assert_eq!(edited.matches("# taken out by pgcairn restore: ").count(), 2, "{edited}");
        assert_eq!(stay_here(b"include_dir 'conf.d'\n"), None);
        assert_eq!(text(value(br"include 'a\'b")), "a'b");
    }

    #[test]
    fn a_line_stays_a_line_and_a_directory_one_element() {
        assert_eq!(line("a", "x\ny\\"), "a = 'x\\ny\\\\'\n");
        assert_eq!(list_element("/a b"), "/a b");
        assert_eq!(list_element("/a,b\"c"), "\"/a,b\"\"c\"");
    }

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
