//! The processes that this run has started, so that none outlives it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
/// How long servers get for an immediate shutdown at the end of a run.
const LAST_GRACE: Duration = Duration::from_secs(5);

pub fn register(pid: u32) {
    RUNNING.lock().unwrap_or_else(|e| e.into_inner()).insert(pid.cast_signed());
}

pub fn unregister(pid: u32) {
    RUNNING.lock().unwrap_or_else(|e| e.into_inner()).remove(&pid.cast_signed());
}

pub fn alive(pid: i32) -> bool {
    // A zombie answers to signal 0 but is no longer at work.
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let zombie = state.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z'));
    !zombie && Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// A child that does not outlive its trial.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        signal(self.0.id().cast_signed(), Signal::CONT);
        signal(self.0.id().cast_signed(), Signal::INT);
        let _ = self.0.wait();
    }
}

/// Processes that this one has forked and that live: the backends of a postmaster.
pub fn children(pid: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Immediate shutdown of every server that is still registered.
pub fn stop_all() {
    let pids: Vec<_> = RUNNING.lock().unwrap_or_else(|e| e.into_inner()).iter().copied().collect();
    stop(&pids);
}

/// Immediate shutdown of servers whose data directory lies below a path.
pub fn stop_below(path: &Path) {
    stop(&below(path));
}

/// Processes that work in a directory below a path, as a postmaster and its children do, and that live.
pub fn below(path: &Path) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let works_below = |pid: &i32| {
        let cwd: PathBuf = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        cwd.starts_with(path)
    };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(works_below).collect()
}

fn stop(pids: &[i32]) {
    pids.iter().for_each(|pid| signal(*pid, Signal::QUIT));
    let start = Instant::now();
    while start.elapsed() < LAST_GRACE && pids.iter().any(|pid| alive(*pid)) {
        thread::sleep(Duration::from_millis(20));
    }
    pids.iter().filter(|pid| alive(**pid)).for_each(|pid| signal(*pid, Signal::KILL));
}
