//! What a newcomer reads while it happens.

use std::cell::Cell;
use std::fmt::Display;

use super::Place;
use crate::model::error::Error;
use crate::report::{Event, Listener};

/// Chapters are numbered, what happens in them is indented below.
pub struct Story<'a> {
    listener: &'a dyn Listener,
    chapter: Cell<u32>,
}

const INDENT: &str = "   ";
/// A shell's command goes on in the next line.
const CONTINUED: &str = " \\\n       ";

impl<'a> Story<'a> {
    pub fn new(listener: &'a dyn Listener) -> Story<'a> {
        Story { listener, chapter: Cell::new(0) }
    }

    pub fn opening(&self, place: &Place) {
        self.listener.notice("A server loses a table by mistake and gets it back, in half a minute or so.".to_owned());
        let place = place.path().display();
        self.listener.notice(format!("All of it happens in {place}; no server of yours is touched."));
    }

    pub fn chapter(&self, title: &str) {
        self.chapter.set(self.chapter.get() + 1);
        self.listener.event(Event::Heading(format!("{}. {title}", self.chapter.get())));
    }

    pub fn fact(&self, fact: impl Display) {
        self.listener.notice(format!("{INDENT}{fact}"));
    }

    /// What a person would type; paths and the name of the configuration are left out.
    pub fn command(&self, arguments: &str) {
        self.listener.notice(format!("{INDENT}$ pgcairn {}", arguments.replace('\n', CONTINUED)));
    }

    pub fn quote(&self, line: &str) {
        self.listener.notice(format!("{INDENT}> {line}"));
    }

    /// For the operations: their warnings are heard, their progress would drown the story.
    pub fn aside(&self) -> impl Listener + use<'a> {
        Aside(self.listener)
    }
}

struct Aside<'a>(&'a dyn Listener);

impl Listener for Aside<'_> {
    fn event(&self, event: Event) {
        if let Event::Warning(warning) = event {
            self.warning(warning);
        }
    }

    fn warning(&self, warning: Error) {
        self.0.warning(warning);
    }
}
