//! Who vouches for a backup, in words.

use crate::model::signature::Standing;

/// In a table.
pub fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Pinned { .. } => "pinned key",
        Standing::Unknown { .. } => "unknown key",
        Standing::Unsigned => "NONE",
        Standing::Wrong { .. } => "WRONG",
    }
}

pub fn sentence(standing: &Standing) -> String {
    match standing {
        Standing::Pinned { key } => format!("by {key}, which is pinned"),
        Standing::Unknown { key } => format!("by {key}, which is not pinned"),
        Standing::Unsigned => "NONE: nobody vouches for it".to_owned(),
        Standing::Wrong { reason } => format!("WRONG: {reason}"),
    }
}
