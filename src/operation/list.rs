//! `list`: the backups of the repository. Needs no key.

use super::{Context, not_built_yet};
use crate::model::error::Result;
use crate::report::Sink;
use crate::report::list::List;

pub fn run(_context: &Context, _sink: &dyn Sink) -> Result<List> {
    not_built_yet()
}
