//! `wal list`: what WAL there is, and where it has holes. Needs no key.

use crate::model::error::Result;
use crate::model::wal_name::TimelineId;
use crate::operation::{Context, not_built_yet};
use crate::report::Sink;
use crate::report::wal::WalList;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Only runs of segments that a gap precedes.
    pub gaps: bool,
    pub timeline: Option<TimelineId>,
}

pub fn run(_context: &Context, _request: &Request, _sink: &dyn Sink) -> Result<WalList> {
    not_built_yet()
}
