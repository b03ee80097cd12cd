//! The rows of every table, counted: `n_live_tup` is 0 after a recovery although rows are there.

use super::check::Finding;
use crate::model::error::Result;
use crate::operation::scratch::{Deadline, Known, said};
use crate::postgres::{ScratchServer, size_and_rows, user_tables};
use crate::report::drill::{Database, Table};
use crate::report::text::{self, few, grouped};

/// A table that cannot be read is named, and the others are counted all the same.
pub fn count(server: &ScratchServer, databases: &[Known], deadline: &Deadline) -> Result<(Finding, Vec<Database>)> {
    let (mut all, mut broken) = (Vec::new(), Vec::new());
    for Known { name, .. } in databases {
        let mut session = server.session(name)?;
        deadline.watch(&session);
        let mut tables = Vec::new();
        for table in user_tables(&mut session).map_err(said)? {
            deadline.interrupt().check()?;
            let counted = size_and_rows(&mut session, &table);
            deadline.interrupt().check()?;
            let full_name = format!("{name}.{}.{}", table.schema, table.name);
            let counted = counted.map_err(|error| broken.push(format!("{full_name}: {}", said(error).message))).ok();
            let (bytes, rows) = counted.unzip();
            tables.push(Table { schema: table.schema, name: table.name, rows, bytes, live_rows: None });
        }
        all.push(Database { name: name.clone(), tables });
    }
    let tables: Vec<&Table> = all.iter().flat_map(|database| &database.tables).collect();
    let rows: u64 = tables.iter().filter_map(|table| table.rows).sum();
    let finding = match (tables.len() as u64, broken.as_slice()) {
        (0, _) => Finding::not_checked("the copy has no table of a user"),
        (number, []) => Finding::passed(format!("{} rows in {}", grouped(rows), count_of(number))),
        (_, broken) => Finding::failed(format!("{} cannot be read: {}", count_of(broken.len() as u64), few(broken))),
    };
    Ok((finding, all))
}

fn count_of(number: u64) -> String {
    text::count(number, "table")
}
