//! What a server has that belongs to no database.

use std::collections::BTreeSet;

use super::super::connection::Connection;
use crate::model::dump::globals_script::Subject;
use crate::model::error::Result;

impl Connection {
    pub fn roles_and_tablespaces(&mut self) -> Result<BTreeSet<Subject>> {
        let mut there = BTreeSet::new();
        for row in self.query("SELECT rolname::text FROM pg_roles", &[])? {
            there.insert(Subject::Role(self.column(&row, 0)?));
        }
        for row in self.query("SELECT spcname::text FROM pg_tablespace", &[])? {
            there.insert(Subject::Tablespace(self.column(&row, 0)?));
        }
        Ok(there)
    }
}
