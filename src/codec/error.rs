//! What may be wrong with a closed object. The caller knows its key and names it.

use std::io;

use crate::model::envelope::EnvelopeError;
use crate::model::key::Key;

/// Errors met while reading travel inside an [`io::Error`]; `CodecError::from` takes them out again,
/// so that damage is told apart from a store that failed.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    #[error("no recipient is given")]
    NoRecipients,
    #[error("{given} recipients are given, at most {limit} are allowed")]
    TooManyRecipients { given: usize, limit: usize },
    #[error("zstd level {given} is outside of {min} to {max}")]
    Level { given: i32, min: i32, max: i32 },
    /// The envelope to be written breaks a rule of its own.
    #[error(transparent)]
    Envelope(EnvelopeError),
    /// Written by a newer pgcairn.
    #[error("its envelope is of version \"{0}\", which this pgcairn does not know")]
    TooNew(String),
    /// Also met where the recipients' part of the header is damaged: without the key the two cannot be
    /// told apart.
    #[error("none of the given identities opens it")]
    WrongIdentity,
    /// Intact, but another object than its key says.
    #[error("it holds the object {found} in place of {expected}")]
    Swapped { expected: Key, found: Key },
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error(transparent)]
    Io(io::Error),
}

impl CodecError {
    pub(super) fn damaged(reason: impl Into<String>) -> CodecError {
        CodecError::Damaged(reason.into())
    }
}

impl From<io::Error> for CodecError {
    fn from(error: io::Error) -> CodecError {
        match error.downcast::<CodecError>() {
            Ok(known) => known,
            // No store fails like this: it is `read_exact` that found the end too soon.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => CodecError::damaged("it ends too soon"),
            Err(error) => CodecError::Io(error),
        }
    }
}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> io::Error {
        match error {
            CodecError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// An envelope that was read: a newer version is no damage.
impl From<EnvelopeError> for CodecError {
    fn from(error: EnvelopeError) -> CodecError {
        match error {
            EnvelopeError::Version(version) => CodecError::TooNew(version),
            other => CodecError::damaged(other.to_string()),
        }
    }
}
