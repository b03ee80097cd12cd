//! Tables of one database that go together: those that were asked for, with their partitions and the tables that inherit
//! from them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::model::error::{Code, Error, Result};
use crate::model::table_name::{TableName, quoted};
use crate::operation::scratch::{Deadline, said};
use crate::postgres::{ScratchServer, UserTable, size_and_rows};
use crate::report::restore_table::Table;

/// A table of the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub oid: u32,
    pub schema: String,
    pub name: String,
    /// `false` for a partitioned table, whose rows are in its partitions.
    pub holds_rows: bool,
}

impl Member {
    pub fn in_database(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

/// A table that was asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub name: TableName,
    pub oid: u32,
    /// The oids of its family, its own among them.
    pub family: Vec<u32>,
}

#[derive(Debug, Clone)]
pub struct Family {
    pub database: String,
    pub wanted: Vec<Wanted>,
    pub members: Vec<Member>,
    /// What no backup brings, or nobody can move.
    pub lost: Vec<String>,
    counted: RefCell<BTreeMap<u32, (u64, u64)>>,
}

impl Family {
    pub fn new(database: String, wanted: Vec<Wanted>, members: Vec<Member>, lost: Vec<String>) -> Family {
        Family { database, wanted, members, lost, counted: RefCell::default() }
    }

    pub fn oids(&self) -> Vec<u32> {
        self.members.iter().map(|member| member.oid).collect()
    }

    /// The same tables, once they are in another schema.
    pub fn below(&self, schema: &str) -> Family {
        let moved = |member: &Member| Member { schema: schema.to_owned(), ..member.clone() };
        Family { members: self.members.iter().map(moved).collect(), ..self.clone() }
    }

    /// One schema has one table of a name.
    pub fn refuse_same_names(&self) -> Result<()> {
        let mut seen: BTreeMap<&str, &Member> = BTreeMap::new();
        for member in &self.members {
            if let Some(other) = seen.insert(&member.name, member) {
                let (one, other) = (other.in_database(), member.in_database());
                return Err(Error::new(Code::Refused, format!("{one} and {other} cannot go into one schema"))
                    .hint("bring them in two runs, and rename the schema of the first: ALTER SCHEMA … RENAME TO …"));
            }
        }
        Ok(())
    }

    /// Rows and bytes of what was asked for, each with its family.
    pub fn count(&self, server: &ScratchServer, deadline: &Deadline) -> Result<Vec<Table>> {
        let mut session = server.session(&self.database)?;
        deadline.watch(&session);
        for member in self.members.iter().filter(|member| member.holds_rows) {
            deadline.interrupt().check()?;
            let table = UserTable {
                oid: member.oid,
                schema: member.schema.clone(),
                name: member.name.clone(),
                estimated_rows: None,
            };
            let counted = size_and_rows(&mut session, &table).map_err(|error| {
                let Error { message, .. } = said(error);
                Error::new(Code::Io, format!("{}.{}: {message}", quoted(&self.database), member.in_database()))
            })?;
            self.counted.borrow_mut().insert(member.oid, counted);
        }
        Ok(self.wanted.iter().map(|wanted| self.table(wanted)).collect())
    }

    fn table(&self, wanted: &Wanted) -> Table {
        let counted = self.counted.borrow();
        let of = wanted.family.iter().filter_map(|oid| counted.get(oid));
        let TableName { database, schema, name } = wanted.name.clone();
        Table {
            database,
            schema,
            name,
            parts: wanted.family.len() as u64 - 1,
            rows: of.clone().map(|(_, rows)| rows).sum(),
            bytes: of.map(|(bytes, _)| bytes).sum(),
            loaded_rows: None,
        }
    }

    /// Of each table that holds some, in their order.
    pub fn rows(&self) -> Vec<(Member, u64)> {
        let counted = self.counted.borrow();
        let rows = |member: &Member| Some((member.clone(), counted.get(&member.oid)?.1));
        self.members.iter().filter_map(rows).collect()
    }
}
