//! Whether a backup or a dump may be restored, by who signed it. Wherever a key is trusted, this host's own included, only what
//! such a key has signed is restored; where none is, it is said that nobody vouches for it.

use std::fmt;

use crate::model::catalog::CommitMarker;
use crate::model::error::{Code, Error, Result};
use crate::model::key::{BackupId, ClusterKeys, Key};
use crate::model::signature::{PublicKey, Signed, Standing};

pub fn refuse(
    backup: &CommitMarker,
    keys: &ClusterKeys,
    trusted: &[PublicKey],
    accept_unsigned: bool,
) -> Result<Standing> {
    let id = &backup.summary.id;
    refuse_signed(Thing::backup(id), &keys.backup(id), &backup.signed, trusted, accept_unsigned)
}

/// What somebody has signed, and what lists others of its kind.
#[derive(Debug, Clone, Copy)]
pub struct Thing<'i> {
    what: &'static str,
    id: &'i BackupId,
    list: &'static str,
}

impl Thing<'_> {
    pub fn backup(id: &BackupId) -> Thing<'_> {
        Thing { what: "backup", id, list: "pgcairn list" }
    }

    pub fn dump(id: &BackupId) -> Thing<'_> {
        Thing { what: "dump", id, list: "pgcairn dump list" }
    }
}

impl fmt::Display for Thing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.id)
    }
}

/// Of several repositories another may have the marker as it was signed.
pub fn refuse_signed(
    thing: Thing<'_>,
    marker: &Key,
    signed: &Signed,
    trusted: &[PublicKey],
    accept_unsigned: bool,
) -> Result<Standing> {
    let (standing, list) = (signed.standing(trusted), thing.list);
    match &standing {
        accepted if is_accepted(accepted, trusted) => Ok(standing),
        Standing::Unsigned if accept_unsigned => Ok(standing),
        Standing::Wrong { reason } => Err(wrong(thing, marker, reason)),
        Standing::Unknown { key } => {
            let message = format!("{thing} is signed by {key}, and {}", due(trusted));
            Err(Error::new(Code::Untrusted, message).about(marker).hint(format!(
                "if it is the key that init prints on the host of the backup, add --trusted {key}; else restore another one: {list}"
            )))
        }
        Standing::Unsigned | Standing::Pinned { .. } => {
            let message = format!("{thing} is not signed, and {}", due(trusted));
            Err(Error::new(Code::Untrusted, message).about(marker).hint(format!(
                "restore a signed one: {list}; or, where nobody else could write to the repository, add --accept-unsigned"
            )))
        }
    }
}

/// Without any word of the person who restores.
pub fn is_accepted(standing: &Standing, trusted: &[PublicKey]) -> bool {
    match standing {
        Standing::Pinned { .. } => true,
        Standing::Unsigned | Standing::Unknown { .. } => trusted.is_empty(),
        Standing::Wrong { .. } => false,
    }
}

fn due(trusted: &[PublicKey]) -> String {
    let keys: Vec<String> = trusted.iter().map(PublicKey::to_string).collect();
    format!("must be by one of the trusted keys: {}", keys.join(", "))
}

fn wrong(Thing { what, list, .. }: Thing<'_>, key: &Key, reason: &str) -> Error {
    let error = Error::new(Code::Damaged, format!("{key}: its signature is wrong: {reason}")).about(key);
    error.hint(format!("restore another {what}: {list}"))
}

/// One line where nothing is refused and nothing is proven.
pub fn doubt(thing: Thing<'_>, standing: &Standing) -> Option<String> {
    match standing {
        Standing::Unsigned => Some(format!("nobody vouches for {thing}: it is not signed")),
        Standing::Unknown { key } => Some(format!("nobody vouches for {thing}: {key}, who signed it, is not pinned")),
        Standing::Pinned { .. } | Standing::Wrong { .. } => None,
    }
}
