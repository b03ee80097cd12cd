//! What comes back beside the live tables, and how it gets to where it was.

use super::stage::{Stage, TABLES, commands, shell, texts, typed};
use serde_json::Value;

use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::site::binary;

pub fn rows_come_back(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    stage.server.sql_in("app", "delete from orders where id % 3 = 0; delete from animals where name = 'owl'")?;
    stage.server.sql_in("app", "truncate \"My Schema\".\"Täble\"; delete from events where what = 'b'")?;
    stage.server.sql_in("app", "insert into orders (customer, total) values (7, 4711)")?;
    let live: Vec<String> = TABLES.iter().map(|table| stage.content(table)).collect::<Outcome<_>>()?;
    let all = TABLES.map(|table| format!("app.{table}")).join(", ");

    let connection = stage.connection();
    let words = ["--into", &connection, "--to", &stage.before];
    let plan = stage.restore(&all, &[&words[..], &["--plan"]].concat())?.ok()?.result()?;
    assert!(plan["next"].as_str().is_some_and(|next| next.contains("--table") && !next.contains("--plan")), "{plan}");
    assert!(stage.restored_schemas()?.is_empty() && plan.get("reached").is_none());

    // As it stands, the command that the plan ends with.
    let next = plan["next"].as_str().unwrap_or_default().replacen("pgcairn", &binary().display().to_string(), 1);
    let said = shell(&format!("PGCAIRN_IDENTITY={} {next} --json", stage.site.identity().display()))?;
    stage.is_tidy()?;
    let result: Value =
        serde_json::from_str(said.lines().last().unwrap_or_default()).map_err(|e| format!("{e}: {said}"))?;
    let schema = result["into"]["schema"].as_str().ok_or("it says where")?.to_owned();
    assert_eq!((&plan["into"], stage.restored_schemas()?), (&result["into"], vec![schema.clone()]));
    for (table, (held, live)) in TABLES.iter().zip(stage.held.iter().zip(&live)) {
        let name = table.split_once('.').map_or(*table, |(_, name)| name);
        assert_eq!(&stage.content(&format!("{schema}.{name}"))?, held, "{table}");
        assert_eq!(&stage.content(table)?, live, "the live {table} was touched");
    }
    // Counted on both sides; children among the rows of their parents.
    for (number, rows) in [903, 40, 58, 3].into_iter().enumerate() {
        let table = &result["tables"][number];
        assert_eq!((&table["rows"], &table["loaded_rows"]), (&rows.into(), &rows.into()), "{table}");
    }
    assert_eq!((&result["tables"][2]["parts"], &result["tables"][3]["parts"]), (&4.into(), &1.into()));
    assert!(result["read_bytes"].as_u64() > Some(1000) && result["reached"].is_string(), "{result}");
    let left_out = texts(&result, "left_out");
    for what in
        ["foreign key orders_customer_fkey", "trigger noted", "rule kept", "policy all_of_it", "row level security"]
    {
        assert!(left_out.iter().any(|left| left.starts_with(what)), "{what}: {left_out:?}");
    }
    for what in ["statistics public.together", "publication outside"] {
        assert!(left_out.iter().any(|left| left.starts_with(what)), "{what}: {left_out:?}");
    }
    assert_eq!(texts(&result, "needs"), ["type public.amount", "type public.mood"], "{result}");
    // What makes the values is there: identity, generated, sequence, checks.
    stage.server.sql_in("app", &format!("insert into {schema}.orders (customer, total) values (1, 3)"))?;
    let new = format!("delete from {schema}.orders where id > 903 returning double");
    assert_eq!(stage.server.sql_in("app", &new)?.concat(), ["6.00"]);

    assert!(typed(&result, "look")?[2].contains("2026-01-01"));
    // A table without a key is compared as a whole, which JSON cannot be.
    let [orders, keyless, events, animals] = commands(&result, "put back")[..] else {
        return Err("four tables".into());
    };
    assert!(shell(keyless).is_err());
    stage.server.sql_in("app", &format!("insert into \"My Schema\".\"Täble\" select * from {schema}.\"Täble\""))?;
    [orders, events, animals].into_iter().try_for_each(|command| shell(command).map(drop))?;
    let later = stage.server.sql_in("app", "select count(*) from orders where total = 4711")?;
    assert_eq!(later.concat(), ["1"], "what came after the mistake is there");
    stage.server.sql_in("app", "delete from orders where total = 4711")?;
    assert_eq!(stage.content("public.orders")?, stage.held[0]);
    assert_eq!(stage.content("public.events")?, stage.held[2]);
    typed(&result, "remove")?;
    assert!(stage.restored_schemas()?.is_empty());
    Ok(())
}

/// A table that is gone is moved to where it was, as a whole.
pub fn dropped(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let xid = stage
        .server
        .sql_in("app", "begin; drop table events; drop table orders cascade; select txid_current(); commit")?;
    stage.server.sql_in("app", "insert into customers values (1000, 'after')")?;
    let (connection, xid) = (stage.connection(), xid.concat().concat());
    let words = ["--into", &connection, "--before-xid", &xid];
    let result = stage.restore("app.public.events,app.public.orders", &words)?.ok()?.result()?;
    // Named by its backup, for it has no time.
    let schema = result["into"]["schema"].as_str().unwrap_or_default();
    assert!(schema.starts_with("restored_2") && schema.contains("_full_"), "{schema}");
    typed(&result, "put back")?;
    typed(&result, "remove")?;
    assert_eq!(
        (stage.content("public.events")?, stage.content("public.orders")?),
        (stage.held[2].clone(), stage.held[0].clone())
    );
    stage.server.sql_in(
        "app",
        "insert into events values ('2026-02-03', 'a2'); insert into orders (customer, total) values (1, 1)",
    )?;
    let partition = stage.server.sql_in("app", "select count(*) from parts.events_2_rest where what = 'a2'")?;
    assert_eq!(partition.concat(), ["1"]);
    Ok(())
}

/// Alone, without the table that it is a part of; and the end of a backup, with a database in the connection.
pub fn one_partition(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    stage.server.sql_in("app", "create table after (at date, what text, foreign key (at, what) references events)")?;
    stage.server.sql_in("app", "insert into after values ('2026-02-02', 'a')")?;
    let rows = stage.content("parts.events_2")?;
    stage.server.archive_all()?;
    let connection = format!("{} dbname=app", stage.connection());
    let words = ["--into", &connection, "--to", "latest"];
    let result = stage.restore("app.parts.events_2,app.public.birds", &words)?.ok()?.result()?;
    let schema = result["into"]["schema"].as_str().unwrap_or_default().to_owned();
    assert_eq!(stage.content(&format!("{schema}.events_2"))?, rows);
    let left_out = texts(&result, "left_out");
    for what in ["parts.events_2 as a part of public.events", "public.birds as a part of public.animals"] {
        assert!(left_out.contains(&what), "{left_out:?}");
    }
    let attached = format!(
        "select count(*) from pg_inherits i join pg_class c on c.oid = inhrelid where c.relnamespace = '{schema}'::regnamespace and inhparent in ('public.events'::regclass, 'public.animals'::regclass)"
    );
    assert_eq!(stage.server.sql_in("app", &attached)?.concat(), ["0"]);
    typed(&result, "remove").map(drop)
}
