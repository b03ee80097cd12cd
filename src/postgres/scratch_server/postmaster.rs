//! The process of a scratch server: started apart from our own group, watched, stopped.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A shutdown checkpoint of a small cache, and backends that must end.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// Nothing is written any more: the postmaster waits this long for its children, which get SIGKILL after 5 s.
const QUIT_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Line of postmaster.pid that tells the state (`LOCK_FILE_LINE_PM_STATUS` in `pidfile.h`), from 0.
const STATUS_LINE: usize = 7;

pub struct Postmaster(Child);

impl Postmaster {
    /// Its own group: an interrupt at the terminal reaches us, and we stop it in order; and it outlives the terminal.
    pub fn spawn(mut command: Command, log: &Path) -> io::Result<Postmaster> {
        let log = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        command.spawn().map(Postmaster)
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Whether it serves this data directory and takes sessions, read-only ones of a recovery included: told by its
    /// own file, so that no attempt to connect fills the log.
    pub fn answers(&self, data: &Path) -> bool {
        let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        let mut lines = text.lines();
        let is_ours = lines.next().is_some_and(|pid| pid.trim() == self.pid().to_string());
        is_ours && lines.nth(STATUS_LINE - 1).is_some_and(|status| matches!(status.trim(), "ready" | "standby"))
    }

    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }

    /// Fast shutdown, and immediate where that takes too long. `false` where it came to that.
    pub fn stop(&mut self) -> bool {
        self.signal(Signal::INT);
        let in_order = self.ended_within(STOP_TIMEOUT);
        self.quit();
        in_order
    }

    /// Immediate shutdown. The postmaster ends after all its children.
    pub fn quit(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::QUIT);
        }
        if !self.ended_within(QUIT_TIMEOUT) {
            self.signal(Signal::KILL);
            let _ = self.0.wait();
        }
    }

    fn ended_within(&mut self, limit: Duration) -> bool {
        let since = Instant::now();
        while self.ended().is_none() {
            if since.elapsed() >= limit {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    /// The child is not yet waited for, so its pid is nobody else's.
    fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.0), signal);
    }
}
