//! The commit marker of a backup: the summary, and what vouches for its bytes.

use super::{CatalogError, Summary, sealed};
use crate::model::key::{ClusterKeys, Encryption, Key};
use crate::model::signature::{Signed, SigningKey};

const SIGNED_AS: &[u8] = b"pgcairn 1 commit\n";

/// A backup that exists, and what its signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitMarker {
    pub summary: Summary,
    pub signed: Signed,
}

pub fn format_commit_marker(summary: &Summary, key: Option<&SigningKey>) -> Result<Vec<u8>, CatalogError> {
    sealed::format(SIGNED_AS, summary, key)
}

/// `key` is where the marker was found.
pub fn parse_commit_marker(bytes: &[u8], key: &Key) -> Result<CommitMarker, CatalogError> {
    let (mut summary, signed): (Summary, Signed) = sealed::parse(SIGNED_AS, bytes)?;
    let own = own_key(&summary);
    if own != *key {
        return Err(CatalogError::OtherBackup(own));
    }
    summary.is_forged = matches!(signed, Signed::Wrong(_));
    Ok(CommitMarker { summary, signed })
}

/// Where a marker with this summary lies: a genuine one under another name, or in another cluster, is refused.
fn own_key(summary: &Summary) -> Key {
    ClusterKeys::new(&summary.cluster, summary.system_identifier, Encryption::None).backup(&summary.id)
}

#[cfg(test)]
#[path = "commit_marker_tests.rs"]
mod tests;
