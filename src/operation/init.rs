//! `init`: the repository is created or found, everything is checked, and the server's settings are told.

use super::{Context, not_built_yet};
use crate::model::error::Result;
use crate::report::Sink;
use crate::report::init::Init;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Request {
    /// Put the settings into the server's configuration (Debian layout) instead of printing them.
    pub write: bool,
    /// This host becomes the writer of the cluster's timeline.
    pub take_over: bool,
    /// The repository may be made without encryption.
    pub no_encryption: bool,
}

pub fn run(_context: &Context, _request: &Request, _sink: &dyn Sink) -> Result<Init> {
    not_built_yet()
}
