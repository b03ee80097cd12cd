//! Runs of whole processes: wall-clock time and peak resident memory.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::Outcome;

/// How often a running process is asked for its peak memory (`VmHWM` never falls).
const POLL: Duration = Duration::from_millis(20);

/// Processor time in `/proc/<pid>/stat` is in these, on every machine that Linux shows to programs.
const TICKS_PER_SECOND: f64 = 100.0;
const UTIME: usize = 11;
const CUTIME: usize = 13;

/// One run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measured {
    /// What is compared: the whole run, or the part of it that was measured.
    pub seconds: f64,
    /// From start to end of the process.
    pub whole: f64,
    /// Peak resident memory in KiB.
    pub peak_kib: u64,
    /// Bytes that the run made, where that is of interest.
    pub bytes: u64,
    /// Processor time of the process, in seconds.
    pub cpu: f64,
    /// Processor time of a store in a process of its own, in seconds.
    pub store_cpu: f64,
}

/// Runs a command to its end. Standard output is read and returned up to a bound, or counted.
pub fn measured(command: &mut Command) -> Outcome<(Measured, String)> {
    const KEPT: usize = 1 << 20;
    let before = cpu_of_ended()?;
    let start = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let reader = std::thread::spawn(move || {
        let (mut kept, mut count, mut buffer) = (Vec::new(), 0u64, vec![0; 1 << 20]);
        while let Ok(read @ 1..) = stdout.read(&mut buffer) {
            count += read as u64;
            kept.extend(&buffer[..read.min(KEPT - kept.len().min(KEPT))]);
        }
        (kept, count)
    });
    let (pid, ended) = (child.id(), AtomicBool::new(false));
    let (status, whole, peak_kib) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| highest_peak(pid, &ended));
        let status = child.wait();
        let whole = start.elapsed().as_secs_f64();
        ended.store(true, Ordering::Release);
        (status, whole, watch.join().unwrap_or(0))
    });
    let status = status?;
    let (kept, bytes) = reader.join().map_err(|_| "the reader of standard output panicked")?;
    if !status.success() {
        return Err(format!("{} ended with {status}", command.get_program().display()).into());
    }
    let cpu = cpu_of_ended()? - before;
    let measured = Measured { seconds: whole, whole, peak_kib, bytes, cpu, store_cpu: 0.0 };
    Ok((measured, String::from_utf8_lossy(&kept).into_owned()))
}

/// Of a running process, in user and kernel mode together.
pub fn cpu_of(pid: u32) -> Outcome<f64> {
    ticks(pid, UTIME)
}

/// Of all processes that this one has waited for.
fn cpu_of_ended() -> Outcome<f64> {
    ticks(std::process::id(), CUTIME)
}

/// The sum of a field of `/proc/<pid>/stat`, counted from the state of the process, and of the one behind it.
fn ticks(pid: u32, field: usize) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the process stands before, in brackets, and may have blanks in it.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name in /proc/<pid>/stat")?;
    let numbers = fields.split_whitespace().skip(field).take(2).map(str::parse::<f64>);
    Ok(numbers.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
}

/// Asked at once, and then now and again: of what ends within moments it is the beginning.
fn highest_peak(pid: u32, ended: &AtomicBool) -> u64 {
    let mut highest = 0;
    while !ended.load(Ordering::Acquire) {
        highest = peak(pid).unwrap_or(0).max(highest);
        std::thread::sleep(POLL);
    }
    highest
}

fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Both in turn, after one run of each that is not counted.
pub fn paired(
    runs: usize,
    mut a: impl FnMut() -> Outcome<Measured>,
    mut b: impl FnMut() -> Outcome<Measured>,
) -> Outcome<(Vec<Measured>, Vec<Measured>)> {
    a()?;
    b()?;
    let (mut all_a, mut all_b) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        all_a.push(a()?);
        all_b.push(b()?);
    }
    Ok((all_a, all_b))
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}
