//! The configuration a restored data directory starts with: recovery settings appended to
//! `postgresql.auto.conf`, and a private `postgresql.conf` where the origin kept its own elsewhere.

use super::required_settings::RequiredSettings;
use super::settings_file::{Include, Setting, line, list_element, sets_one_of};

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
    for (name, value) in required.settings() {
        text += &line(name, &value);
    }
    text
}

/// A `pg_hba.conf` for a directory that has none. Whoever may use the socket of [`private_main_file`] is the owner of
/// the directory: he gets in as every role, whatever his own name. Any other socket may be open to all users of the
/// machine: there the names must agree.
pub fn private_hba(socket_is_private: bool, auto_conf: &[u8]) -> &'static str {
    let opened = |line: &[u8]| sets_one_of(line, &["unix_socket_permissions"]) || Include::of_line(line).is_some();
    match socket_is_private && !auto_conf.split(|b| *b == b'\n').any(opened) {
        true => "# Written by pgcairn restore: the socket is its owner's alone.\nlocal all all trust\n",
        false => "# Written by pgcairn restore.\nlocal all all peer\n",
    }
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
    fn includes_that_lead_away_go() {
        let file = b"include conf.d/a.conf\n Include_If_Exists '../up'\ninclude = '/etc/x'\n";
        let edited = text(stay_here(file).unwrap());
        assert_eq!(edited.matches("# taken out by pgcairn restore: ").count(), 2, "{edited}");
        assert_eq!(stay_here(b"include_dir 'conf.d'\n"), None);
    }

    #[test]
    fn only_a_private_socket_is_trusted() {
        let trusts = |private, auto_conf: &[u8]| private_hba(private, auto_conf).contains("trust");
        assert!(trusts(true, b"# unix_socket_permissions = 0777\nwork_mem = '8MB'\n"));
        assert!(!trusts(true, b"Unix_Socket_Permissions = 0777\n"));
        assert!(!trusts(true, b"include 'more.conf'\n"));
        assert!(!trusts(false, b""));
    }
}
