//! `[drill]`: where copies are made, how long it may take, and what must hold in them.

use std::path::PathBuf;
use std::time::Duration;

use super::file::Table;
use super::{keys, value};
use crate::model::error::Result;

/// A day's backups must not wait for yesterday's drill.
const LIMIT: Duration = Duration::from_secs(12 * 3600);

/// Of a check that has none of its own, in characters.
const LONGEST_NAME: usize = 48;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// `None` takes the usual place of temporary files.
    pub scratch: Option<PathBuf>,
    pub limit: Duration,
    pub checks: Vec<DrillCheck>,
}

impl Default for Drill {
    fn default() -> Drill {
        Drill { scratch: None, limit: LIMIT, checks: Vec::new() }
    }
}

/// `[[drill.check]]`: a statement whose one answer must be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillCheck {
    pub name: Option<String>,
    pub database: String,
    pub sql: String,
}

impl DrillCheck {
    /// In reports: without a name of its own the beginning of the statement.
    pub fn name(&self) -> String {
        let words = || self.sql.split_whitespace().collect::<Vec<_>>().join(" ");
        self.name.clone().unwrap_or_else(|| words().chars().take(LONGEST_NAME).collect())
    }
}

pub(super) fn drill(table: &Table) -> Result<Drill> {
    let check = |table: &Table| {
        Ok(DrillCheck {
            name: table.parsed("name", value::not_empty)?,
            database: table.required("database", value::not_empty)?,
            sql: table.required("sql", value::not_empty)?,
        })
    };
    Ok(Drill {
        scratch: table.parsed("scratch", value::absolute_path)?,
        limit: table.parsed("limit", value::duration)?.unwrap_or(LIMIT),
        checks: table.tables_of(keys::CHECK, keys::CHECK_SECTION)?.iter().map(check).collect::<Result<_>>()?,
    })
}
