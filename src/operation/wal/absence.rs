//! A segment is absent at the end of the archive, and in a hole of it. PostgreSQL cannot tell the one from
//! the other and opens the database at both, so `wal fetch` looks around after a miss: one listing, at the
//! end of a recovery.

use crate::model::error::{Code, Error, Result};
use crate::model::wal_name::WalName;
use crate::operation::repository::Opened;

/// Refuses to call it the end where later segments of the timeline are there, and where nothing at all is
/// there of the cluster: its name or system identifier is not the one it was archived under.
pub fn check(opened: &Opened, name: &WalName) -> Result<()> {
    let WalName::Segment(absent) = *name else { return Ok(()) };
    let (reader, keys) = (opened.repository.reader(), &opened.keys);
    let listed = reader.list(&keys.wal_timeline(absent.timeline))?;
    let names = listed.iter().filter_map(|entry| keys.wal_name_of(&entry.key));
    let later = names.filter(|name| matches!(name, WalName::Segment(later) if *later > absent)).min();
    match later {
        Some(later) => Err(hole(name, &later)),
        None if listed.is_empty() && reader.list(&keys.wal())?.is_empty() => Err(unknown(opened)),
        None => Ok(()),
    }
}

fn hole(absent: &WalName, later: &WalName) -> Error {
    Error::new(Code::WalGap, format!("segment {absent} is missing, and the archive goes on at {later}")).hint(
        "push it from the pg_wal of any server that has it, or restore to a moment before it: pgcairn wal list --gaps",
    )
}

fn unknown(opened: &Opened) -> Error {
    let (url, cluster, id) = (opened.repository.url(), &opened.cluster, opened.system_identifier);
    Error::new(Code::NotFound, format!("{url} holds no WAL of cluster {cluster} with system identifier {id}"))
        .hint("the configuration must have the name under which the cluster was archived, perhaps: --cluster NAME")
}
