//! The copy beside the live server, where that can be reached and is the same cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use super::check::{Finding, LEAST};
use crate::flow::in_time::{self, Question};
use crate::model::error::Result;
use crate::operation::Context;
use crate::operation::restore::Restored;
use crate::postgres::{Connection, ServerTables, Settings, UserTable};
use crate::report::drill::Database;
use crate::report::text::few;

/// A server can let one in and say nothing more.
const LONGEST_LOOK: Duration = Duration::from_secs(60);

pub fn compare(context: &Context, restored: &Restored, databases: &mut [Database]) -> Result<Finding> {
    if restored.stop.is_some() {
        return Ok(Finding::not_checked("the target is in the past, and the server has gone on"));
    }
    let Some(postgres) = &context.config.postgres else {
        return Ok(Finding::not_checked("the configuration names no server"));
    };
    // What a server does not tell says nothing of the copy.
    let connection = postgres.connection.as_str().to_owned();
    let question: Question<Result<(u64, ServerTables)>> = Box::new(move || look(&connection));
    let asked = in_time::ask(vec![question], LONGEST_LOOK).pop().flatten();
    let (identifier, live) = match asked {
        Some(Ok(told)) => told,
        Some(Err(error)) => return Ok(Finding::not_checked(error.message)),
        None => return Ok(Finding::not_checked(format!("no answer within {} s", LONGEST_LOOK.as_secs()))),
    };
    if identifier != restored.opened.system_identifier {
        return Ok(Finding::not_checked(format!("the server is another cluster: {identifier}")));
    }
    live.tables.iter().for_each(|(name, tables)| note(databases, name, tables));
    Ok(judge(databases, &live))
}

fn look(connection: &str) -> Result<(u64, ServerTables)> {
    let mut connection = Connection::open(connection)?;
    let identifier = Settings::read(&mut connection)?.system_identifier;
    Ok((identifier, connection.user_tables()?))
}

fn note(databases: &mut [Database], name: &str, live: &[UserTable]) {
    let Some(database) = databases.iter_mut().find(|database| database.name == name) else { return };
    for table in &mut database.tables {
        let same = live.iter().find(|other| other.schema == table.schema && other.name == table.name);
        table.live_rows = same.and_then(|other| other.estimated_rows);
    }
}

fn judge(databases: &[Database], live: &ServerTables) -> Finding {
    let tables = databases.iter().flat_map(|database| {
        database.tables.iter().map(|table| format!("{}.{}.{}", database.name, table.schema, table.name))
    });
    let copied: BTreeSet<String> = tables.collect();
    let named = live.tables.iter().flat_map(|(database, tables)| {
        tables.iter().map(move |table| format!("{database}.{}.{}", table.schema, table.name))
    });
    let (there, missing): (Vec<String>, Vec<String>) = named.partition(|name| copied.contains(name));
    let total = there.len() + missing.len();
    let of_all = format!("{} of the {total} tables that the server has are in the copy", there.len());
    let lacking = if missing.is_empty() { String::new() } else { format!("; not {}", few(&missing)) };
    let closed = match live.not_entered.as_slice() {
        [] => String::new(),
        closed => format!("; databases that this role may not enter: {}", few(closed)),
    };
    let details = of_all + &lacking + &closed;
    match total {
        0 => Finding::not_checked("the server has no table of a user that this role may see"),
        _ if there.len() * 100 >= total * LEAST => Finding::passed(details),
        _ => Finding::failed(details),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::drill::Outcome;
    use crate::report::drill::Table;

    #[test]
    fn tables_of_the_server_that_are_missing_in_the_copy_are_named() {
        let copied = |number: usize| {
            let table = |i| Table {
                schema: "public".into(),
                name: format!("t{i}"),
                rows: Some(1),
                bytes: Some(0),
                live_rows: None,
            };
            [Database { name: "app".into(), tables: (0..number).map(table).collect() }]
        };
        let table = |i| UserTable { oid: 1, schema: "public".into(), name: format!("t{i}"), estimated_rows: None };
        let live = |number: usize| ServerTables {
            tables: vec![("app".to_owned(), (0..number).map(table).collect())],
            not_entered: vec!["hr".to_owned()],
        };
        assert_eq!(judge(&copied(10), &live(10)).outcome, Outcome::Passed);
        assert_eq!(judge(&copied(12), &live(10)).outcome, Outcome::Passed);
        assert_eq!(judge(&copied(9), &live(10)).outcome, Outcome::Passed);
        let finding = judge(&copied(8), &live(10));
        assert_eq!(finding.outcome, Outcome::Failed);
        assert_eq!(
            finding.details,
            "8 of the 10 tables that the server has are in the copy; not app.public.t8, app.public.t9; \
             databases that this role may not enter: hr"
        );
        assert_eq!(judge(&copied(1), &ServerTables::default()).outcome, Outcome::NotChecked);
    }
}
