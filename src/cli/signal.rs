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

/// What PostgreSQL called ends at the first signal: nothing there needs putting away, every write of it
/// may be cut off anywhere, and the server waits.
pub fn watch(protocol: Protocol, interrupt: &Interrupt) -> io::Result<()> {
    let status = c_int::from(protocol.interrupted());
    let at_once = match protocol {
        Protocol::Person => interrupt.flag(),
        Protocol::Push | Protocol::Fetch { .. } => Arc::new(AtomicBool::new(true)),
    };
    for signal in SIGNALS {
        // In this order: the first signal finds the flag down and raises it, the second finds it up.
        flag::register_conditional_shutdown(signal, status, Arc::clone(&at_once))?;
        flag::register(signal, interrupt.flag())?;
    }
    Ok(())
}
