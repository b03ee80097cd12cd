//! Why somebody was not told. No text here has a URL in it.

/// Where it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The URL cannot be had or is none.
    Address,
    /// The service did not take it.
    Service,
    /// The program could not be run, or failed.
    Program,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NotifyError {
    pub what: What,
    pub reason: String,
}

impl NotifyError {
    pub fn new(what: What, reason: impl Into<String>) -> NotifyError {
        NotifyError { what, reason: reason.into() }
    }
}
