//! What runs on a schedule, and what its units are called.

use std::fmt;
use std::str::FromStr;

/// A command that a timer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    Backup,
    Expire,
    Copy,
    Verify,
    Drill,
}

impl Job {
    pub const ALL: [Job; 5] = [Job::Backup, Job::Expire, Job::Copy, Job::Verify, Job::Drill];

    /// The command, and the key under `[schedule]`.
    pub fn name(self) -> &'static str {
        match self {
            Job::Backup => "backup",
            Job::Expire => "expire",
            Job::Copy => "copy",
            Job::Verify => "verify",
            Job::Drill => "drill",
        }
    }

    /// As its unit calls it.
    pub fn command(self) -> &'static str {
        match self {
            Job::Copy => "copy --all",
            _ => self.name(),
        }
    }

    /// Of the unit that does it.
    pub fn service(self, instance: &str) -> String {
        format!("pgcairn-{}@{instance}.service", self.name())
    }

    /// Of the unit that starts it.
    pub fn timer(self, instance: &str) -> String {
        format!("pgcairn-{}@{instance}.timer", self.name())
    }

    /// Of the unit that tells of a failure which the job could not tell of itself.
    pub fn failed_service(self, instance: &str) -> String {
        format!("pgcairn-failed-{}@{instance}.service", self.name())
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Job {
    type Err = String;

    fn from_str(text: &str) -> Result<Job, String> {
        let names = || Job::ALL.map(Job::name).join(", ");
        Job::ALL.into_iter().find(|job| job.name() == text).ok_or_else(|| format!("\"{text}\" is none of {}", names()))
    }
}
