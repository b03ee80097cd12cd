//! The tables in the copy, or what comes nearest to their names.

use ::postgres::Client;

use super::Request;
use super::family::{Family, Member, Wanted};
use crate::model::error::{Code, Error, Result};
use crate::model::table_name::{TableName, quoted};
use crate::operation::scratch::{Databases, Deadline, said};
use crate::postgres::ScratchServer;
use crate::report::restore::Plan;

/// Names that are less alike are no help.
const ALIKE: f64 = 0.75;
/// How many of them are named.
const NAMED: usize = 3;

const ONE: &str = "SELECT c.oid, c.relkind::text, c.relpersistence::text, c.oid < 16384 \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2";

const ALL: &str = "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384";

/// A table and all below it. A temporary table that somebody's crashed session has left is nobody's.
const FAMILY: &str = "WITH RECURSIVE family AS (SELECT $1::oid AS oid UNION \
     SELECT i.inhrelid FROM pg_inherits i JOIN family f ON i.inhparent = f.oid) \
     SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text \
     FROM family f JOIN pg_class c ON c.oid = f.oid JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relpersistence <> 't' ORDER BY c.oid = $1 DESC, 2, 3";

/// By their databases, in the order in which these were named.
pub fn all(
    server: &ScratchServer,
    databases: &Databases,
    request: &Request,
    plan: &Plan,
    deadline: &Deadline,
) -> Result<Vec<Family>> {
    let mut families: Vec<Family> = Vec::new();
    let known: Vec<&str> = databases.whole.iter().map(|database| database.name.as_str()).collect();
    for table in &request.tables {
        if !known.contains(&table.database.as_str()) {
            return Err(no_database(table, &known, plan));
        }
        if families.iter().any(|family| family.database == table.database) {
            continue;
        }
        let mut session = server.session(&table.database)?;
        deadline.watch(&session);
        let of_database = request.tables.iter().filter(|other| other.database == table.database);
        families.push(family(&mut session, of_database, plan)?);
    }
    Ok(families)
}

fn family<'t>(session: &mut Client, tables: impl Iterator<Item = &'t TableName>, plan: &Plan) -> Result<Family> {
    let (mut wanted, mut members, mut lost) = (Vec::<Wanted>::new(), Vec::<Member>::new(), Vec::new());
    for table in tables {
        let oid = one(session, table, plan)?;
        if wanted.iter().any(|wanted| wanted.oid == oid) {
            continue;
        }
        let mut of_it = Vec::new();
        for row in session.query(FAMILY, &[&oid]).map_err(said)? {
            let get = |column| row.try_get::<_, String>(column).map_err(said);
            let (schema, name, kind, persistence) = (get(1)?, get(2)?, get(3)?, get(4)?);
            let member = Member { oid: row.try_get(0).map_err(said)?, schema, name, holds_rows: kind == "r" };
            if kind == "f" {
                lost.push(format!("foreign table {}", member.in_database()));
                continue;
            }
            if persistence == "u" && kind == "r" {
                lost.push(format!("rows of {}, which is unlogged: no backup has them", member.in_database()));
            }
            of_it.push(member.oid);
            if !members.iter().any(|other| other.oid == member.oid) {
                members.push(member);
            }
        }
        wanted.push(Wanted { name: table.clone(), oid, family: of_it });
    }
    let database = wanted.first().map(|wanted| wanted.name.database.clone()).unwrap_or_default();
    lost.dedup();
    Ok(Family::new(database, wanted, members, lost))
}

fn one(session: &mut Client, table: &TableName, plan: &Plan) -> Result<u32> {
    let Some(row) = session.query_opt(ONE, &[&table.schema, &table.name]).map_err(said)? else {
        return Err(no_table(session, table, plan)?);
    };
    let (oid, kind): (u32, String) = (row.try_get(0).map_err(said)?, row.try_get(1).map_err(said)?);
    let (persistence, is_own): (String, bool) = (row.try_get(2).map_err(said)?, row.try_get(3).map_err(said)?);
    let kind = match (kind.as_str(), persistence.as_str()) {
        _ if is_own => "a relation of PostgreSQL itself",
        ("r", "u") => "an unlogged table, whose rows are in no backup",
        ("r" | "p", _) => return Ok(oid),
        ("v", _) => "a view",
        ("m", _) => "a materialized view",
        ("f", _) => "a foreign table",
        ("S", _) => "a sequence",
        ("i" | "I", _) => "an index",
        _ => "a type",
    };
    Err(Error::new(Code::Refused, format!("{table} is {kind}; tables that hold rows are restored")).hint(WHOLE))
}

const WHOLE: &str = "name the tables that it reads or belongs to; or look at it in a whole copy: pgcairn restore --target-dir DIR --to latest --start";

fn no_database(table: &TableName, known: &[&str], plan: &Plan) -> Error {
    let message = format!("there was no database {} at {}", quoted(&table.database), moment(plan));
    let near: Vec<String> = nearest(known.to_vec(), &table.database, |name| name).into_iter().map(quoted).collect();
    let hint = match near.as_slice() {
        [] => format!("it had: {}", known.join(", ")),
        near => format!("the nearest: {}", near.join(", ")),
    };
    Error::new(Code::NotFound, message).hint(hint)
}

fn no_table(session: &mut Client, table: &TableName, plan: &Plan) -> Result<Error> {
    let message = format!("there was no table {table} at {}", moment(plan));
    let mut near = Vec::new();
    for row in session.query(ALL, &[]).map_err(said)? {
        let (schema, name) = (row.try_get(0).map_err(said)?, row.try_get(1).map_err(said)?);
        near.push(TableName { database: table.database.clone(), schema, name });
    }
    let near: Vec<String> = nearest(near, &table.name, |table| &table.name).iter().map(ToString::to_string).collect();
    let hint = match near.as_slice() {
        [] => format!("no table of {} has a name like it; another moment: --to TIME", quoted(&table.database)),
        near => format!("the nearest: {}; or another moment: --to TIME", near.join(", ")),
    };
    Ok(Error::new(Code::NotFound, message).hint(hint))
}

fn moment(plan: &Plan) -> &str {
    &plan.target
}

/// Those that are alike, the nearest first.
fn nearest<T: Ord>(mut all: Vec<T>, wanted: &str, name: impl Fn(&T) -> &str) -> Vec<T> {
    let likeness = |one: &T| strsim::jaro_winkler(name(one), wanted);
    all.retain(|one| likeness(one) > ALIKE);
    all.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)).then(a.cmp(b)));
    all.truncate(NAMED);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_far_ones_not_at_all() {
        let all = vec!["order_items", "orders", "t", "x", "borders", "old_orders"];
        assert_eq!(nearest(all.clone(), "ordres", |name| name)[0], "orders");
        assert!(nearest(all.clone(), "ordres", |name| name).len() <= NAMED);
        assert!(nearest(all, "customers", |name| name).is_empty());
    }
}
