//! What one check has come to.

use crate::model::drill::Verdict;
use crate::model::error::{Code, Error};
use crate::postgres::Failure;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub outcome: Verdict,
    pub details: String,
}

impl Finding {
    pub fn passed(details: impl Into<String>) -> Finding {
        Finding { outcome: Verdict::Passed, details: details.into() }
    }

    pub fn failed(details: impl Into<String>) -> Finding {
        Finding { outcome: Verdict::Failed, details: details.into() }
    }

    /// Never taken for passed.
    pub fn not_checked(why: impl Into<String>) -> Finding {
        Finding { outcome: Verdict::NotChecked, details: why.into() }
    }
}

/// A statement on the copy failed.
pub fn said(error: ::postgres::Error) -> Error {
    Error::new(Code::DrillFailed, format!("the copy says: {}", Failure(&error)))
}
