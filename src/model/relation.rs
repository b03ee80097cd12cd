//! What each name in a data directory is, and whether a backup keeps it. Pure rules on names; the walk
//! of `source` applies them (PostgreSQL: `sendDir`, `excludeFiles` and `excludeDirContents` in
//! basebackup.c, `parse_filename_for_nontemp_relation` in reinit.c, `looks_like_temp_rel_name` in fd.c).

use serde::{Deserialize, Serialize};

/// `GLOBALTABLESPACE_OID` and `DEFAULTTABLESPACE_OID`.
pub const GLOBAL_TABLESPACE: u32 = 1664;
pub const DEFAULT_TABLESPACE: u32 = 1663;

/// Of no use in a restored copy, or harmful: `standby.signal` would beat `recovery.signal`, and a
/// point-in-time recovery would never end. Only at the root do they have this meaning.
const SKIPPED_ROOT_FILES: [&[u8]; 15] = [
    b"postmaster.pid",
    b"postmaster.opts",
    b"backup_label",
    b"backup_label.old",
    b"tablespace_map",
    b"tablespace_map.old",
    b"backup_manifest",
    b"backup_manifest.old",
    b"postgresql.auto.conf.tmp",
    b"current_logfiles",
    b"current_logfiles.tmp",
    b"standby.signal",
    b"standby.signal.old",
    b"recovery.signal",
    b"recovery.signal.old",
];

/// What a restore lays beside the data: the WAL that recovery reads, the origin's configuration, the mark of a restore
/// that has not ended, and what a started copy runs with. When the restored cluster is backed up in turn they belong to its past.
pub const RESTORED_WAL: &str = "pgcairn_wal";
pub const CAPTURED_CONFIGURATION: &str = "pgcairn_config";
pub const UNFINISHED_RESTORE: &str = "pgcairn_restore.json";
pub const STARTED_COPY: &str = "pgcairn_server";
const OF_A_RESTORE: [&str; 4] = [RESTORED_WAL, CAPTURED_CONFIGURATION, UNFINISHED_RESTORE, STARTED_COPY];

/// Rebuilt at start-up (`RELCACHE_INIT_FILENAME`) or temporary (`PG_TEMP_FILE_PREFIX`), with whatever follows.
const SKIPPED_PREFIXES: [&[u8]; 2] = [b"pg_internal.init", b"pgsql_tmp"];

/// Directories of the root that a backup keeps empty: PostgreSQL removes or rebuilds what is in them.
const EMPTIED_DIRECTORIES: [&[u8]; 8] = [
    b"pg_replslot",
    b"pg_dynshmem",
    b"pg_notify",
    b"pg_serial",
    b"pg_snapshots",
    b"pg_stat_tmp",
    b"pg_subtrans",
    b"log",
];

/// Directories of pg_wal that a backup keeps, empty.
const WAL_DIRECTORIES: [&[u8]; 2] = [b"archive_status", b"summaries"];

/// Names of the root without which no cluster starts. A symbolic link in their place cannot be skipped.
const ESSENTIAL: [&[u8]; 9] = [
    b"PG_VERSION",
    b"base",
    b"global",
    b"pg_commit_ts",
    b"pg_logical",
    b"pg_multixact",
    b"pg_tblspc",
    b"pg_twophase",
    b"pg_xact",
];

/// A fork of a relation (`ForkNumber`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fork {
    Main,
    Fsm,
    Vm,
    Init,
}

/// The parts of a relation file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationName {
    pub relfilenode: u32,
    pub fork: Fork,
    pub segment: u32,
}

/// One file of one relation's fork. `database` is 0 in the shared tablespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationFile {
    pub tablespace: u32,
    pub database: u32,
    pub name: RelationName,
}

impl RelationFile {
    /// Number, within the fork, of the file's first block: checksums are made with it.
    pub fn first_block(&self, blocks_per_segment: u32) -> u32 {
        self.name.segment.wrapping_mul(blocks_per_segment)
    }
}

impl RelationName {
    /// `parse_filename_for_nontemp_relation`: no leading zeros, so that one relation has one name.
    pub fn parse(name: &[u8]) -> Option<RelationName> {
        let (relfilenode, rest) = positive_number(name)?;
        let (fork, segment) = fork_and_segment(rest)?;
        Some(RelationName { relfilenode, fork, segment })
    }
}

/// The relation file that a path below the data directory leads to; `version_directory` as in [`Place::directory`].
pub fn relation_file_at<'p>(path: impl Iterator<Item = &'p [u8]>, version_directory: &[u8]) -> Option<RelationFile> {
    let mut parts: Vec<&[u8]> = path.collect();
    let name = parts.pop()?;
    let enter = |place: Place, part: &[u8]| match place.directory(part, version_directory) {
        DirectoryRule::Enter(next) => Some(next),
        DirectoryRule::Skip(_) => None,
    };
    match parts.into_iter().try_fold(Place::Root, enter)?.file(name) {
        FileRule::Relation(file) => Some(file),
        _ => None,
    }
}

/// `looks_like_temp_rel_name`: `t<backend>_<relfilenode>`, then fork and segment.
pub fn is_temporary_relation(name: &[u8]) -> bool {
    let Some(rest) = name.strip_prefix(b"t") else { return false };
    let (backend, rest) = split_digits(rest);
    let Some(rest) = rest.strip_prefix(b"_") else { return false };
    let (relfilenode, rest) = split_digits(rest);
    !backend.is_empty() && !relfilenode.is_empty() && fork_and_segment_of_any_number(rest)
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|b| b.is_ascii_digit()).count())
}

/// A decimal number from 1 to 2^32-1 without leading zeros, and what follows it.
fn positive_number(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = split_digits(text);
    let number = parse_oid(digits)?;
    Some((number, rest))
}

/// Exactly one number from 1 to 2^32-1 without leading zeros.
fn parse_oid(digits: &[u8]) -> Option<u32> {
    let plain = digits.iter().all(u8::is_ascii_digit) && digits.first().is_some_and(|b| *b != b'0');
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

fn split_fork(text: &[u8]) -> (Fork, &[u8]) {
    let forks = [(b"_fsm".as_slice(), Fork::Fsm), (b"_vm", Fork::Vm), (b"_init", Fork::Init)];
    let found = forks.into_iter().find_map(|(suffix, fork)| Some((fork, text.strip_prefix(suffix)?)));
    found.unwrap_or((Fork::Main, text))
}

fn fork_and_segment(text: &[u8]) -> Option<(Fork, u32)> {
    let (fork, rest) = split_fork(text);
    match rest {
        b"" => Some((fork, 0)),
        [b'.', digits @ ..] => Some((fork, parse_oid(digits)?)),
        _ => None,
    }
}

fn fork_and_segment_of_any_number(text: &[u8]) -> bool {
    let (_, rest) = split_fork(text);
    match rest {
        b"" => true,
        [b'.', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// A directory of the data directory, as far as the rules tell directories apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Root,
    Base,
    /// pg_tblspc
    Tablespaces,
    /// What pg_tblspc/<oid> is or points to; other majors' directories may lie in it too.
    Tablespace(u32),
    /// PG_<major>_<catalog version> within a tablespace.
    TablespaceVersion(u32),
    /// A directory of relations: global, base/<n>, or a database's directory in a tablespace.
    Relations {
        tablespace: u32,
        database: u32,
    },
    Wal,
    /// A directory that is kept while nothing in it is.
    Emptied,
    Other,
}

/// Why something is left out by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skip {
    /// In the list of names that mean nothing, or harm, in a copy.
    ByName,
    /// In a directory that is kept empty.
    Contents,
    /// Of another major version, in a tablespace that both use.
    OtherVersion,
    TemporaryRelation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRule {
    Skip(Skip),
    Relation(RelationFile),
    /// global/pg_control, copied last.
    ControlFile,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DirectoryRule {
    Skip(Skip),
    Enter(Place),
}

impl Place {
    /// What a regular file called `name` in this directory is.
    pub fn file(self, name: &[u8]) -> FileRule {
        match self {
            Place::Root if SKIPPED_ROOT_FILES.contains(&name) || is_of_a_restore(name) => FileRule::Skip(Skip::ByName),
            _ if has_skipped_prefix(name) => FileRule::Skip(Skip::ByName),
            Place::Wal | Place::Emptied => FileRule::Skip(Skip::Contents),
            Place::Tablespace(_) => FileRule::Skip(Skip::OtherVersion),
            Place::Relations { database: 0, .. } if name == b"pg_control" => FileRule::ControlFile,
            Place::Relations { tablespace, database } => relation_file(tablespace, database, name),
            _ => FileRule::Other,
        }
    }

    /// What a directory called `name` in this directory is. `version_directory` is ours:
    /// `PG_<major>_<catalog version>`.
    pub fn directory(self, name: &[u8], version_directory: &[u8]) -> DirectoryRule {
        if has_skipped_prefix(name) || (self == Place::Root && is_of_a_restore(name)) {
            return DirectoryRule::Skip(Skip::ByName);
        }
        let oid = parse_oid(name);
        DirectoryRule::Enter(match (self, oid) {
            (Place::Root, _) => root_directory(name),
            (Place::Base, Some(database)) => Place::Relations { tablespace: DEFAULT_TABLESPACE, database },
            (Place::Tablespaces, Some(oid)) => Place::Tablespace(oid),
            (Place::Tablespace(oid), _) if name == version_directory => Place::TablespaceVersion(oid),
            (Place::Tablespace(_), _) => return DirectoryRule::Skip(Skip::OtherVersion),
            (Place::TablespaceVersion(tablespace), Some(database)) => Place::Relations { tablespace, database },
            (Place::Wal, _) if WAL_DIRECTORIES.contains(&name) => Place::Emptied,
            (Place::Wal | Place::Emptied, _) => return DirectoryRule::Skip(Skip::Contents),
            _ => Place::Other,
        })
    }

    /// True where a symbolic link called `name` takes the place of something a copy cannot do without.
    pub fn is_essential(self, name: &[u8]) -> bool {
        match self {
            Place::Root => ESSENTIAL.contains(&name),
            Place::Base | Place::TablespaceVersion(_) => parse_oid(name).is_some(),
            Place::Tablespace(_) => name.starts_with(b"PG_"),
            Place::Relations { database, .. } => {
                RelationName::parse(name).is_some() || (database == 0 && name == b"pg_control")
            }
            _ => false,
        }
    }

    /// True where a symbolic link called `name` stands for a directory whose contents are not wanted:
    /// the copy gets a directory in its place (`convert_link_to_directory`).
    pub fn is_emptied(self, name: &[u8]) -> bool {
        self == Place::Root && (name == b"pg_wal" || EMPTIED_DIRECTORIES.contains(&name))
    }
}

fn has_skipped_prefix(name: &[u8]) -> bool {
    SKIPPED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn is_of_a_restore(name: &[u8]) -> bool {
    OF_A_RESTORE.iter().any(|known| known.as_bytes() == name)
}

fn root_directory(name: &[u8]) -> Place {
    match name {
        b"base" => Place::Base,
        b"global" => Place::Relations { tablespace: GLOBAL_TABLESPACE, database: 0 },
        b"pg_tblspc" => Place::Tablespaces,
        b"pg_wal" => Place::Wal,
        _ if EMPTIED_DIRECTORIES.contains(&name) => Place::Emptied,
        _ => Place::Other,
    }
}

fn relation_file(tablespace: u32, database: u32, name: &[u8]) -> FileRule {
    match RelationName::parse(name) {
        Some(name) => FileRule::Relation(RelationFile { tablespace, database, name }),
        // basebackup.c looks for temporary relations only in databases' directories.
        None if database != 0 && is_temporary_relation(name) => FileRule::Skip(Skip::TemporaryRelation),
        None => FileRule::Other,
    }
}

#[cfg(test)]
#[path = "relation_tests.rs"]
mod tests;
