//! What bytes on their way into place can meet.

use std::fmt::Display;
use std::io;

#[derive(Debug, thiserror::Error)]
#[error("{action} {path}: {source}")]
pub struct SinkError {
    pub action: &'static str,
    pub path: String,
    #[source]
    pub source: io::Error,
}

pub(super) fn error(action: &'static str, path: &impl Display, source: io::Error) -> SinkError {
    SinkError { action, path: path.to_string(), source }
}
