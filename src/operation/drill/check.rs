//! What one check has come to.

use crate::model::drill::Outcome;
use crate::model::error::{Code, Error};
use crate::postgres::Failure;

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

/// A statement on the copy failed.
pub fn said(error: ::postgres::Error) -> Error {
    Error::new(Code::DrillFailed, format!("the copy says: {}", Failure(&error)))
}
