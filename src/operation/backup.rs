//! `backup`: a full backup of the live cluster.

use std::collections::BTreeMap;

use super::{Context, not_built_yet};
use crate::model::error::Result;
use crate::report::Sink;
use crate::report::backup::Backup;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    pub labels: BTreeMap<String, String>,
}

pub fn run(_context: &Context, _request: &Request, _sink: &dyn Sink) -> Result<Backup> {
    not_built_yet()
}
