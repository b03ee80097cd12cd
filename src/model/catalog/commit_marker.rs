//! Both lines of a commit marker: the summary, and what vouches for its bytes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FORMAT, MAX_COMMIT_MARKER, Summary};
use crate::model::key::{ClusterKeys, Encryption, Key};
use crate::model::sha256::Sha256Sum;
use crate::model::signature::{Signature, Signed, SigningKey};

/// Stands before line one in what is signed, so that no signature of something else is one of a backup.
const SIGNED_AS: &[u8] = b"pgcairn 1 commit\n";

/// A backup that exists, and what its signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitMarker {
    pub summary: Summary,
    pub signed: Signed,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    #[error("the commit marker is not readable: {0}")]
    Unreadable(String),
    #[error("the commit marker holds {0} bytes, more than {MAX_COMMIT_MARKER}")]
    TooLarge(usize),
    #[error("the backup needs a reader of format {needed}, this one reads {FORMAT}")]
    TooNew { needed: u32 },
    #[error("the summary in the commit marker has SHA-256 {found}, not {recorded}")]
    Damaged { recorded: Sha256Sum, found: Sha256Sum },
    #[error("the commit marker belongs to {0}")]
    OtherBackup(Key),
}

/// Line two of a commit marker.
#[derive(Serialize, Deserialize)]
struct Seal {
    /// Of line one with its line feed: a flipped bit in a number would go unnoticed.
    sha256: Sha256Sum,
    /// `null` in a backup that nobody signed. It must be there: a damaged name must not make a backup unsigned.
    #[serde(deserialize_with = "Value::deserialize")]
    signature: Value,
}

fn unreadable(error: serde_json::Error) -> CatalogError {
    CatalogError::Unreadable(error.to_string())
}

/// What the signature is of.
fn message(line_one: &[u8]) -> Vec<u8> {
    [SIGNED_AS, line_one].concat()
}

pub fn format_commit_marker(summary: &Summary, key: Option<&SigningKey>) -> Result<Vec<u8>, CatalogError> {
    let mut bytes = serde_json::to_vec(summary).map_err(unreadable)?;
    bytes.push(b'\n');
    let signature = key.map(|key| key.sign(&message(&bytes)));
    let signature = serde_json::to_value(signature).map_err(unreadable)?;
    let seal = Seal { sha256: Sha256Sum::of(&bytes), signature };
    serde_json::to_writer(&mut bytes, &seal).map_err(unreadable)?;
    bytes.push(b'\n');
    if bytes.len() > MAX_COMMIT_MARKER { Err(CatalogError::TooLarge(bytes.len())) } else { Ok(bytes) }
}

/// `key` is where the marker was found. Looks at the versions before anything else, so that a newer format is told
/// from damage.
pub fn parse_commit_marker(bytes: &[u8], key: &Key) -> Result<CommitMarker, CatalogError> {
    #[derive(Deserialize)]
    struct Versions {
        minimum_reader: u32,
    }
    if bytes.len() > MAX_COMMIT_MARKER {
        return Err(CatalogError::TooLarge(bytes.len()));
    }
    let (line_one, line_two) = lines(bytes)?;
    let versions: Versions = serde_json::from_slice(line_one).map_err(unreadable)?;
    if versions.minimum_reader > FORMAT {
        return Err(CatalogError::TooNew { needed: versions.minimum_reader });
    }
    let seal: Seal = serde_json::from_slice(line_two).map_err(unreadable)?;
    let found = Sha256Sum::of(line_one);
    if found != seal.sha256 {
        return Err(CatalogError::Damaged { recorded: seal.sha256, found });
    }
    let mut summary: Summary = serde_json::from_slice(line_one).map_err(unreadable)?;
    let own = own_key(&summary);
    if own != *key {
        return Err(CatalogError::OtherBackup(own));
    }
    let signed = signed(&seal.signature, line_one);
    summary.is_forged = matches!(signed, Signed::Wrong(_));
    Ok(CommitMarker { summary, signed })
}

fn lines(bytes: &[u8]) -> Result<(&[u8], &[u8]), CatalogError> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    match lines[..] {
        [one, two] if two.ends_with(b"\n") => Ok((one, two)),
        [_, _] => Err(CatalogError::Unreadable("line two is cut short".into())),
        _ => Err(CatalogError::Unreadable(format!("{} lines where two are due", lines.len()))),
    }
}

/// Where a marker with this summary lies: a genuine one under another name, or in another cluster, is refused.
fn own_key(summary: &Summary) -> Key {
    ClusterKeys::new(&summary.cluster, summary.system_identifier, Encryption::None).backup(&summary.id)
}

fn signed(signature: &Value, line_one: &[u8]) -> Signed {
    if signature.is_null() {
        return Signed::No;
    }
    match Signature::deserialize(signature) {
        Err(error) => Signed::Wrong(format!("it cannot be read: {error}")),
        Ok(Signature { key, value }) if key.verifies(&message(line_one), &value) => Signed::By(key),
        Ok(Signature { key, .. }) => Signed::Wrong(format!("{key} has not signed this summary")),
    }
}

#[cfg(test)]
#[path = "commit_marker_tests.rs"]
mod tests;
