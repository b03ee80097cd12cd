//! Faults from outside: strace notes the system calls of a run, and lets a chosen one fail, or kills the
//! process at it, in a run like it. What is run is the program as it is shipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::site::Run;

const STRACE: &str = "/usr/bin/strace";
/// What changes a file system or makes a change last, and what reads objects.
const CALLS: &str = "openat,openat2,mkdir,mkdirat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,unlink,\
                     unlinkat,rmdir,fsync,fdatasync,syncfs,write,pwrite64,ftruncate,fallocate,fchmod,fchmodat,chmod,\
                     copy_file_range,sendfile,read,pread64,getdents64,statx,newfstatat";
/// These leave everything as it was.
const READING: [&str; 5] = ["read", "pread64", "getdents64", "statx", "newfstatat"];
const CREATING: [&str; 3] = ["mkdir", "link", "rename"];
const WRITING: [&str; 5] = ["write", "pwrite64", "ftruncate", "fallocate", "fsync"];

/// One system call of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    thread: u32,
    pub name: String,
    /// Its number among the calls of this name in its thread, from 1: what strace counts.
    number: u32,
    /// With the paths of descriptors.
    pub text: String,
}

impl Call {
    fn reads(&self) -> bool {
        let opens = self.name.starts_with("open") && !self.text.contains("O_CREAT");
        opens || READING.contains(&self.name.as_str())
    }

    fn takes_space(&self) -> bool {
        CREATING.iter().any(|name| self.name.starts_with(name))
            || WRITING.contains(&self.name.as_str())
            || (self.name.starts_with("open") && !self.reads())
    }
}

/// The calls of a run that succeeded, in their order.
pub fn record(command: &Command, scratch: &Path) -> Outcome<(Vec<Call>, Run)> {
    let trace = scratch.join("trace");
    let run = Run::of(traced(command, &trace, true).args(program(command)))?;
    let text = fs::read_to_string(&trace)?;
    let mut numbers: BTreeMap<(u32, String), u32> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        let (Ok(thread), Some((name, _))) = (thread.parse(), text.split_once('(')) else { continue };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            continue;
        }
        let number = numbers.entry((thread, name.to_owned())).or_default();
        *number += 1;
        calls.push(Call { thread, name: name.to_owned(), number: *number, text: text.to_owned() });
    }
    Ok((calls, run))
}

/// strace up to the program that it runs.
fn traced(command: &Command, trace: &Path, threads: bool) -> Command {
    let mut strace = account().command(STRACE);
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            strace.env(name, value);
        }
    }
    command.get_current_dir().map(|directory| strace.current_dir(directory));
    strace.args(["-q", "-y", "-s", "0", "-e"]).arg(format!("trace={CALLS}")).args(["-e", "signal=none"]);
    strace.arg("-o").arg(trace);
    if threads {
        strace.args(["-f", "--seccomp-bpf"]);
    }
    strace
}

fn program(command: &Command) -> impl Iterator<Item = &std::ffi::OsStr> {
    std::iter::once(command.get_program()).chain(command.get_args())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Fail(&'static str),
    Kill,
}

/// What is to go wrong.
#[derive(Debug, Clone)]
pub struct Fault {
    pub call: Call,
    effect: Effect,
    /// Every thread is followed, or the first one alone.
    threads: bool,
}

impl Fault {
    /// Runs the command with this fault; `None` where the run did not come to it.
    pub fn run(&self, command: &Command, scratch: &Path) -> Outcome<Option<Run>> {
        let trace = scratch.join("trace");
        let effect = match self.effect {
            Effect::Fail(errno) => format!("error={errno}"),
            Effect::Kill => "signal=KILL".to_owned(),
        };
        let mut strace = traced(command, &trace, self.threads);
        strace.arg("-e").arg(format!("inject={}:{effect}:when={}", self.call.name, self.call.number));
        let run = Run::of(strace.args(program(command)))?;
        let hit = fs::read_to_string(&trace)?.contains("(INJECTED)") || (self.kills() && run.status == KILLED);
        Ok(hit.then_some(run))
    }

    pub fn kills(&self) -> bool {
        self.effect == Effect::Kill
    }
}

/// As a shell says SIGKILL.
pub const KILLED: i32 = 137;

/// Every way in which the calls that touch `places` can go wrong. strace counts calls by thread: what
/// another thread comes to first under the same number cannot be hit, and is counted beside.
pub fn faults(calls: &[Call], places: &[&Path]) -> (Vec<Fault>, usize) {
    let first_thread = calls.first().map(|call| call.thread);
    let mut taken: BTreeSet<(&str, u32)> = BTreeSet::new();
    let (mut faults, mut shadowed) = (Vec::new(), 0);
    for call in calls {
        let is_first = taken.insert((&call.name, call.number));
        if !places.iter().any(|place| call.text.contains(&*place.to_string_lossy())) {
            continue;
        }
        let threads = Some(call.thread) != first_thread;
        if threads && !is_first {
            shadowed += 1;
            continue;
        }
        let fault = |effect| Fault { call: call.clone(), effect, threads };
        faults.push(fault(Effect::Fail("EIO")));
        faults.extend(call.takes_space().then(|| fault(Effect::Fail("ENOSPC"))));
        faults.extend((!call.reads()).then(|| fault(Effect::Kill)));
    }
    (faults, shadowed)
}

/// At most so many of them, evenly spread.
pub fn sample(faults: Vec<Fault>, most: usize) -> Vec<Fault> {
    let (all, wanted) = (faults.len(), most.min(faults.len()));
    (0..wanted).filter_map(|n| faults.get(n * all / wanted).cloned()).collect()
}
