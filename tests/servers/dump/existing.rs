//! Parts of a dump into a database that is there: what is there stays as it is, or makes room in the transaction that brings
//! the other; a failure has changed nothing.

use std::fs;

use super::parts::{about, state};
use super::{LARGE, Place, SCHEMA, schema_of, script};
use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::{Outcome, account::account, damage};

fn place(install: &'static Installation) -> Outcome<Place> {
    let place = Place::new(install)?;
    place.server.sql("create database shop")?;
    place.server.sql("create database blank")?;
    script(&place.server, "shop", SCHEMA)?;
    script(&place.server, "shop", LARGE)?;
    script(
        &place.server,
        "shop",
        "comment on constraint \"Täble \"\"x\"\"_select_fkey\" on \"Büro №1\".\"Täble \"\"x\"\"\" is 'kept'",
    )?;
    place.dump(&["shop"], 0)?;
    Ok(place)
}

fn restore(place: &Place, words: &[&str], status: i32) -> Outcome<crate::support::site::Run> {
    place.restore(&place.server, &[&["--database", "shop", "--existing"], words].concat(), status)
}

fn unlarge((schema, content): (String, Vec<Vec<String>>)) -> (String, Vec<Vec<String>>) {
    (schema, content.into_iter().filter(|row| row[0] != "4711").collect())
}

pub fn objects(install: &'static Installation) -> Outcome {
    let place = place(install)?;
    let server = &place.server;
    let before = state(server, "shop")?;
    // All of it into a database that somebody has made; large objects alone are no part of it.
    place.restore(server, &["--database", "shop=blank", "--existing"], 0)?;
    assert_eq!(unlarge(state(server, "blank")?), unlarge(before.clone()));
    restore(&place, &["--table", "public.customer"], 4)?.says(&["has already", "table public.customer"])?;
    restore(&place, &["--table", "public.customer", "--clean"], 4)?.says(&["--yes"])?;
    let clean = ["--table", "public.customer", "--clean", "--yes"];
    restore(&place, &clean, 4)?.says(&["used by others", "view public.seen"])?;
    assert_eq!(state(server, "shop")?, before);

    // What hangs on it makes room too; the foreign key of another table is put back.
    server.sql_in("shop", "update customer set name = 'spoilt ' || id; create index later on customer (changed)")?;
    let views = ["--table", "public.seen", "--table", "public.summed"];
    let plan = restore(&place, &[&clean[..], &views, &["--plan"]].concat(), 0)?.stdout;
    assert!(plan.contains("would go") && plan.contains("view public.seen"), "{plan}");
    let run = restore(&place, &[&clean[..], &views].concat(), 0)?;
    run.says(&["being published, of public.published customer"])?;
    server.sql_in("shop", "alter publication published add table customer")?;
    assert_eq!(state(server, "shop")?, before);

    // A row elsewhere refers to one that the dump has not.
    server.sql_in("shop", "insert into customer (name) values ('new'); insert into \"Büro №1\".\"Täble \"\"x\"\"\" select '', max(id) from customer")?;
    let with_new = state(server, "shop")?;
    restore(&place, &[&clean[..], &views].concat(), 1)?.says(&["nothing has changed in shop", "foreign key"])?;
    assert_eq!(state(server, "shop")?, with_new);
    // Damage in the middle of the load.
    let piece = place.site.objects("-dump-")?.into_iter().filter(|path| !path.to_string_lossy().ends_with("json"));
    let piece = piece.max_by_key(|path| fs::metadata(path).map_or(0, |meta| meta.len())).ok_or("no piece")?;
    let sound = fs::read(&piece)?;
    damage::flip_bit(&piece, sound.len() / 2)?;
    restore(&place, &["--table", "public.account", "--clean", "--yes"], 10)?.says(&["nothing has changed in shop"])?;
    fs::remove_file(&piece)?;
    account().write(&piece, &sound, 0o640)?;
    assert_eq!(state(server, "shop")?, with_new);
    server.sql_in("shop", "delete from account where id % 2 = 0")?;
    restore(&place, &["--table", "public.account", "--clean", "--yes"], 0)?;
    assert_eq!(state(server, "shop")?, with_new);
    partitions(&place, server)
}

fn partitions(place: &Place, server: &Server) -> Outcome {
    let (schema, rows) = (schema_of(server, "shop")?, about(server, "shop", "measured")?);
    let partition = ["--table", "public.measured_2025"];
    server.sql_in("shop", "drop table measured_2025")?;
    restore(place, &partition, 0)?;
    assert_eq!((schema_of(server, "shop")?, about(server, "shop", "measured")?), (schema.clone(), rows.clone()));
    server.sql_in("shop", "delete from measured_2025")?;
    restore(place, &[&partition[..], &["--clean", "--yes"]].concat(), 0)?;
    assert_eq!((schema_of(server, "shop")?, about(server, "shop", "measured")?), (schema.clone(), rows));
    // One that the dump does not know would be lost with its parent.
    server
        .sql_in("shop", "create table later partition of measured for values from ('2027-01-01') to ('2028-01-01')")?;
    let whole = ["--table", "public.measured", "--clean", "--yes"];
    restore(place, &whole, 4)?.says(&["used by others", "table public.later"])?;
    server.sql_in("shop", "drop table later")?;
    restore(place, &whole, 0)?;
    assert_eq!(schema_of(server, "shop")?, schema);
    // What it relies on is looked for.
    server.sql_in("shop", "drop table customer cascade; drop type mood")?;
    restore(place, &["--table", "public.customer"], 4)?.says(&["lacks", "type public.mood"])?;
    Ok(())
}

pub fn rows(install: &'static Installation) -> Outcome {
    let place = place(install)?;
    let server = &place.server;
    let before = state(server, "shop")?;
    restore(&place, &["--data-only"], 4)?.says(&["have rows", "--clean --yes"])?;
    restore(&place, &["--data-only", "--clean"], 4)?;
    server.sql_in(
        "shop",
        "update customer set credit = 7; delete from account where id > 9; insert into no_rows values (1)",
    )?;
    server.sql_in("shop", "select setval('customer_id_seq', 9000)")?;
    // Whatever their order is, and however they refer to each other.
    restore(&place, &["--data-only", "--clean", "--yes"], 0)?;
    assert_eq!(state(server, "shop")?, before);

    server.sql_in("shop", "truncate customer, \"Büro №1\".\"Täble \"\"x\"\"\"")?;
    let orphans = ["--data-only", "--schema", "Büro*"];
    restore(&place, &orphans, 1)?.says(&["violates foreign key", "nothing has changed"])?;
    restore(&place, &["--data-only", "--table", "public.customer"], 0)?;
    restore(&place, &orphans, 0)?;
    assert_eq!(state(server, "shop")?, before);
    // A trigger that keeps a row out makes another number of rows.
    server.sql_in(
        "shop",
        "truncate parent; create function f() returns trigger language plpgsql as 'begin return null; end'",
    )?;
    server
        .sql_in("shop", "create trigger t before insert on child for each row execute function f(); truncate child")?;
    restore(&place, &["--data-only", "--table", "public.parent"], 10)?.says(&["public.child has 0 rows, not 3"])?;
    assert_eq!(server.sql_in("shop", "select count(*)::text from parent")?, [["0"]]);
    server.sql_in("shop", "drop table child")?;
    restore(&place, &["--data-only", "--table", "public.parent"], 4)?.says(&["public.child", "without --data-only"])?;
    Ok(())
}
