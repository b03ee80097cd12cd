//! An upper bound on bytes per second, shared by all workers.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::model::interrupt::Interrupt;

/// Longest single wait, so that an interrupt is seen soon.
const MAX_WAIT: Duration = Duration::from_millis(200);

/// Unlimited without a rate.
#[derive(Debug)]
pub struct Throttle {
    rate: Option<u64>,
    /// When the bytes let through so far are paid for.
    paid_until: Mutex<Instant>,
}

impl Throttle {
    pub fn new(bytes_per_second: Option<u64>) -> Throttle {
        Throttle { rate: bytes_per_second.filter(|rate| *rate > 0), paid_until: Mutex::new(Instant::now()) }
    }

    /// Takes `bytes` out of the allowance; the longer of two calls waits for both, an interrupt ends the wait.
    pub fn take(&self, bytes: u64, interrupt: &Interrupt) {
        let Some(rate) = self.rate else { return };
        let cost = Duration::from_secs_f64(bytes as f64 / rate as f64);
        let until = {
            let mut paid = self.paid_until.lock().unwrap_or_else(|e| e.into_inner());
            *paid = (*paid).max(Instant::now()) + cost;
            *paid
        };
        while let Some(wait) = until.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
            if interrupt.is_raised() {
                return;
            }
            std::thread::sleep(wait.min(MAX_WAIT));
        }
    }
}
