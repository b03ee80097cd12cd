//! Durable before success is said. Every call with which `wal push`, `wal fetch`, `backup` and `restore` touch
//! the repository or the target fails, or the process is killed at it; afterwards the result is complete or
//! absent, and the next run succeeds.

#[path = "../../store/memory.rs"]
mod memory;
mod order;
mod store_layer;
pub mod strace;
mod wal;
mod whole;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::majors::Installation;
use crate::support::{Outcome, Scenario, Stop, full_length, skip};

/// So many faults of each command, evenly spread over its calls: a restore makes the same calls for every file.
const SAMPLE: usize = 36;
/// In full length on one major; more than `wal push` and `wal fetch` have.
const LARGE_SAMPLE: usize = 250;
const MAIN_MAJOR: u32 = 18;

/// Fewer faults than these prove too little.
const FEWEST: usize = 150;

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "faults::complete_or_absent", run: complete_or_absent }]
}

/// How many were injected, and how many calls strace could not single out.
pub struct Tally {
    sample: usize,
    injected: AtomicUsize,
    in_process: AtomicUsize,
    shadowed: AtomicUsize,
}

impl Tally {
    fn choose(&self, faults: Vec<strace::Fault>) -> Vec<strace::Fault> {
        strace::sample(faults, self.sample)
    }

    fn hit(&self) {
        self.injected.fetch_add(1, Ordering::Relaxed);
    }

    fn shadowed(&self, calls: usize) {
        self.shadowed.fetch_add(calls, Ordering::Relaxed);
    }
}

fn complete_or_absent(install: &'static Installation) -> Outcome {
    if !full_length() && install.major != MAIN_MAJOR {
        return skip("PostgreSQL 18 alone unless in full length");
    }
    let none = AtomicUsize::default;
    let sample = if full_length() && install.major == MAIN_MAJOR { LARGE_SAMPLE } else { SAMPLE };
    let tally = Tally { sample, injected: none(), in_process: none(), shadowed: none() };
    std::thread::scope(|scope| {
        let wal = scope.spawn(|| wal::faults(install, &tally).and_then(|()| store_layer::faults(install, &tally)));
        let whole = whole::faults(install, &tally);
        let wal = wal.join().unwrap_or_else(|_| Err("panicked".into()));
        match (wal, whole) {
            (Err(Stop::Fail(one)), Err(Stop::Fail(other))) => Err(Stop::Fail(format!("{one}\n{other}"))),
            (wal, whole) => wal.and(whole),
        }
    })?;
    let Tally { injected, in_process, shadowed, .. } = tally;
    let (injected, in_process, shadowed) = (injected.into_inner(), in_process.into_inner(), shadowed.into_inner());
    let major = install.major;
    println!(
        "faults: {} injected on {major}: {injected} system calls, {in_process} store calls; {shadowed} system calls out of reach",
        injected + in_process
    );
    if injected + in_process < FEWEST {
        return Err(Stop::Fail(format!("{} faults are fewer than {FEWEST}", injected + in_process)));
    }
    Ok(())
}
