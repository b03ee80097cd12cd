//! Peak resident memory of a whole process, and the bound that every command keeps.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::Outcome;

const MOST_MIB: u64 = 300;

/// `VmHWM` never falls.
const POLL: Duration = Duration::from_millis(50);

/// Runs a command to its success, and says what it took; more than the bound is a failure.
pub fn within_bound(command: &mut Command, what: &str) -> Outcome {
    let peak = of(command)? / 1024;
    println!("{what} took {peak} MiB at most");
    if peak <= MOST_MIB { Ok(()) } else { Err(format!("{what} took {peak} MiB, {MOST_MIB} are allowed").into()) }
}

/// In KiB.
fn of(command: &mut Command) -> Outcome<u64> {
    let mut child = command.spawn()?;
    let mut peak = 0;
    loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak = line.and_then(|kib| kib.trim().parse().ok()).unwrap_or(0).max(peak);
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(peak),
            Some(status) => return Err(format!("{command:?} ended with {status}").into()),
            None => std::thread::sleep(POLL),
        }
    }
}
