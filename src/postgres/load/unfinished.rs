//! A database that is being filled, as its comment says: a run that is to go on with it knows it by that, and a person
//! who finds it too.

use std::fmt;

use super::super::connection::Connection;
use crate::model::error::Result;

/// `pgcairn_` databases of our own role: whoever may make databases might make one of the name and the comment.
const OURS: &str = "SELECT datname::text, shobj_description(oid, 'pg_database') FROM pg_database \
     WHERE datname ~ '^pgcairn_[0-9a-f]{16}$' AND datconnlimit <> -2 AND datallowconn \
     AND datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user) ORDER BY datname";

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// What is made before rows.
    Definitions,
    /// Of these a [`super::Ledger`] knows which are loaded.
    Rows,
    /// All rows are there, and counted: what is made after them.
    Indexes,
}

impl Step {
    const ALL: [Step; 3] = [Step::Definitions, Step::Rows, Step::Indexes];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Definitions => "definitions",
            Step::Rows => "rows",
            Step::Indexes => "indexes",
        })
    }
}

/// What it is to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    pub dump: String,
    /// In the dump.
    pub database: String,
    /// Stands for which parts of it, and whose they are to be.
    pub asked: String,
}

impl Purpose {
    pub fn comment(&self, step: Step) -> String {
        format!("{}{}, at its {step}", self.beginning(), self.asked)
    }

    pub fn step_of(&self, comment: &str) -> Option<Step> {
        Step::ALL.into_iter().find(|step| self.comment(*step) == comment)
    }

    fn beginning(&self) -> String {
        format!("pgcairn dump restore, unfinished: database {} of dump {}, as asked in ", self.database, self.dump)
    }
}

/// One that a run before has left, or that another run is filling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub name: String,
    pub step: Step,
}

impl Unfinished {
    /// There is something to go on with.
    pub fn is_begun(&self) -> bool {
        self.step > Step::Definitions
    }
}

/// Those of the same database of the same dump.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    pub same: Vec<Unfinished>,
    /// Otherwise asked for.
    pub others: Vec<String>,
}

impl Left {
    fn of(purpose: &Purpose, there: impl Iterator<Item = (String, String)>) -> Left {
        let mut left = Left::default();
        for (name, comment) in there {
            match purpose.step_of(&comment) {
                Some(step) => left.same.push(Unfinished { name, step }),
                None if comment.starts_with(&purpose.beginning()) => left.others.push(name),
                None => {}
            }
        }
        // The one that is furthest.
        left.same.sort_by_key(|unfinished| std::cmp::Reverse(unfinished.step));
        left
    }
}

impl Connection {
    pub fn unfinished(&mut self, purpose: &Purpose) -> Result<Left> {
        let mut there = Vec::new();
        for row in self.query(OURS, &[])? {
            let (name, comment): (String, Option<String>) = (self.column(&row, 0)?, self.column(&row, 1)?);
            there.push((name, comment.unwrap_or_default()));
        }
        Ok(Left::of(purpose, there.into_iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_by_its_comment() {
        let purpose = |asked: &str| Purpose { dump: "D".into(), database: "s, of dump E".into(), asked: asked.into() };
        let comment = |asked, step| purpose(asked).comment(step);
        assert_eq!(
            comment("1f", Step::Rows),
            "pgcairn dump restore, unfinished: database s, of dump E of dump D, as asked in 1f, at its rows"
        );
        let there = [
            ("a", comment("1f", Step::Definitions)),
            ("b", comment("1f", Step::Indexes)),
            ("c", comment("2f", Step::Rows)),
            ("d", Purpose { dump: "F".into(), ..purpose("1f") }.comment(Step::Rows)),
            ("e", String::new()),
        ];
        let left = Left::of(&purpose("1f"), there.into_iter().map(|(name, text)| (name.to_owned(), text)));
        let same = left.same.iter().map(|unfinished| (unfinished.name.as_str(), unfinished.step));
        assert_eq!(same.collect::<Vec<_>>(), [("b", Step::Indexes), ("a", Step::Definitions)]);
        assert_eq!(left.others, ["c"]);
    }
}
