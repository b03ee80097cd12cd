//! Which keys were shown to open the backups of a cluster.

use crate::model::error::Result;
use crate::model::key::ClusterKeys;
use crate::model::key_check::Record;
use crate::operation::records;
use crate::store::Reader;

/// Newest first. One that cannot be read proves nothing.
pub fn newest(reader: &Reader, keys: &ClusterKeys) -> Result<impl Iterator<Item = Result<Record>>> {
    records::newest(reader, &keys.key_checks(), |bytes| Record::parse(bytes).ok())
}
