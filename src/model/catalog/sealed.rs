//! A file of two lines: a summary, and what vouches for its bytes.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CatalogError, FORMAT, MAX_COMMIT_MARKER};
use crate::model::sha256::Sha256Sum;
use crate::model::signature::{Signature, Signed, SigningKey};

/// Line two.
#[derive(Serialize, Deserialize)]
pub(super) struct Seal {
    /// Of line one with its line feed: a flipped bit in a number would go unnoticed.
    pub sha256: Sha256Sum,
    /// `null` where nobody signed. It must be there: a damaged name must not make a summary unsigned.
    #[serde(deserialize_with = "Value::deserialize")]
    pub signature: Value,
}

/// What the signature is of; `signed_as` stands in front, so that no signature of something else is one of this.
fn message(signed_as: &[u8], line_one: &[u8]) -> Vec<u8> {
    [signed_as, line_one].concat()
}

fn unreadable(error: serde_json::Error) -> CatalogError {
    CatalogError::Unreadable(error.to_string())
}

pub fn format(signed_as: &[u8], summary: &impl Serialize, key: Option<&SigningKey>) -> Result<Vec<u8>, CatalogError> {
    let mut bytes = serde_json::to_vec(summary).map_err(unreadable)?;
    bytes.push(b'\n');
    let signature = key.map(|key| key.sign(&message(signed_as, &bytes)));
    let signature = serde_json::to_value(signature).map_err(unreadable)?;
    let seal = Seal { sha256: Sha256Sum::of(&bytes), signature };
    serde_json::to_writer(&mut bytes, &seal).map_err(unreadable)?;
    bytes.push(b'\n');
    if bytes.len() > MAX_COMMIT_MARKER { Err(CatalogError::TooLarge(bytes.len())) } else { Ok(bytes) }
}

/// Looks at the versions before anything else, so that a newer format is told from damage.
pub fn parse<T: DeserializeOwned>(signed_as: &[u8], bytes: &[u8]) -> Result<(T, Signed), CatalogError> {
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
    let summary = serde_json::from_slice(line_one).map_err(unreadable)?;
    Ok((summary, signed(&seal.signature, &message(signed_as, line_one))))
}

fn lines(bytes: &[u8]) -> Result<(&[u8], &[u8]), CatalogError> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    match lines[..] {
        [one, two] if two.ends_with(b"\n") => Ok((one, two)),
        [_, _] => Err(CatalogError::Unreadable("line two is cut short".into())),
        _ => Err(CatalogError::Unreadable(format!("{} lines where two are due", lines.len()))),
    }
}

fn signed(signature: &Value, message: &[u8]) -> Signed {
    if signature.is_null() {
        return Signed::No;
    }
    match Signature::deserialize(signature) {
        Err(error) => Signed::Wrong(format!("it cannot be read: {error}")),
        Ok(Signature { key, value }) if key.verifies(message, &value) => Signed::By(key),
        Ok(Signature { key, .. }) => Signed::Wrong(format!("{key} has not signed this summary")),
    }
}
