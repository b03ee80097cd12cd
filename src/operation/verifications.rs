//! What runs of `verify` have left in the repository.

use crate::model::error::Result;
use crate::model::key::ClusterKeys;
use crate::model::verification::Record;
use crate::operation::records;
use crate::store::Reader;

/// Newest first. One that cannot be read proves nothing.
pub fn newest(reader: &Reader, keys: &ClusterKeys) -> Result<impl Iterator<Item = Result<Record>>> {
    records::newest(reader, &keys.verifications(), |bytes| Record::parse(bytes).ok())
}
