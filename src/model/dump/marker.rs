//! `dumps/<id>.json`: before it there is no dump, after it there is a complete one.

use super::Summary;
use crate::model::catalog::{CatalogError, sealed};
use crate::model::key::{ClusterKeys, Encryption, Key};
use crate::model::signature::{Signed, SigningKey};

const SIGNED_AS: &[u8] = b"pgcairn 1 dump\n";

/// A dump that exists, and what its signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub summary: Summary,
    pub signed: Signed,
}

pub fn format_marker(summary: &Summary, key: Option<&SigningKey>) -> Result<Vec<u8>, CatalogError> {
    sealed::format(SIGNED_AS, summary, key)
}

/// `key` is where the marker was found; one that belongs elsewhere is refused.
pub fn parse_marker(bytes: &[u8], key: &Key) -> Result<Marker, CatalogError> {
    let (summary, signed): (Summary, Signed) = sealed::parse(SIGNED_AS, bytes)?;
    let own = ClusterKeys::new(&summary.cluster, summary.system_identifier, Encryption::None).dump(&summary.id);
    if own == *key { Ok(Marker { summary, signed }) } else { Err(CatalogError::OtherBackup(own)) }
}
