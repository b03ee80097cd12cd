//! Standard output and standard error. The only place that prints.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::event::{Event, Sink};
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

/// Where a command's words go. Standard output is the result, standard error progress and log.
pub struct Output {
    format: Format,
    quiet: bool,
    /// What [`Format::Json`] holds back for its one object.
    warnings: Mutex<Vec<Value>>,
}

impl Output {
    pub fn new(format: Format, quiet: bool) -> Output {
        Output { format, quiet, warnings: Mutex::default() }
    }

    /// Says what came out and returns the exit status.
    pub fn result<R: Report>(&self, report: &R) -> u8 {
        match self.format {
            Format::Human => self.human(report),
            Format::Json | Format::JsonLines => self.json(report),
        }
        report.flaw().map_or(0, Code::exit_status)
    }

    /// Says what went wrong and returns the exit status.
    pub fn error(&self, error: &Error) -> u8 {
        match self.format {
            Format::Human => to_stderr(&format!("error: {error}\n")),
            _ => to_stdout(&format!("{}\n", self.whole(json!({"error": error_object(error)})))),
        }
        error.exit_status()
    }

    fn human<R: Report>(&self, report: &R) {
        to_stdout(&report.human());
        if let Some(next) = report.next().filter(|_| !self.quiet) {
            to_stdout(&format!("next: {next}\n"));
        }
    }

    fn json<R: Report>(&self, report: &R) {
        let body = serde_json::to_value(report).unwrap_or_default();
        let line = match body {
            Value::Object(body) if R::NAME != super::config::Schema::NAME => {
                let mut whole = Map::from_iter([("result".to_owned(), json!(R::NAME))]);
                whole.extend(body);
                self.whole(Value::Object(whole))
            }
            other => other,
        };
        to_stdout(&format!("{line}\n"));
    }

    /// The object with our schema's number, and with the warnings that were held back.
    fn whole(&self, body: Value) -> Value {
        let mut whole = Map::from_iter([("schema".to_owned(), json!(SCHEMA))]);
        whole.extend(body.as_object().cloned().unwrap_or_default());
        let warnings = std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner));
        if !warnings.is_empty() {
            whole.insert("warnings".to_owned(), Value::Array(warnings));
        }
        Value::Object(whole)
    }

    fn event_line(&self, name: &str, body: Value) {
        let mut line = Map::from_iter([("schema".to_owned(), json!(SCHEMA)), ("event".to_owned(), json!(name))]);
        line.extend(body.as_object().cloned().unwrap_or_default());
        to_stdout(&format!("{}\n", Value::Object(line)));
    }

    fn human_event(&self, event: Event) {
        match event {
            Event::Warning(warning) => to_stderr(&format!("warning: {warning}\n")),
            Event::Notice(fact) if !self.quiet => to_stderr(&format!("{fact}\n")),
            Event::Notice(_) | Event::Progress(_) => {}
        }
    }
}

impl Sink for Output {
    fn event(&self, event: Event) {
        match (self.format, event) {
            (Format::Human, event) => self.human_event(event),
            (Format::Json, Event::Warning(warning)) => {
                self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(error_object(&warning));
            }
            (Format::Json, _) => {}
            (Format::JsonLines, Event::Warning(warning)) => self.event_line("warning", error_object(&warning)),
            (Format::JsonLines, Event::Notice(fact)) => self.event_line("notice", json!({"message": fact})),
            (Format::JsonLines, Event::Progress(p)) => self.event_line("progress", json!(p)),
        }
    }
}

fn error_object(error: &Error) -> Value {
    json!({
        "code": error.code.name(),
        "exit_status": error.exit_status(),
        "message": error.message,
        "hint": error.hint,
    })
}

/// A reader that went away (`| head`) is no failure of ours, so errors end nothing here.
pub(crate) fn to_stdout(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

pub(crate) fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
