//! What a scratch server is told on its command line, which no file and no `ALTER SYSTEM` of the origin beats
//! (`PGC_S_ARGV`): a restored copy still has the origin's `postgresql.auto.conf`.

use std::ops::RangeInclusive;

use crate::model::plan::settings_file::Setting;

const EVERY: RangeInclusive<u32> = 0..=u32::MAX;
const FROM_15: RangeInclusive<u32> = 15..=u32::MAX;
const FROM_17: RangeInclusive<u32> = 17..=u32::MAX;
const FROM_18: RangeInclusive<u32> = 18..=u32::MAX;
const ONLY_14: RangeInclusive<u32> = 0..=14;
const UNTIL_15: RangeInclusive<u32> = 0..=15;

type Line = (&'static str, &'static str, RangeInclusive<u32>);

/// For every server of ours. `jit` is off because it breaks where memory may not be both written and executed; shared
/// memory lies in files because /dev/shm is small in containers; the log is what readers of it expect.
const OF_ALL: &[Line] = &[
    ("unix_socket_permissions", "0700", EVERY),
    ("unix_socket_group", "", EVERY),
    ("external_pid_file", "", EVERY),
    ("ssl", "off", EVERY),
    ("bonjour", "off", EVERY),
    ("archive_mode", "off", EVERY),
    ("max_logical_replication_workers", "0", EVERY),
    ("shared_buffers", "128MB", EVERY),
    ("huge_pages", "off", EVERY),
    ("dynamic_shared_memory_type", "mmap", EVERY),
    ("io_method", "worker", FROM_18),
    ("jit", "off", EVERY),
    ("stats_temp_directory", "pg_stat_tmp", ONLY_14),
    ("logging_collector", "off", EVERY),
    ("log_destination", "stderr", EVERY),
    ("log_min_messages", "warning", EVERY),
    ("log_timezone", "UTC", EVERY),
    ("lc_messages", "C", EVERY),
];

/// For a copy, which must neither reach nor run anything of the origin's, nor hide damage. Logical
/// replication would use up the origin's slots, commands and libraries are the origin's, and so are triggers that fire
/// at a login. Autovacuum would change what is there to be looked at, and spend time on it; so would summaries of WAL.
const OF_COPIES: &[Line] = &[
    ("log_line_prefix", "%m [%p] ", EVERY),
    ("log_error_verbosity", "default", EVERY),
    ("log_startup_progress_interval", "10s", FROM_15),
    ("archive_command", "", EVERY),
    ("archive_library", "", FROM_15),
    ("archive_cleanup_command", "", EVERY),
    ("recovery_end_command", "", EVERY),
    ("recovery_min_apply_delay", "0", EVERY),
    ("promote_trigger_file", "", UNTIL_15),
    ("hot_standby", "on", EVERY),
    ("primary_conninfo", "", EVERY),
    ("primary_slot_name", "", EVERY),
    ("sync_replication_slots", "off", FROM_17),
    ("synchronous_standby_names", "", EVERY),
    ("shared_preload_libraries", "", EVERY),
    ("session_preload_libraries", "", EVERY),
    ("local_preload_libraries", "", EVERY),
    ("event_triggers", "off", FROM_17),
    ("transaction_timeout", "0", FROM_17),
    ("summarize_wal", "off", FROM_17),
    ("autovacuum", "off", EVERY),
    ("lc_monetary", "C", EVERY),
    ("lc_numeric", "C", EVERY),
    ("lc_time", "C", EVERY),
    ("ignore_invalid_pages", "off", EVERY),
    ("ignore_checksum_failure", "off", EVERY),
    ("ignore_system_indexes", "off", EVERY),
    ("zero_damaged_pages", "off", EVERY),
];

/// What the data directory of a scratch server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Made by `initdb` for us.
    Ours,
    /// Holds what is somebody's: restored from a backup, or loaded from a dump.
    Restored,
}

/// For a server of this major.
pub fn settings(origin: Origin, major: u32) -> Vec<Setting> {
    let copies = if origin == Origin::Restored { OF_COPIES } else { &[] };
    let known = OF_ALL.iter().chain(copies).filter(|(_, _, majors)| majors.contains(&major));
    known.map(|(name, value, _)| (*name, (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_told_what_it_knows() {
        let names = |major| -> Vec<&str> { settings(Origin::Restored, major).into_iter().map(|s| s.0).collect() };
        assert!(!names(14).contains(&"archive_library") && names(15).contains(&"archive_library"));
        assert!(names(14).contains(&"stats_temp_directory") && !names(15).contains(&"stats_temp_directory"));
        assert!(names(15).contains(&"promote_trigger_file") && !names(16).contains(&"promote_trigger_file"));
        assert!(!names(16).contains(&"event_triggers") && names(17).contains(&"event_triggers"));
        assert!(!settings(Origin::Ours, 18).iter().any(|(name, _)| *name == "archive_command"));
    }
}
