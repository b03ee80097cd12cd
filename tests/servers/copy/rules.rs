//! What a backup has to copy, as PostgreSQL's documentation of base backups and basebackup.c say it; written for
//! the tests, from nothing of pgcairn.

use std::collections::BTreeSet;

use crate::support::image::{Image, Node};

const NEVER_AT_THE_ROOT: [&[u8]; 9] = [
    b"postmaster.pid",
    b"postmaster.opts",
    b"backup_label.old",
    b"tablespace_map.old",
    b"backup_manifest",
    b"postgresql.auto.conf.tmp",
    b"current_logfiles",
    b"standby.signal",
    b"standby.signal.old",
];

const KEPT_EMPTY: [&[u8]; 8] = [
    b"pg_replslot",
    b"pg_dynshmem",
    b"pg_notify",
    b"pg_serial",
    b"pg_snapshots",
    b"pg_stat_tmp",
    b"pg_subtrans",
    b"log",
];

/// The part of a data directory that a copy must have.
pub fn to_be_copied(whole: &Image, version_directory: &str) -> Image {
    let unlogged: BTreeSet<Vec<u8>> =
        whole.nodes.keys().filter_map(|path| path.strip_suffix(b"_init")).map(<[u8]>::to_vec).collect();
    let wanted = |(path, node): &(&Vec<u8>, &Node)| {
        let parts: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
        let is_tablespace = parts.len() == 2 && parts[0] == b"pg_tblspc";
        let left_out = match node {
            Node::Special => true,
            Node::Link { .. } => !is_tablespace,
            Node::Directory { .. } | Node::File { .. } => false,
        };
        let by_rule = [
            parts.iter().any(|part| part.starts_with(b"pgsql_tmp") || part.starts_with(b"pg_internal.init")),
            NEVER_AT_THE_ROOT.contains(&path.as_slice()),
            parts.len() > 1 && KEPT_EMPTY.contains(&parts[0]),
            parts[0] == b"pg_wal" && !stays_of_wal(&parts, node),
            parts.len() > 2 && parts[0] == b"pg_tblspc" && parts[2] != version_directory.as_bytes(),
            in_database(&parts) && (is_temporary(parts[parts.len() - 1]) || is_unlogged(path, &unlogged)),
        ];
        !left_out && !by_rule.contains(&true)
    };
    let nodes = whole.nodes.iter().filter(wanted).map(|(path, node)| (path.clone(), node.clone()));
    Image { nodes: nodes.collect() }
}

fn stays_of_wal(parts: &[&[u8]], node: &Node) -> bool {
    let known = |name: &[u8]| name == b"archive_status" || name == b"summaries";
    match parts {
        [_] => true,
        [_, name] => known(name) && matches!(node, Node::Directory { .. }),
        _ => false,
    }
}

fn in_database(parts: &[&[u8]]) -> bool {
    match parts.first() {
        Some(&b"base") => parts.len() == 3,
        Some(&b"pg_tblspc") => parts.len() == 5,
        _ => false,
    }
}

/// `t<backend>_<relation>`
fn is_temporary(name: &[u8]) -> bool {
    name.strip_prefix(b"t").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_digit) && rest.contains(&b'_'))
}

/// Every fork but the init fork.
fn is_unlogged(path: &[u8], unlogged: &BTreeSet<Vec<u8>>) -> bool {
    let end = path.iter().rposition(|b| *b == b'/').unwrap_or(0);
    let name = &path[end..];
    let number = end + name.iter().position(|b| *b == b'_' || *b == b'.').unwrap_or(name.len());
    !path.ends_with(b"_init") && unlogged.contains(&path[..number])
}
