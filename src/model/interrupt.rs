//! The wish of SIGINT or SIGTERM, as a flag that long work looks at between its steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::{Code, Error, Result};

/// Cloned freely; every clone sees the same flag.
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub fn raise(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// `Err` once the flag is up: `interrupt.check()?` between two steps ends the work.
    pub fn check(&self) -> Result<()> {
        if self.is_raised() { Err(interrupted()) } else { Ok(()) }
    }

    /// For the signal handler alone, which may only set it.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}

/// Whatever was begun counts for nothing, or is completed by the next run.
pub fn interrupted() -> Error {
    Error::new(Code::Interrupted, "interrupted by a signal").hint("run the same command again")
}
