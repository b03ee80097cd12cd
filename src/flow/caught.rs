//! A panic is a bug, and still it must end the operation as a failure does: the threads of a pipe wait for each
//! other, and would wait forever for one that has unwound.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The panic hook has said where.
#[derive(Debug, thiserror::Error)]
#[error("a worker panicked")]
pub struct Panicked;

/// Runs one step of a pipe. What it was working on is given up after an `Err`, so nobody sees it half done.
pub fn caught<T, E: From<Panicked>>(step: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|_| Err(Panicked.into()))
}
