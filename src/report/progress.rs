//! How far the work is: a bar on a terminal, elsewhere a line now and then.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::event::{Phase, Progress};
use super::text::{bytes, seconds};

/// Between two lines in a log.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Between two lines for a program.
pub(super) const JSON_INTERVAL: Duration = Duration::from_secs(1);

const FRAME: Duration = Duration::from_millis(100);

/// Before it a rate says more about the start than about the work.
const RATE_AFTER: Duration = Duration::from_secs(1);

/// Lets the first progress of a phase pass, then one each interval.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    phase: Option<(Phase, Instant)>,
    last: Option<Instant>,
}

impl Pace {
    pub(super) fn new(interval: Duration) -> Pace {
        Pace { interval, phase: None, last: None }
    }

    /// When the phase began, and whether it is time to say something.
    pub(super) fn due(&mut self, phase: Phase, now: Instant) -> (Instant, bool) {
        let began = match self.phase {
            Some((current, began)) if current == phase => began,
            _ => {
                self.phase = Some((phase, now));
                self.last = None;
                now
            }
        };
        let due = self.last.is_none_or(|last| now.duration_since(last) >= self.interval);
        if due {
            self.last = Some(now);
        }
        (began, due)
    }
}

/// `copying: 12 GiB of 40 GiB (30 %), 210 MiB/s, 2 min 10 s left`
pub(super) fn line(progress: &Progress, elapsed: Duration) -> String {
    let done = progress.bytes_done;
    let mut parts = Vec::new();
    match progress.bytes_total {
        Some(total) if total > 0 => {
            parts.push(format!(
                "{} of {} ({} %)",
                bytes(done),
                bytes(total),
                u128::from(done) * 100 / u128::from(total)
            ));
        }
        _ if done > 0 => parts.push(bytes(done)),
        _ => {}
    }
    let rate = done as f64 / elapsed.as_secs_f64();
    if elapsed >= RATE_AFTER && done > 0 {
        parts.push(format!("{}/s", bytes(rate as u64)));
        let left = progress.bytes_total.and_then(|total| total.checked_sub(done)).filter(|left| *left > 0);
        parts.extend(left.map(|left| format!("{} left", seconds(left as f64 / rate))));
    }
    let words = progress.phase.words();
    if parts.is_empty() { words.to_owned() } else { format!("{words}: {}", parts.join(", ")) }
}

/// Progress for a person.
#[derive(Debug)]
pub(super) enum Display {
    Off,
    Log(Pace),
    Bar(Pace, ProgressBar),
}

impl Display {
    /// A bar needs a terminal that can go back to the beginning of a line.
    pub(super) fn for_stderr(quiet: bool) -> Display {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        match quiet {
            true => Display::Off,
            false if io::stderr().is_terminal() && !dumb => Display::Bar(Pace::new(Duration::ZERO), bar()),
            false => Display::Log(Pace::new(LOG_INTERVAL)),
        }
    }

    /// What is to be written as a line, if anything.
    pub(super) fn show(&mut self, progress: &Progress, now: Instant) -> Option<String> {
        match self {
            Display::Off => None,
            Display::Log(pace) => {
                let (began, due) = pace.due(progress.phase, now);
                due.then(|| line(progress, now.duration_since(began)))
            }
            Display::Bar(pace, bar) => {
                let (began, _) = pace.due(progress.phase, now);
                if began == now {
                    // What comes within a frame of another is not drawn, and a phase may be told of once.
                    bar.enable_steady_tick(FRAME);
                }
                bar.set_length(progress.bytes_total.unwrap_or(0));
                bar.set_position(progress.bytes_done);
                bar.set_message(line(progress, now.duration_since(began)));
                None
            }
        }
    }

    /// Writes other words without tearing the bar.
    pub(super) fn beside(&self, write: impl FnOnce()) {
        match self {
            Display::Bar(_, bar) => bar.suspend(write),
            Display::Off | Display::Log(_) => write(),
        }
    }

    pub(super) fn clear(&self) {
        if let Display::Bar(_, bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = if super::output::colors() { "{bar:20.cyan} {wide_msg}" } else { "{bar:20} {wide_msg}" };
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    // The template is constant; a wrong one would only cost the bar its look.
    bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copying(bytes_done: u64, bytes_total: Option<u64>) -> Progress {
        Progress { bytes_done, bytes_total, ..Progress::new(Phase::Copying) }
    }

    #[test]
    fn a_line_says_what_is_known() {
        let after = Duration::from_secs;
        assert_eq!(line(&Progress::new(Phase::Checkpoint), after(9)), "waiting for the checkpoint");
        assert_eq!(line(&copying(5 << 20, None), after(0)), "copying: 5.0 MiB");
        assert_eq!(
            line(&copying(10 << 30, Some(40 << 30)), after(100)),
            "copying: 10 GiB of 40 GiB (25 %), 102 MiB/s, 5 min 0 s left"
        );
        assert_eq!(line(&copying(1 << 30, Some(1 << 30)), after(2)), "copying: 1.0 GiB of 1.0 GiB (100 %), 512 MiB/s");
    }

    #[test]
    fn a_log_gets_the_begin_of_a_phase_and_then_a_line_each_interval() {
        let mut display = Display::Log(Pace::new(LOG_INTERVAL));
        let begin = Instant::now();
        let mut at = |phase, second| display.show(&Progress::new(phase), begin + Duration::from_secs(second)).is_some();
        assert!(at(Phase::Checkpoint, 0));
        assert!(!at(Phase::Checkpoint, 29));
        assert!(at(Phase::Copying, 29));
        assert!(!at(Phase::Copying, 58));
        assert!(at(Phase::Copying, 59));
    }
}
