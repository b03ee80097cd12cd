//! Standard output and standard error. The only place that prints.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};

use super::event::{Event, Progress, Sink};
use super::progress::{Display, JSON_INTERVAL, Pace};
use super::{Report, SCHEMA};
use crate::model::error::{Code, Error};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Human,
    /// One object.
    Json,
    /// One object a line: events, then the result.
    JsonLines,
}

/// How a command speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    pub format: Format,
    /// Results, warnings and failures only.
    pub quiet: bool,
    /// Standard error is a server's log, where a line must say who wrote it.
    pub in_server_log: bool,
}

/// Where a command's words go. Standard output is the result, standard error progress and log.
#[derive(Debug)]
pub struct Output {
    manner: Manner,
    display: Mutex<Display>,
    json_pace: Mutex<Pace>,
    /// What [`Format::Json`] holds back for its one object.
    warnings: Mutex<Vec<Value>>,
}

impl Output {
    pub fn new(manner: Manner) -> Output {
        let silent = manner.quiet || manner.in_server_log || manner.format != Format::Human;
        Output {
            manner,
            display: Mutex::new(Display::for_stderr(silent)),
            json_pace: Mutex::new(Pace::new(JSON_INTERVAL)),
            warnings: Mutex::default(),
        }
    }

    /// Says what came out and returns the exit status.
    pub fn result<R: Report>(&self, report: &R) -> u8 {
        lock(&self.display).clear();
        match self.manner.format {
            Format::Human => self.human(report),
            Format::Json | Format::JsonLines => self.json(report),
        }
        report.flaw().map_or(0, Code::exit_status)
    }

    /// Says what went wrong and returns the exit status.
    pub fn error(&self, error: &Error) -> u8 {
        lock(&self.display).clear();
        match self.manner.format {
            Format::Human => self.to_log(Tone::Error, &error.to_string()),
            Format::Json | Format::JsonLines => {
                to_stdout(&format!("{}\n", self.whole(json!({"error": error_object(error)}))));
            }
        }
        error.exit_status()
    }

    fn human<R: Report>(&self, report: &R) {
        let next = report.next().filter(|_| !self.manner.quiet).map(|next| format!("next: {next}\n"));
        to_stdout(&(report.human() + &next.unwrap_or_default()));
    }

    fn json<R: Report>(&self, report: &R) {
        let body = serde_json::to_value(report).unwrap_or_default();
        let whole = if R::NAMED { self.whole(merged(json!({"result": R::NAME}), body)) } else { body };
        to_stdout(&format!("{whole}\n"));
    }

    /// The object with our schema's number, and with the warnings that were held back.
    fn whole(&self, body: Value) -> Value {
        let warnings = std::mem::take(&mut *lock(&self.warnings));
        let warnings = if warnings.is_empty() { json!({}) } else { json!({"warnings": warnings}) };
        merged(merged(json!({"schema": SCHEMA}), body), warnings)
    }

    fn json_event(&self, name: &str, body: Value) {
        to_stdout(&format!("{}\n", merged(json!({"schema": SCHEMA, "event": name}), body)));
    }

    fn progress(&self, progress: &Progress) {
        let now = Instant::now();
        match self.manner.format {
            Format::Human => {
                if let Some(line) = lock(&self.display).show(progress, now) {
                    self.to_log(Tone::Plain, &line);
                }
            }
            Format::JsonLines if lock(&self.json_pace).due(progress.phase, now).1 => {
                self.json_event("progress", json!(progress));
            }
            Format::Json | Format::JsonLines => {}
        }
    }

    fn to_log(&self, tone: Tone, text: &str) {
        let who = if self.manner.in_server_log { "pgcairn: " } else { "" };
        to_stderr(&format!("{who}{}{text}\n", tone.label()));
    }
}

impl Sink for Output {
    fn event(&self, event: Event) {
        match (self.manner.format, event) {
            (_, Event::Progress(progress)) => self.progress(&progress),
            (Format::Human, Event::Warning(warning)) => {
                lock(&self.display).beside(|| self.to_log(Tone::Warning, &warning.to_string()));
            }
            (Format::Human, Event::Notice(fact)) if !self.manner.quiet => {
                lock(&self.display).beside(|| self.to_log(Tone::Plain, &fact));
            }
            (Format::Json, Event::Warning(warning)) => lock(&self.warnings).push(error_object(&warning)),
            (Format::JsonLines, Event::Warning(warning)) => self.json_event("warning", error_object(&warning)),
            (Format::JsonLines, Event::Notice(fact)) => self.json_event("notice", json!({"message": fact})),
            (Format::Human | Format::Json, Event::Notice(_)) => {}
        }
    }
}

/// Whatever a thread that panicked was saying, the others may go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn merged(first: Value, second: Value) -> Value {
    let object = |value| if let Value::Object(object) = value { object } else { Map::new() };
    Value::Object(object(first).into_iter().chain(object(second)).collect())
}

fn error_object(error: &Error) -> Value {
    json!({
        "code": error.code.name(),
        "exit_status": error.exit_status(),
        "message": error.message,
        "hint": error.hint,
    })
}

#[derive(Debug, Clone, Copy)]
enum Tone {
    Plain,
    Warning,
    Error,
}

impl Tone {
    fn label(self) -> &'static str {
        let colored = io::stderr().is_terminal() && colors();
        match self {
            Tone::Plain => "",
            Tone::Warning if colored => "\x1b[1;33mwarning:\x1b[0m ",
            Tone::Warning => "warning: ",
            Tone::Error if colored => "\x1b[1;31merror:\x1b[0m ",
            Tone::Error => "error: ",
        }
    }
}

/// Colours are wanted, as far as the environment says (no-color.org).
pub fn colors() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// A reader that went away (`| head`) is no failure of ours, so errors end nothing here.
pub fn to_stdout(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
