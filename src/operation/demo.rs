//! `demo`: the main job on a throw-away server, from the first row to the recovered one.

use std::path::PathBuf;

use super::not_built_yet;
use crate::model::error::Result;
use crate::model::interrupt::Interrupt;
use crate::report::Sink;
use crate::report::demo::Demo;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Where `initdb` and `postgres` are; `None` looks in the usual places.
    pub bindir: Option<PathBuf>,
    /// Leave everything in place afterwards.
    pub keep: bool,
}

pub fn run(_request: &Request, _interrupt: &Interrupt, _sink: &dyn Sink) -> Result<Demo> {
    not_built_yet()
}
