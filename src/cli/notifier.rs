//! Runs that others are told of: those that a schedule makes while nobody looks.

use std::cell::{Cell, OnceCell};
use std::fmt;

use jiff::Timestamp;

use super::{Ending, Status};
use crate::config::Config;
use crate::model::error::{Code, Error};
use crate::model::selector::Selector;
use crate::operation::metrics;
use crate::operation::notify::{self, Ended, Run};
use crate::report::{self, Output};

/// One command, from when its configuration was read and root given up until its end. What fails before is seen by
/// whoever started it.
pub struct Notifier {
    run: Option<Run>,
    /// As the file has it, whatever arguments say.
    config: OnceCell<Config>,
    has_begun: Cell<bool>,
    /// What the command itself found out.
    status: OnceCell<report::status::Status>,
}

impl Notifier {
    /// `name` is the command as it was called; nobody is told of one without.
    pub fn new(name: Option<RunName>, began: Timestamp) -> Notifier {
        let run = name.map(|name| Run { verb: name.verb, name: name.whole, began: Some(began) });
        Notifier { run, config: OnceCell::new(), has_begun: Cell::new(false), status: OnceCell::new() }
    }

    pub fn configured(&self, config: &Config) {
        let _ = self.config.set(config.clone());
    }

    /// How it ends will be known on this host.
    pub fn is_remembered(&self) -> bool {
        self.run.is_some()
    }

    pub fn began(&self, output: &Output) {
        self.has_begun.set(true);
        if let (Some(run), Some(config)) = (&self.run, self.config.get()) {
            notify::began(config, run).iter().for_each(|warning| output.aside(warning));
        }
    }

    /// What need not be found out again for metrics: everything that is configured.
    pub fn knows(&self, status: report::status::Status) {
        let _ = self.status.set(status);
    }

    /// After what came out was said.
    pub fn ended(&self, came_to: &Status, output: &Output) {
        let failure = match came_to {
            Ok(Ending { flaw, .. }) => flaw.clone(),
            Err(error) => Some((error.code, format!("error: {}", output.led(error)))),
        };
        self.tell(failure, output);
    }

    /// Instead of [`Notifier::ended`], where it came to nothing at all.
    pub fn panicked(&self, output: &Output) {
        let bug = Error::new(Code::Internal, "a bug in pgcairn")
            .hint("please report it with the line in the log of this run");
        self.tell(Some((bug.code, format!("error: {bug}"))), output);
    }

    fn tell(&self, failure: Option<(Code, String)>, output: &Output) {
        let Some(config) = self.config.get().filter(|_| self.has_begun.get()) else { return };
        // Repositories are not waited for any more.
        let interrupted = failure.as_ref().is_some_and(|(code, _)| *code == Code::Interrupted);
        if let Some(run) = &self.run {
            let ended = Ended { at: Timestamp::now(), failure, invocation: notify::own_invocation() };
            notify::ended(config, run, &ended).iter().for_each(|warning| output.aside(warning));
        }
        if !interrupted && (self.run.is_some() || self.status.get().is_some()) {
            metrics::ended(config, self.status.get()).iter().for_each(|warning| output.aside(warning));
        }
    }
}

/// A backup that is named by its id is of interest to the person who names it.
pub fn is_one(backup: &Option<Selector>) -> bool {
    matches!(backup, Some(Selector::Prefix(_)))
}

/// By which a run is told from others.
pub struct RunName {
    verb: &'static str,
    /// With the arguments that make it another.
    whole: String,
}

impl RunName {
    pub fn of(verb: &'static str) -> RunName {
        RunName { verb, whole: verb.to_owned() }
    }

    pub fn word(mut self, word: Option<&impl ToString>) -> RunName {
        self.whole.extend(word.map(|word| format!(" {}", word.to_string())));
        self
    }

    pub fn option(self, option: &str, value: Option<&impl ToString>) -> RunName {
        self.word(value.map(|value| format!("{option} {}", value.to_string())).as_ref())
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}
