//! What runs on a schedule, and what its units are called.

use std::fmt;
use std::str::FromStr;

/// A command that a timer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    Backup,
    Dump,
    Expire,
    Copy,
    Verify,
    Drill,
}

impl Job {
    pub const ALL: [Job; 6] = [Job::Backup, Job::Dump, Job::Expire, Job::Copy, Job::Verify, Job::Drill];

    /// The command, and the key under `[schedule]`.
    pub fn name(self) -> &'static str {
        match self {
            Job::Backup => "backup",
            Job::Dump => "dump",
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

    /// When, where nothing is configured. The timer in `systemd/` says the same.
    pub fn usual(self) -> &'static str {
        match self {
            Job::Backup => "*-*-* 03:00",
            Job::Dump => "*-*-* 01:00",
            Job::Expire => "*-*-* 05:00",
            Job::Copy => "hourly",
            Job::Verify => "Sat *-*-* 06:00",
            Job::Drill => "Sun *-*-* 05:00",
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

/// When a timer elapses, as `systemd.time(7)` has it: `03:00`, `Sun 05:00`, `hourly`. Here only its shape is checked;
/// systemd alone knows whether such a time ever comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar(String);

/// For [`Calendar`]: the names that need no digits.
const NAMES: [&str; 9] =
    ["minutely", "hourly", "daily", "weekly", "monthly", "quarterly", "semiannually", "yearly", "annually"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Longer ones are no times.
const MAX_CALENDAR: usize = 200;

impl Calendar {
    pub fn usual(job: Job) -> Calendar {
        Calendar(job.usual().to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The five fields of cron, where it has them: a time of day, on every day or on one of the week, and some names.
    pub fn to_cron(&self) -> Option<String> {
        match self.0.as_str() {
            "hourly" => return Some("0 * * * *".to_owned()),
            "daily" => return Some("0 0 * * *".to_owned()),
            "weekly" => return Some("0 0 * * 1".to_owned()),
            "monthly" => return Some("0 0 1 * *".to_owned()),
            _ => {}
        }
        let words: Vec<&str> = self.0.split_whitespace().filter(|word| *word != "*-*-*").collect();
        let (day, time) = match words.as_slice() {
            [time] => ("*".to_owned(), *time),
            [day, time] => {
                let day = day.get(..3)?.to_ascii_lowercase();
                (DAYS.iter().position(|name| *name == day)?.to_string(), *time)
            }
            _ => return None,
        };
        if words.len() == 2 && words.first().is_some_and(|word| word.contains(['.', ',', '-'])) {
            return None;
        }
        let (hour, minute) = time.split_once(':')?;
        let minute = minute.strip_suffix(":00").unwrap_or(minute);
        let (hour, minute): (u8, u8) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then(|| format!("{minute} {hour} * * {day}"))
    }
}

impl FromStr for Calendar {
    type Err = String;

    fn from_str(text: &str) -> Result<Calendar, String> {
        let known = |c: char| c.is_ascii_alphanumeric() || " *,.:/~+-_".contains(c);
        let is_time = text.contains(|c: char| c.is_ascii_digit()) || NAMES.contains(&text);
        match is_time && text.len() <= MAX_CALENDAR && text.chars().all(known) && text.trim() == text {
            true => Ok(Calendar(text.to_owned())),
            false => Err(format!("{text:?} is not a time such as \"03:00\", \"Sun 05:00\", \"hourly\" or \"never\"")),
        }
    }
}

impl fmt::Display for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_what_is_none() {
        for text in ["03:00", "Sun 05:00", "hourly", "*-*-* 03:00:00", "Mon..Fri *-*-1/2 04:00 Europe/Berlin", "*:0/15"]
        {
            assert!(text.parse::<Calendar>().is_ok(), "{text}");
        }
        for text in ["", "soon", "never", "03:00\nExecStart=x", " 03:00", "03:00 %h", "3 o'clock"] {
            assert!(text.parse::<Calendar>().is_err(), "{text}");
        }
    }

    #[test]
    fn cron_is_told_what_it_knows() {
        let cron = |text: &str| text.parse::<Calendar>().unwrap().to_cron();
        for (text, wanted) in [
            ("03:00", "0 3 * * *"),
            ("*-*-* 05:30:00", "30 5 * * *"),
            ("Sun 05:00", "0 5 * * 0"),
            ("Sat *-*-* 06:00", "0 6 * * 6"),
            ("Saturday 06:00", "0 6 * * 6"),
            ("hourly", "0 * * * *"),
        ] {
            assert_eq!(cron(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["Mon..Fri 03:00", "Mon,Tue 03:00", "*:0/15", "25:00", "03:00 UTC", "quarterly", "*-*-1 03:00"] {
            assert_eq!(cron(text), None, "{text}");
        }
    }
}
