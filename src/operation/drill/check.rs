//! What one check has come to.

use crate::model::drill::Verdict;

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

/// Most of a kind that are named.
const NAMED: usize = 5;

/// The first few of many.
pub fn few(names: &[String]) -> String {
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ") + &more
}
