//! Runs that others are told of: those that a schedule makes while nobody looks.

use std::cell::OnceCell;
use std::fmt;

use jiff::Timestamp;

use super::{Ending, Status};
use crate::config::Config;
use crate::model::error::{Code, Error};
use crate::operation::notify::{self, Ended, Run};
use crate::report::Output;

/// One command, from when its configuration was read and root given up until its end. What fails before is seen by
/// whoever started it.
pub struct Job {
    run: Option<Run>,
    config: OnceCell<Config>,
}

impl Job {
    /// `name` is the command as it was called; nobody is told of one without.
    pub fn new(name: Option<Name>, began: Timestamp) -> Job {
        let run = name.map(|name| Run { verb: name.verb, name: name.whole, began });
        Job { run, config: OnceCell::new() }
    }

    pub fn began(&self, config: &Config, output: &Output) {
        let Some(run) = &self.run else { return };
        notify::began(config, run).iter().for_each(|warning| output.aside(warning));
        let _ = self.config.set(config.clone());
    }

    /// After what came out was said.
    pub fn ended(&self, came_to: &Status, output: &Output) {
        let failure = match came_to {
            Ok(Ending { flaw, .. }) => flaw.clone(),
            Err(error) => Some((error.code, format!("error: {}", output.led(error)))),
        };
        self.tell(failure, output);
    }

    /// Instead of [`Job::ended`], where it came to nothing at all.
    pub fn panicked(&self, output: &Output) {
        let bug = Error::new(Code::Internal, "a bug in pgcairn")
            .hint("please report it with the line in the log of this run");
        self.tell(Some((bug.code, format!("error: {bug}"))), output);
    }

    fn tell(&self, failure: Option<(Code, String)>, output: &Output) {
        let (Some(run), Some(config)) = (&self.run, self.config.get()) else { return };
        let ended = Ended { at: Timestamp::now(), failure };
        notify::ended(config, run, &ended).iter().for_each(|warning| output.aside(warning));
    }
}

/// By which a run is told from others.
pub struct Name {
    verb: &'static str,
    /// With the arguments that make it another.
    whole: String,
}

impl Name {
    pub fn of(verb: &'static str) -> Name {
        Name { verb, whole: verb.to_owned() }
    }

    pub fn word(mut self, word: Option<&impl ToString>) -> Name {
        self.whole.extend(word.map(|word| format!(" {}", word.to_string())));
        self
    }

    pub fn option(self, option: &str, value: Option<&impl ToString>) -> Name {
        self.word(value.map(|value| format!("{option} {}", value.to_string())).as_ref())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}
