//! Why expiry keeps a backup or dump, in each repository that has it.

use jiff::Timestamp;
use serde::Serialize;

use super::text::{utc, whole_second};
use crate::model::deletion::Hold;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Holds {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldRow>,
    /// Where another repository holds it for another reason, or for another time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_holds: Vec<HoldRow>,
}

/// Why expiry keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldRow {
    pub reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Which repositories hold it so, by name; empty where one is configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repositories: Vec<String>,
}

impl HoldRow {
    /// `everywhere` are the repositories that have it.
    fn words(&self, everywhere: &[String]) -> String {
        let places = (self.repositories != everywhere).then(|| format!(" in {}", self.repositories.join(" and ")));
        let until = self.until.map(|until| format!(" until {}", utc(whole_second(until))));
        format!("held{}{}: {}", places.unwrap_or_default(), until.unwrap_or_default(), self.reason)
    }
}

impl Holds {
    /// Of one repository.
    pub fn of(hold: Option<&Hold>) -> Holds {
        let row = |hold: &Hold| HoldRow { reason: hold.reason.clone(), until: hold.until, repositories: Vec::new() };
        Holds { hold: hold.map(row), other_holds: Vec::new() }
    }

    pub fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// As one more repository holds it.
    pub fn add(&mut self, hold: HoldRow) {
        let is_first = self.hold.is_none();
        let mut same = self.hold.iter_mut().chain(&mut self.other_holds);
        match same.find(|known| (&known.reason, known.until) == (&hold.reason, hold.until)) {
            Some(known) => known.repositories.extend(hold.repositories),
            None if is_first => self.hold = Some(hold),
            None => self.other_holds.push(hold),
        }
    }

    /// The first of them; `everywhere` are the repositories that have it.
    pub fn first(&self, everywhere: &[String]) -> Option<String> {
        self.hold.as_ref().map(|hold| hold.words(everywhere))
    }

    /// One remark for each; `everywhere` are the repositories that have it.
    pub fn words(&self, everywhere: &[String]) -> impl Iterator<Item = String> {
        self.hold.iter().chain(&self.other_holds).map(|hold| hold.words(everywhere))
    }
}
