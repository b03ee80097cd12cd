//! A program that is given a text.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::MAX_TEXT;
use super::error::{NotifyError, What};

/// A program that has not ended by then is ended.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Bytes of its own words of which the last line is told.
const MAX_WORDS: i64 = 2 << 10;

/// Runs it with the text on its standard input; success is its status 0. Its own words are told where it fails; what it
/// leaves behind may go on, and holds up nobody who reads ours.
pub fn run(words: &[String], text: &str) -> Result<(), NotifyError> {
    run_within(words, text, PATIENCE)
}

fn run_within(words: &[String], text: &str, patience: Duration) -> Result<(), NotifyError> {
    let failed = |reason: String| NotifyError::new(What::Program, reason);
    let (program, arguments) = words.split_first().ok_or_else(|| failed("it has no words".to_owned()))?;
    let said = tempfile::tempfile().ok();
    let words = said.as_ref().and_then(|file| file.try_clone().ok()).map_or_else(Stdio::null, Stdio::from);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(words)
        // What it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It fits into the pipe, so nobody has to read; and whoever does not want it says with the status how it went.
        let _ = stdin.write_all(&text.as_bytes()[..text.len().min(MAX_TEXT)]);
    }
    match end(&mut child, Instant::now() + patience) {
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            let last = said.and_then(last_line).map(|line| format!(": {line}")).unwrap_or_default();
            Err(failed(format!("it ended with {status}{last}")))
        }
        None => Err(failed(format!("it did not end within {} s", patience.as_secs()))),
    }
}

fn last_line(mut file: File) -> Option<String> {
    let length = file.seek(SeekFrom::End(0)).ok()?.cast_signed();
    file.seek(SeekFrom::Start((length - MAX_WORDS).max(0).cast_unsigned())).ok()?;
    let mut said = Vec::new();
    file.take(MAX_WORDS.cast_unsigned()).read_to_end(&mut said).ok()?;
    let said = String::from_utf8_lossy(&said).into_owned();
    said.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}

/// `None` where it had to be ended.
fn end(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(POLL),
            _ => break,
        }
    }
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<(), String> {
        let words = ["sh", "-c", script].map(str::to_owned);
        run_within(&words, "the text\n", Duration::from_millis(500)).map_err(|error| error.reason)
    }

    #[test]
    fn a_program_gets_the_text() {
        let directory = tempfile::tempdir().unwrap();
        let heard = directory.path().join("heard");
        assert_eq!(shell(&format!("cat > {}", heard.display())), Ok(()));
        assert_eq!(std::fs::read(heard).unwrap(), b"the text\n");
    }

    #[test]
    fn a_program_says_by_its_status_how_it_went() {
        assert_eq!(shell("exec <&-"), Ok(()));
        assert_eq!(shell("exit 75").unwrap_err(), "it ended with exit status: 75");
        assert_eq!(shell("echo a; echo no relay >&2; exit 75").unwrap_err(), "it ended with exit status: 75: no relay");
        assert_eq!(shell("echo no relay >&2"), Ok(()));
        assert_eq!(shell("kill -9 $$").unwrap_err(), "it ended with signal: 9 (SIGKILL)");
        let absent = run(&["/no/such/program".to_owned()], "").unwrap_err();
        assert_eq!(absent.reason, "No such file or directory (os error 2)");
        assert!(run(&[], "").is_err());
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_all_that_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let number = directory.path().join("pid");
        let script = format!("sleep 60 & echo $! > {}; wait", number.display());
        assert_eq!(shell(&script).unwrap_err(), "it did not end within 0 s");
        let child = std::fs::read_to_string(number).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        // Gone, or waiting to be collected by whoever collects orphans.
        let is_gone = || state().map_or(true, |state| state.contains(") Z "));
        let until = Instant::now() + Duration::from_secs(10);
        while !is_gone() && Instant::now() < until {
            std::thread::sleep(POLL);
        }
        assert!(is_gone(), "{:?}", state());
    }
}
