//! SIGINT, SIGTERM and SIGHUP end a run in order; a second one ends it at once.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::exit::Protocol;
use crate::model::interrupt::Interrupt;

const SIGNALS: [c_int; 3] = [SIGINT, SIGTERM, SIGHUP];

/// The status of [`crate::model::error::Code::Interrupted`].
const INTERRUPTED: c_int = 130;

/// From here on the operation is asked to end; a second signal does not wait for it.
pub fn watch(interrupt: &Interrupt) -> io::Result<()> {
    for signal in SIGNALS {
        // In this order: the first signal finds the flag down and raises it, the second finds it up.
        flag::register_conditional_shutdown(signal, INTERRUPTED, interrupt.flag())?;
        flag::register(signal, interrupt.flag())?;
    }
    Ok(())
}

/// The operation is asked to end, and however often: it puts its servers away first.
pub fn watch_patiently(interrupt: &Interrupt) -> io::Result<()> {
    SIGNALS.iter().try_for_each(|signal| flag::register(*signal, interrupt.flag()).map(drop))
}

/// What PostgreSQL calls ends at the first signal, from the first moment on: nothing there needs putting
/// away, every write of it may be cut off anywhere, and the server waits.
pub fn watch_for_server(protocol: Protocol) {
    if !protocol.is_called_by_server() {
        return;
    }
    for signal in SIGNALS {
        // Where it cannot be watched, the signal itself ends the process.
        let at_once = Arc::new(AtomicBool::new(true));
        let _ = flag::register_conditional_shutdown(signal, c_int::from(protocol.interrupted()), at_once);
    }
}
