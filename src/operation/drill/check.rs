//! What one check has come to.

use crate::model::drill::Outcome;

/// Of a hundred that were there, so many must be in the copy: what was dropped before the target, or made after it, is not.
pub const LEAST: usize = 90;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub outcome: Outcome,
    pub details: String,
}

impl Finding {
    pub fn passed(details: impl Into<String>) -> Finding {
        Finding { outcome: Outcome::Passed, details: details.into() }
    }

    pub fn failed(details: impl Into<String>) -> Finding {
        Finding { outcome: Outcome::Failed, details: details.into() }
    }

    /// Never taken for passed.
    pub fn not_checked(why: impl Into<String>) -> Finding {
        Finding { outcome: Outcome::NotChecked, details: why.into() }
    }
}
