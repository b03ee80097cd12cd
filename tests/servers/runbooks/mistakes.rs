//! Somebody's mistake, while the server is sound: what is missing comes out of a copy beside it.

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::run;

use super::stage::Stage;

const USUAL: [&str; 6] = ["CONFIG", "BIN", "KEY", "COPY", "DB", "TABLE"];

pub fn rows_deleted(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let (before, expected) = (stage.moment()?, stage.sum()?);
    stage.server.sql_in("app", "delete from orders where id % 3 = 0")?;
    stage.server.sql_in("app", "insert into orders (customer, total) values (7, 4711)")?;
    let usual = [&USUAL[..], &["LIVE"]].concat();
    let mut reader = stage.reader("runbooks/rows-deleted", &usual, &[("BEFORE", &before), ("ID", "id")])?;
    let said = reader.steps(&["1", "Steps 2 to 5 in one"])?;
    ["look", "put back"].iter().try_for_each(|does| typed(&said, does))?;
    assert_eq!(stage.server.sql_in("app", "delete from orders where total = 4711 returning id")?.len(), 1);
    assert_eq!(stage.sum()?, expected);
    typed(&said, "remove")?;
    // The same mistake again, for the steps one by one.
    stage.server.sql_in("app", "delete from orders where id % 3 = 0")?;
    stage.server.sql_in("app", "insert into orders (customer, total) values (7, 4711)")?;
    let said = reader.steps(&["2", "3", "4", "5", "See that it worked"])?;
    assert!(said.contains("still_missing"), "{said}");
    assert!(stage.path("copy").exists());
    reader.rest()?;
    reader.end(0)?;
    // What came after the mistake is still there, and nothing else is new.
    assert_eq!(stage.server.sql_in("app", "delete from orders where total = 4711 returning id")?.len(), 1);
    assert_eq!(stage.sum()?, expected);
    assert_eq!(stage.server.sql_in("app", "select to_regclass('rescued')")?.concat(), [""]);
    stage.is_quiet(&stage.path("copy"))?;
    assert!(!stage.path("copy").exists());
    Ok(())
}

/// A command that was printed.
fn typed(said: &str, does: &str) -> Outcome {
    let line = said.lines().find_map(|line| line.strip_prefix(does)?.strip_prefix(':'));
    let command = line.ok_or_else(|| format!("nothing to {does}: {said}"))?;
    run(account().command("/bin/sh").args(["-c", command])).map(drop)
}

pub fn table_dropped(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let (before, expected) = (stage.moment()?, stage.sum()?);
    stage.server.sql_in("app", "drop table orders cascade")?;
    stage.server.sql_in("app", "insert into customers values (101, 'after the mistake')")?;
    let mut reader = stage.reader("runbooks/table-dropped", &USUAL, &[("BEFORE", &before)])?.may_fail("diff <(");
    reader.steps(&["1", "Steps 2 to 4 in one"])?;
    assert_eq!(stage.sum()?, expected);
    assert!(!stage.path("copy.dump").exists());
    stage.server.sql_in("app", "drop table orders")?;
    let said = reader.steps(&["2", "3", "4", "See that it worked"])?;
    assert!(said.contains("CREATE VIEW public.large_orders"), "what went with the table is shown: {said}");
    assert_eq!(stage.sum()?, expected);
    stage.server.sql_in("app", "create view large_orders as select * from orders where total > 2000")?;
    let said = reader.steps(&["See that it worked"])?;
    assert!(said.contains("nothing is missing"), "{said}");
    reader.rest()?;
    reader.end(0)?;
    // Keys, defaults and what was written since.
    stage.server.sql_in("app", "insert into orders (customer, total) values (101, 1)")?;
    assert!(stage.server.sql_in("app", "insert into orders (customer, total) values (102, 1)").is_err());
    stage.is_quiet(&stage.path("copy"))
}
