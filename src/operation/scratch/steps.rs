//! The steps of a restore by the clock, heard as it tells of them.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use crate::report::drill::{RESTORE, Span};
use crate::report::{Event, Listener, Phase};

/// Passes everything on.
pub struct Steps<'a> {
    listener: &'a dyn Listener,
    began: Instant,
    heard: Mutex<Vec<(Phase, f64)>>,
}

impl<'a> Steps<'a> {
    pub fn new(listener: &'a dyn Listener, began: Instant) -> Steps<'a> {
        Steps { listener, began, heard: Mutex::default() }
    }

    /// Each up to the next one, the last up to now.
    pub fn phases(&self) -> Vec<Span> {
        let heard = self.heard();
        let ends = heard.iter().skip(1).map(|(_, from)| *from).chain([self.began.elapsed().as_secs_f64()]);
        let phase = |((phase, from), end): (&(Phase, f64), f64)| Span {
            name: format!("{RESTORE}: {}", phase.words()),
            from_seconds: *from,
            seconds: end - from,
        };
        heard.iter().zip(ends).map(phase).collect()
    }

    fn heard(&self) -> MutexGuard<'_, Vec<(Phase, f64)>> {
        self.heard.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Listener for Steps<'_> {
    fn event(&self, event: Event) {
        if let Event::Progress(progress) = &event {
            let mut heard = self.heard();
            if heard.last().is_none_or(|(phase, _)| *phase != progress.phase) {
                heard.push((progress.phase, self.began.elapsed().as_secs_f64()));
            }
        }
        self.listener.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Progress, Quiet};

    #[test]
    fn a_step_goes_on_until_the_next_begins() {
        let steps = Steps::new(&Quiet, Instant::now());
        for phase in [Phase::ReadingWal, Phase::Restoring, Phase::Restoring] {
            steps.progress(Progress::new(phase));
        }
        let phases = steps.phases();
        let names: Vec<&str> = phases.iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!(names, ["restore: reading WAL", "restore: restoring"]);
        assert!(phases[0].from_seconds + phases[0].seconds <= phases[1].from_seconds + 1e-9);
    }
}
