//! What was tried of the promises that a store makes.

use jiff::SignedDuration;

/// Outcome of [`super::Repository::inspect`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Of [`super::PROBES`] writers of one new object those that were told that they made it.
    pub winners: usize,
    /// Whether a part of an object is that part.
    pub ranges: bool,
    /// Whether a body that its checksum does not fit is refused.
    pub checksums: bool,
    /// How far the store's clock is ahead of this host's, where it tells.
    pub clock_ahead: Option<SignedDuration>,
    /// Whether what was made for this could be deleted again.
    pub deletes: bool,
}
