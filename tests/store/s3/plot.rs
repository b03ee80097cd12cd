//! Lies in wait for the requests of one run on the store, and breaks the one with a number.

#![allow(dead_code)] // only trials on whole processes count requests

use std::sync::Mutex;

use hyper::HeaderMap;

use super::Fault;

#[derive(Debug, Clone)]
pub struct Plot {
    /// What every one of these requests names, and no other.
    pub name: String,
    /// The host by which they call the server; who works on the same beside them calls it by another.
    pub host: &'static str,
    /// So many of them are left alone.
    pub spared: usize,
    /// What the next one meets.
    pub fault: Fault,
    /// What all meet that come after it.
    pub afterwards: Option<Fault>,
}

/// Each with the number of requests that came.
#[derive(Debug, Default)]
pub struct Plots(Mutex<Vec<(Plot, usize)>>);

impl Plots {
    pub fn lay(&self, plot: Plot) {
        self.0.lock().unwrap().push((plot, 0));
    }

    /// It is over; how many requests came.
    pub fn end(&self, name: &str) -> usize {
        let mut plots = self.0.lock().unwrap();
        let found = plots.iter().position(|(plot, _)| plot.name == name).unwrap();
        plots.swap_remove(found).1
    }

    pub(super) fn meets(&self, headers: &HeaderMap, name: &str) -> Option<Fault> {
        let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
        let mut plots = self.0.lock().unwrap();
        let meets = |(plot, _): &&mut (Plot, usize)| name.contains(&plot.name) && host.starts_with(plot.host);
        let (plot, came) = plots.iter_mut().find(meets)?;
        *came += 1;
        match *came - 1 {
            number if number < plot.spared => None,
            number if number == plot.spared => Some(plot.fault),
            _ => plot.afterwards,
        }
    }
}
