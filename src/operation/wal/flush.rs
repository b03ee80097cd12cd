//! `wal flush`: everything committed so far is in the repository when it returns.

use std::time::Duration;

use crate::model::error::Result;
use crate::operation::{Context, not_built_yet};
use crate::report::Sink;
use crate::report::wal::Flush;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How long to wait for the archiver.
    pub timeout: Duration,
}

pub fn run(_context: &Context, _request: &Request, _sink: &dyn Sink) -> Result<Flush> {
    not_built_yet()
}
