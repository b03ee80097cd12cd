//! `[schedule]`: when timers start what.

use super::file::Table;
use crate::model::error::Result;
use crate::model::schedule::{Calendar, Job};

const NEVER: &str = "never";

/// As configured; for a job that is not there the usual time counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule(Vec<(Job, Time)>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Time {
    Never,
    At(Calendar),
}

impl Schedule {
    pub fn of(&self, job: Job) -> Option<&Time> {
        self.0.iter().find(|(other, _)| *other == job).map(|(_, time)| time)
    }

    /// As the file has it.
    pub fn word(&self, job: Job) -> Option<&str> {
        self.of(job).map(|time| match time {
            Time::Never => NEVER,
            Time::At(calendar) => calendar.as_str(),
        })
    }
}

pub(super) fn schedule(table: &Table) -> Result<Schedule> {
    let time = |text: &str| if text == NEVER { Ok(Time::Never) } else { text.parse().map(Time::At) };
    let read = |job: Job| Ok(table.parsed(job.name(), time)?.map(|time| (job, time)));
    Ok(Schedule(Job::ALL.into_iter().map(read).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()))
}
