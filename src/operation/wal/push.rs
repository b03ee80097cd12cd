//! `wal push`: the archive_command. Success means durable.

use std::path::PathBuf;

use crate::model::error::Result;
use crate::operation::{Context, not_built_yet};
use crate::report::Sink;
use crate::report::wal::Push;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `%p` as PostgreSQL gives it: relative to the data directory, which is the working directory.
    pub path: PathBuf,
}

pub fn run(_context: &Context, _request: &Request, _sink: &dyn Sink) -> Result<Push> {
    not_built_yet()
}
