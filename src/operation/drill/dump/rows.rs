//! The rows of every table once everything is loaded, against those that were dumped.

use std::collections::HashMap;

use super::super::check::Finding;
use super::super::rows;
use super::chosen::{Chosen, NO_ROWS};
use crate::model::drill::Outcome;
use crate::model::dump::TableName;
use crate::model::error::Result;
use crate::operation::scratch::{Deadline, Known};
use crate::postgres::ScratchServer;
use crate::report::drill::{Database, Table};
use crate::report::text::{count, few, grouped};

/// Where a table is: its database and its name.
type Counts = HashMap<(String, TableName), u64>;

pub fn check(
    server: &ScratchServer,
    databases: &[Known],
    dump: &Chosen,
    deadline: &Deadline,
) -> Result<(Finding, Vec<Database>)> {
    let (counted, databases) = rows::count(server, databases, deadline)?;
    let finding = match counted.outcome {
        Outcome::Failed => counted,
        _ if dump.summary.schema_only => Finding::not_checked(NO_ROWS),
        _ => compare(&dumped(dump), &found(&databases)),
    };
    Ok((finding, databases))
}

fn dumped(dump: &Chosen) -> Counts {
    let mut counts = Counts::new();
    for part in &dump.contents.databases {
        let small = part.rows.iter().map(|table| (&table.table, table.rows));
        let large = part.large.iter().map(|table| (&table.table, table.rows));
        let named = |(table, rows): (&TableName, u64)| ((part.database.name.clone(), table.clone()), rows);
        counts.extend(small.chain(large).map(named));
    }
    counts
}

fn found(databases: &[Database]) -> Counts {
    let name = |table: &Table| TableName { schema: table.schema.clone(), name: table.name.clone() };
    let of = |database: &Database, table: &Table| Some(((database.name.clone(), name(table)), table.rows?));
    databases.iter().flat_map(|database| database.tables.iter().filter_map(move |table| of(database, table))).collect()
}

fn compare(dumped: &Counts, found: &Counts) -> Finding {
    let mut differing: Vec<String> = dumped
        .iter()
        .filter(|(table, rows)| found.get(table) != Some(rows))
        .map(|((database, table), rows)| match found.get(&(database.clone(), table.clone())) {
            Some(found) => format!("{database}.{table} has {}, not {}", grouped(*found), grouped(*rows)),
            None => format!("{database}.{table} is not there"),
        })
        .collect();
    differing.sort();
    let rows: u64 = dumped.values().sum();
    match (dumped.len() as u64, differing.as_slice()) {
        (0, _) => Finding::not_checked("the dump has no table of a user"),
        (tables, []) => {
            Finding::passed(format!("{} rows in {}, as many as were dumped", grouped(rows), count(tables, "table")))
        }
        (_, differing) => Finding::failed(few(differing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> Counts {
        let table = |name: &str| TableName { schema: "public".to_owned(), name: name.to_owned() };
        counts.iter().map(|(name, rows)| (("app".to_owned(), table(name)), *rows)).collect()
    }

    #[test]
    fn every_table_has_what_was_dumped() {
        let dumped = counts(&[("a", 1000), ("b", 0)]);
        let judged = |found: &[(&str, u64)]| compare(&dumped, &counts(found));
        // What no dump brings rows of is counted too: materialized views.
        let finding = judged(&[("a", 1000), ("b", 0), ("view", 3)]);
        assert_eq!(finding, Finding::passed("1 000 rows in 2 tables, as many as were dumped"));
        let finding = judged(&[("a", 999)]);
        assert_eq!(finding, Finding::failed("app.public.a has 999, not 1 000, app.public.b is not there"));
        assert_eq!(compare(&counts(&[]), &dumped).outcome, Outcome::NotChecked);
    }
}
