//! Waiting for something that another process does, with a deadline that names it.

use std::thread;
use std::time::{Duration, Instant};

use super::Outcome;

/// Anything that takes longer than this hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer; `what` completes "gave up waiting for …".
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("gave up waiting for {what} after {} s", PATIENCE.as_secs()).into());
        }
        thread::sleep(STEP);
    }
}
