//! `show`: one backup in full. Needs no key.

use super::{Context, not_built_yet};
use crate::model::error::Result;
use crate::model::selector::Selector;
use crate::report::Sink;
use crate::report::show::Show;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub backup: Selector,
}

pub fn run(_context: &Context, _request: &Request, _sink: &dyn Sink) -> Result<Show> {
    not_built_yet()
}
