//! `[drill]`: where copies are made, how long it may take, and what must hold in them.

use std::path::PathBuf;
use std::time::Duration;

use super::file::Table;
use super::{keys, value};
use crate::model::error::Result;

/// A night, and some more.
const LIMIT: Duration = Duration::from_secs(12 * 3600);

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
    pub name: String,
    pub database: String,
    pub sql: String,
}

pub(super) fn drill(table: &Table) -> Result<Drill> {
    Ok(Drill {
        scratch: table.parsed("scratch", value::absolute_path)?,
        limit: table.parsed("limit", value::duration)?.unwrap_or(LIMIT),
        checks: checks(table)?,
    })
}

/// Their names stand in records that everybody may read: a statement would tell of tables, so its number is the name.
fn checks(table: &Table) -> Result<Vec<DrillCheck>> {
    let mut checks: Vec<DrillCheck> = Vec::new();
    for table in table.tables_of(keys::CHECK, keys::CHECK_SECTION)? {
        let name = table.parsed("name", value::not_empty)?.unwrap_or_else(|| (checks.len() + 1).to_string());
        if checks.iter().any(|check| check.name == name) {
            return Err(table.wrong_value("name", table.at("name"), format!("\"{name}\" is taken already")));
        }
        let (database, sql) = (table.required("database", value::not_empty)?, table.required("sql", value::not_empty)?);
        checks.push(DrillCheck { name, database, sql });
    }
    Ok(checks)
}
