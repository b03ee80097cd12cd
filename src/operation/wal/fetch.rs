//! `wal fetch`: the restore_command. `Ok` with `delivered: false` is a proven absence and nothing else
//! may look like it: every doubt is an error, so that PostgreSQL stops instead of opening short.

use std::path::PathBuf;

use crate::model::error::Result;
use crate::model::wal_name::WalName;
use crate::operation::{Context, not_built_yet};
use crate::report::Sink;
use crate::report::wal::Fetch;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `%f`
    pub name: WalName,
    /// `%p`, which is not `%f`
    pub path: PathBuf,
}

/// Out of the repository.
pub fn run(_context: &Context, _request: &Request, _sink: &dyn Sink) -> Result<Fetch> {
    not_built_yet()
}

/// `--from DIR`: out of the WAL that a restore has laid beside the data, with neither key, configuration
/// nor network.
pub fn run_from(_directory: &std::path::Path, _request: &Request, _sink: &dyn Sink) -> Result<Fetch> {
    not_built_yet()
}
