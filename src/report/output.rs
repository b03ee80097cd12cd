//! Standard output and standard error. The only place that prints.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use serde::Serialize;

use super::event::{Event, Listener, Progress};
use super::progress::{Display, JSON_INTERVAL, Pace};
use super::status::monitored;
use super::text::plain_lines;
use super::{Report, SCHEMA};
use crate::model::command_line::CommandLine;
use crate::model::error::{Code, Error};
use crate::model::verdict::Level;

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
    warnings: Mutex<Vec<ErrorObject>>,
    /// How commands in hints find what this one found, once that is known.
    commands: OnceLock<CommandLine>,
}

impl Output {
    pub fn new(manner: Manner) -> Output {
        let silent = manner.quiet || manner.in_server_log || manner.format != Format::Human;
        Output {
            manner,
            display: Mutex::new(Display::for_stderr(silent)),
            json_pace: Mutex::new(Pace::new(JSON_INTERVAL)),
            warnings: Mutex::default(),
            commands: OnceLock::new(),
        }
    }

    /// From here on hints lead to this configuration.
    pub fn lead_to(&self, commands: CommandLine) {
        let _ = self.commands.set(commands);
    }

    /// With the hint as it is said.
    pub fn led(&self, error: &Error) -> Error {
        let spell_out = |hint: &String| self.commands.get().map_or(hint.clone(), |commands| commands.spell_out(hint));
        Error { hint: error.hint.as_ref().map(spell_out), ..error.clone() }
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
        let error = &self.led(error);
        lock(&self.display).clear();
        match self.manner.format {
            Format::Human => self.to_log(Tone::Error, &error.to_string()),
            Format::Json | Format::JsonLines => {
                self.json_line(&Failed { schema: SCHEMA, error: error.into(), warnings: self.held_back() });
            }
        }
        error.exit_status()
    }

    /// What a monitor reads where there is no verdict.
    pub fn unknown(&self, error: &Error) {
        if self.manner.format == Format::Human {
            to_stdout(&plain_lines(&monitored::line(Level::Unknown, &error.message, "")));
        }
    }

    /// A warning beside what a command has to say, before it or after: never a part of its result.
    pub fn aside(&self, warning: &Error) {
        lock(&self.display).beside(|| self.to_log(Tone::Warning, &self.led(warning).to_string()));
    }

    fn human<R: Report>(&self, report: &R) {
        let next = report.next().filter(|_| !self.manner.quiet).map(|next| format!("next: {next}\n"));
        to_stdout(&plain_lines(&(report.human() + &next.unwrap_or_default())));
    }

    fn json<R: Report>(&self, report: &R) {
        match R::NAMED {
            true => self.json_line(&named(report, self.held_back())),
            false => self.json_line(report),
        }
    }

    fn json_line(&self, line: &impl Serialize) {
        to_stdout(&(serde_json::to_string(line).unwrap_or_default() + "\n"));
    }

    fn json_event(&self, event: &'static str, body: impl Serialize) {
        self.json_line(&EventLine { schema: SCHEMA, event, body });
    }

    fn held_back(&self) -> Vec<ErrorObject> {
        std::mem::take(&mut *lock(&self.warnings))
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
                self.json_event("progress", progress);
            }
            Format::Json | Format::JsonLines => {}
        }
    }

    fn to_log(&self, tone: Tone, text: &str) {
        let who = if self.manner.in_server_log { "pgcairn: " } else { "" };
        to_stderr(&format!("{who}{}{}\n", tone.label(), plain_lines(text)));
    }
}

impl Listener for Output {
    fn event(&self, event: Event) {
        let event = match event {
            Event::Warning(warning) => Event::Warning(self.led(&warning)),
            event => event,
        };
        match (self.manner.format, event) {
            (_, Event::Progress(progress)) => self.progress(&progress),
            (Format::Human, Event::Warning(warning)) => {
                lock(&self.display).beside(|| self.to_log(Tone::Warning, &warning.to_string()));
            }
            (Format::Human, Event::Notice(fact)) if !self.manner.quiet => {
                lock(&self.display).beside(|| self.to_log(Tone::Plain, &fact));
            }
            (Format::Human, Event::Heading(title)) if !self.manner.quiet => {
                lock(&self.display).beside(|| to_stderr(&format!("\n{}\n", bold(&plain_lines(&title)))));
            }
            (Format::Json, Event::Warning(warning)) => lock(&self.warnings).push((&warning).into()),
            (Format::JsonLines, Event::Warning(warning)) => self.json_event("warning", ErrorObject::from(&warning)),
            (Format::JsonLines, Event::Notice(fact)) => self.json_event("notice", Said { message: fact }),
            (Format::JsonLines, Event::Heading(title)) => self.json_event("heading", Said { message: title }),
            (Format::Human | Format::Json, Event::Notice(_) | Event::Heading(_)) => {}
        }
    }
}

/// Whatever a thread that panicked was saying, the others may go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One line, as `--json` ends with it.
pub fn json<R: Report>(report: &R) -> String {
    serde_json::to_string(&named(report, Vec::new())).unwrap_or_default() + "\n"
}

fn named<R: Report>(body: &R, warnings: Vec<ErrorObject>) -> Named<'_, R> {
    Named { schema: SCHEMA, result: R::NAME, body, warnings }
}

/// A result among ours: every object begins with the schema's number.
#[derive(Serialize)]
struct Named<'a, R> {
    schema: u32,
    result: &'static str,
    #[serde(flatten)]
    body: &'a R,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<ErrorObject>,
}

#[derive(Serialize)]
struct Failed {
    schema: u32,
    error: ErrorObject,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<ErrorObject>,
}

#[derive(Serialize)]
struct EventLine<B> {
    schema: u32,
    event: &'static str,
    #[serde(flatten)]
    body: B,
}

#[derive(Serialize)]
struct Said {
    message: String,
}

#[derive(Debug, Clone, Serialize)]
struct ErrorObject {
    code: &'static str,
    exit_status: u8,
    message: String,
    hint: Option<String>,
}

impl From<&Error> for ErrorObject {
    fn from(error: &Error) -> ErrorObject {
        let Error { code, message, hint, .. } = error.clone();
        ErrorObject { code: code.name(), exit_status: code.exit_status(), message, hint }
    }
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

fn bold(text: &str) -> String {
    if io::stderr().is_terminal() && colors() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
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
