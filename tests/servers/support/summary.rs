//! What ran on which major, and what was skipped and why: the last lines of a run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::majors::{Installation, KNOWN, REQUIRED};

#[derive(Debug, Default, Clone)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: Vec<String>,
    /// Of trials that passed without it.
    left_out: Vec<String>,
}

/// Of all trials.
static TOOK: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// So many are named at the end, by what they took beside the others.
const SLOWEST: usize = 15;

static TALLIES: Mutex<BTreeMap<u32, Tally>> = Mutex::new(BTreeMap::new());

fn with_tally(major: u32, change: impl FnOnce(&mut Tally)) {
    change(TALLIES.lock().unwrap_or_else(|e| e.into_inner()).entry(major).or_default());
}

pub fn took(trial: &str, time: Duration) {
    TOOK.lock().unwrap_or_else(|e| e.into_inner()).push((time, trial.to_owned()));
}

/// Where the time goes, for whoever makes the whole faster.
fn print_slowest() {
    let mut took = TOOK.lock().unwrap_or_else(|e| e.into_inner()).clone();
    took.sort_by(|a, b| b.cmp(a));
    let slowest = took.iter().take(SLOWEST).map(|(time, trial)| format!("{trial} {} s", time.as_secs()));
    println!("slowest: {}", slowest.collect::<Vec<_>>().join(", "));
}

pub fn passed(major: u32) {
    with_tally(major, |t| t.passed += 1);
}

pub fn failed(major: u32) {
    with_tally(major, |t| t.failed += 1);
}

pub fn skipped(major: u32, trial: &str, reason: &str) {
    with_tally(major, |t| t.skipped.push(format!("{trial}: {reason}")));
}

/// Part of a trial cannot be tried here; the rest of it goes on.
pub fn left_out(major: u32, part: &str, reason: &str) {
    with_tally(major, |t| t.left_out.push(format!("pg{major}::{part}: {reason}")));
}

/// Prints the summary, majors last; returns the required majors that were wanted and did not run.
pub fn print(wanted: &[u32], installed: &[&Installation]) -> Vec<u32> {
    let tallies = TALLIES.lock().unwrap_or_else(|e| e.into_inner()).clone();
    for skip in tallies.values().flat_map(|t| &t.skipped) {
        println!("SKIPPED {skip}");
    }
    for part in tallies.values().flat_map(|t| &t.left_out) {
        println!("SKIPPED in part {part}");
    }
    print_slowest();
    for install in installed {
        let tally = tallies.get(&install.major).cloned().unwrap_or_default();
        let (passed, failed, skipped) = (tally.passed, tally.failed, tally.skipped.len());
        println!("PostgreSQL {}: {passed} passed, {failed} failed, {skipped} skipped", install.version);
    }
    let ran = |major: &u32| tallies.get(major).is_some_and(|t| t.passed + t.failed > 0);
    let why = |major: &u32| match (wanted.contains(major), installed.iter().any(|i| i.major == *major)) {
        (false, _) => format!("{major} (not asked for)"),
        (true, false) => format!("{major} (NO SERVER: scripts/servers {major})"),
        (true, true) => format!("{major} (no scenario ran)"),
    };
    let run: Vec<_> = KNOWN.iter().filter(|m| ran(m)).map(u32::to_string).collect();
    let not_run: Vec<_> = KNOWN.iter().filter(|m| !ran(m)).map(why).collect();
    println!("PostgreSQL majors run: {}; skipped: {}", list(&run), list(&not_run));
    REQUIRED.iter().copied().filter(|major| wanted.contains(major) && !ran(major)).collect()
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
