//! Metrics: what `status` knows and how the last runs ended, for whoever draws curves of it. In a file they are
//! replaced as a whole, so that nobody reads half of them.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::geteuid;

use super::last_runs::LastRuns;
use super::{Context, signing_key, status};
use crate::config::Config;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::shell_word::shell_word;
use crate::report::Report;
use crate::report::metrics::{Metrics, Run};
use crate::report::status::Status;
use crate::sink::{Durability, Replacement, SinkError};

/// For so long a command that has ended waits for repositories.
pub const WAIT: Duration = Duration::from_secs(10);

/// Read by whoever collects them.
const MODE: u32 = 0o644;

/// Two commands that end together spoil each other's file.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// `pgcairn metrics`.
pub fn run(context: &Context, wait: Duration) -> Result<(Metrics, Option<Error>)> {
    let status = status::run(context, &status::Request { wait, keys: None })?;
    let metrics = gather(&context.config, &status);
    let unwritten = write(&context.config, &metrics).err();
    Ok((metrics, unwritten))
}

/// After a command has ended: the file is brought up to date, with what the command knows or else with what can be found
/// out. Returns what went wrong in that.
pub fn ended(config: &Config, known: Option<&Status>) -> Option<Error> {
    config.metrics.as_ref().filter(|_| !is_a_stranger_s(config))?;
    let asked = match known {
        Some(_) => None,
        None => {
            let trusted = signing_key::trusted(config).unwrap_or_else(|_| config.signing.trusted.clone());
            let now = jiff::Timestamp::now();
            let context =
                Context { config: config.clone(), identities: None, trusted, now, interrupt: Interrupt::default() };
            match status::run(&context, &status::Request { wait: WAIT, keys: None }) {
                Ok(status) => Some(status),
                Err(error) => return Some(error),
            }
        }
    };
    let status = known.or(asked.as_ref())?;
    write(config, &gather(config, status)).err()
}

/// Not the owner, who remembers other runs and keeps the file: a drill has a user of its own.
fn is_a_stranger_s(config: &Config) -> bool {
    let data_dir = config.postgres.as_ref().and_then(|postgres| postgres.data_dir.metadata().ok());
    data_dir.is_some_and(|data_dir| data_dir.uid() != geteuid().as_raw())
}

fn gather(config: &Config, status: &Status) -> Metrics {
    // That it cannot be read is said where it is written.
    let runs = LastRuns::of(config).all().unwrap_or_default().into_iter().map(|(command, last)| Run {
        command,
        ended: last.ended,
        seconds: last.seconds,
        succeeded: last.failing_since.is_none(),
        last_success: last.succeeded,
    });
    Metrics::new(status, &runs.collect::<Vec<_>>())
}

/// Where they are configured to be.
fn write(config: &Config, metrics: &Metrics) -> Result<()> {
    let Some(path) = &config.metrics else { return Ok(()) };
    let text = metrics.human();
    let mut attempt = 1;
    loop {
        match replace(path, &text) {
            Ok(()) => return Ok(()),
            Err(error) if attempt == ATTEMPTS => return Err(unwritten(path, &error)),
            Err(_) => std::thread::sleep(PAUSE),
        }
        attempt += 1;
    }
}

fn replace(path: &Path, text: &str) -> std::result::Result<(), SinkError> {
    let failed = |source| SinkError { action: "write", path: path.display().to_string(), source };
    let mut file = Replacement::begin(path, MODE)?;
    // Whatever the umask is.
    file.set_mode(MODE).and_then(|()| file.write_all(text.as_bytes())).map_err(failed)?;
    file.finish(Durability::Later)
}

fn unwritten(path: &Path, error: &SinkError) -> Error {
    let directory = path.parent().unwrap_or(path).to_string_lossy().into_owned();
    Error::new(Code::Io, format!("metrics are not written: cannot {error}")).hint(format!(
        "the owner of the data directory must be able to write there: sudo install -d -m 0775 -g postgres {}",
        shell_word(&directory)
    ))
}
