//! Whether a backup may be restored, by who signed it. Wherever a key is trusted, this host's own included, only what
//! such a key has signed is restored; where none is, it is said that nobody vouches for the backup.

use super::failure::OTHER_BACKUP;
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
    refuse_signed(("backup", id), &keys.backup(id), &backup.signed, trusted, accept_unsigned)
}

/// Of several repositories another may have the marker as it was signed.
pub fn refuse_signed(
    (what, id): (&str, &BackupId),
    marker: &Key,
    signed: &Signed,
    trusted: &[PublicKey],
    accept_unsigned: bool,
) -> Result<Standing> {
    let standing = signed.standing(trusted);
    match &standing {
        accepted if is_accepted(accepted, trusted) => Ok(standing),
        Standing::Unsigned if accept_unsigned => Ok(standing),
        Standing::Wrong { reason } => Err(wrong(marker, reason)),
        Standing::Unknown { key } => {
            let message = format!("{what} {id} is signed by {key}, and {}", due(trusted));
            Err(Error::new(Code::Untrusted, message).about(marker).hint(format!(
                "if it is the key that init prints on the host of the backup, add --trusted {key}; else restore another one: pgcairn list"
            )))
        }
        Standing::Unsigned | Standing::Pinned { .. } => {
            let message = format!("{what} {id} is not signed, and {}", due(trusted));
            Err(Error::new(Code::Untrusted, message).about(marker).hint(
                "restore a signed one: pgcairn list; or, where nobody else could write to the repository, add --accept-unsigned",
            ))
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

fn wrong(key: &Key, reason: &str) -> Error {
    Error::new(Code::Damaged, format!("{key}: its signature is wrong: {reason}")).hint(OTHER_BACKUP).about(key)
}

/// One line where nothing is refused and nothing is proven.
pub fn doubt(backup: &CommitMarker, standing: &Standing) -> Option<String> {
    let id = &backup.summary.id;
    match standing {
        Standing::Unsigned => Some(format!("nobody vouches for backup {id}: it is not signed")),
        Standing::Unknown { key } => {
            Some(format!("nobody vouches for backup {id}: {key}, who signed it, is not pinned"))
        }
        Standing::Pinned { .. } | Standing::Wrong { .. } => None,
    }
}
