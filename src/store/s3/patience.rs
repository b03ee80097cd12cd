//! How long a store is waited for, and how often it is asked again. Everything here ends.

use std::time::{Duration, Instant};

/// Bounds of one operation on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Requests for one operation, the first one included.
    pub attempts: u32,
    /// No further request is begun when an operation has taken this long.
    pub total: Duration,
    pub connect: Duration,
    /// For an answer to begin, beyond the time that the request's own body may take; and between two parts of one.
    pub answer: Duration,
    pub first_pause: Duration,
}

/// Slower than this a body is not sent.
const SLOWEST_BYTES_PER_SECOND: u64 = 256 << 10;

const LONGEST_PAUSE: Duration = Duration::from_secs(8);

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            attempts: 6,
            total: Duration::from_secs(60),
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            first_pause: Duration::from_millis(100),
        }
    }
}

impl Patience {
    /// For the answer to a request with a body of this size.
    pub(super) fn for_body(&self, bytes: u64) -> Duration {
        self.answer + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
    }

    pub(super) fn begin(self) -> Attempts {
        Attempts { patience: self, made: 1, since: Instant::now() }
    }
}

/// The attempts of one operation.
#[derive(Debug)]
pub(super) struct Attempts {
    patience: Patience,
    made: u32,
    since: Instant,
}

impl Attempts {
    /// How long to wait before asking again; `None` when it was asked often or long enough.
    pub fn pause(&mut self) -> Option<Duration> {
        if self.made >= self.patience.attempts || self.since.elapsed() >= self.patience.total {
            return None;
        }
        let longest = self.patience.first_pause.saturating_mul(1 << (self.made - 1).min(16)).min(LONGEST_PAUSE);
        self.made += 1;
        // Writers that met once must not meet again.
        Some(longest.mul_f64(0.5 + 0.5 * rand::random::<f64>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut attempts = Patience::default().begin();
        let pauses: Vec<Duration> = std::iter::from_fn(|| attempts.pause()).collect();
        assert_eq!(pauses.len(), 5);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(4));
        let mut late = Patience { total: Duration::ZERO, ..Patience::default() }.begin();
        assert_eq!(late.pause(), None);
    }
}
