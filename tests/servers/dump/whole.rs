//! A rich schema, a large table, roles: into another server, and beside itself.

use std::fs;

use super::{LARGE, Place, SCHEMA, content_of, schema_of, script};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::{Outcome, damage};

pub fn whole(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    server.sql("create database \"Shop = ä\" encoding 'UTF8' template template0")?;
    server.sql("alter database \"Shop = ä\" set search_path = public, \"Büro №1\"")?;
    server.sql("comment on database \"Shop = ä\" is 'it''s ours'")?;
    server.sql("create database other")?;
    script(server, "Shop = ä", SCHEMA)?;
    script(server, "Shop = ä", LARGE)?;
    script(server, "other", "create table t as select 1 as a")?;
    script(server, "Shop = ä", "create database latin encoding 'LATIN1' locale 'C' template template0")?;
    script(server, "latin", "create table t as select U&'\\00e4' as a from generate_series(1, 1000000)")?;
    let made = place.dump(&["--json", "--exclude", "post*"], 0)?.result()?;
    assert_eq!(made["databases"], 3, "{made}");

    let shown = place.site.run_with_identity(&["dump", "show", "latest", "--json"])?.ok()?.json()?;
    let rows = |table: &str| {
        let tables = shown["contents"][0]["tables"].as_array().cloned().unwrap_or_default();
        tables.iter().find(|row| row["table"] == table).map(|row| row["rows"].clone())
    };
    assert_eq!(rows("public.account"), Some(200_000.into()), "{shown}");
    assert_eq!(rows("public.customer"), Some(500.into()), "{shown}");
    assert_eq!(rows("Büro №1.Täble \"x\""), Some(20.into()), "{shown}");
    // Without the key nobody learns of tables.
    let shut = place.site.run(&["dump", "show", "latest"])?.ok()?.stdout;
    assert!(!shut.contains("account") && shut.contains("--identity"), "{shut}");

    let other = Server::builder(install).start()?;
    let plan = place.restore(&other, &["--plan"], 0)?.stdout;
    assert!(plan.contains("3 databases would be made"), "{plan}");
    place.restore(&other, &[], 1)?.says(&["does not exist", "--globals"])?;
    assert_eq!(Place::databases(&other)?, ["postgres"]);
    place.restore(&other, &["--globals"], 0)?;
    assert_eq!(Place::databases(&other)?, ["Shop = ä", "latin", "other", "postgres"]);
    for database in ["Shop = ä", "latin", "other"] {
        assert_eq!(schema_of(&other, database)?, schema_of(server, database)?);
        assert_eq!(content_of(&other, database)?, content_of(server, database)?);
    }
    let about = "select pg_encoding_to_char(encoding), datcollate, shobj_description(oid, 'pg_database'), \
                 (select setconfig from pg_db_role_setting where setdatabase = d.oid and setrole = 0)::text \
                 from pg_database d where not datistemplate and datname <> 'postgres' order by datname";
    assert_eq!(other.sql(about)?, server.sql(about)?);

    // A second time the names are taken.
    place.restore(&other, &[], 4)?.says(&["already", "--database"])?;
    // While somebody is there a database keeps its name, and what would have had it is gone again.
    let there = Place::databases(&other)?;
    let busy = other.client_of("other")?;
    place.restore(&other, &["--database", "other", "--replace", "--yes"], 1)?.says(&["pg_terminate_backend"])?;
    assert_eq!(Place::databases(&other)?, there);
    drop(busy);
    place.restore(&other, &["--database", "other", "--replace", "--yes"], 0)?;
    let names = Place::databases(&other)?;
    assert!(names.iter().any(|name| name.starts_with("other_before_")), "{names:?}");
    place.restore(&other, &["--database", "other=Anders", "--no-owner", "--no-privileges"], 0)?;
    assert_eq!(content_of(&other, "Anders")?, content_of(server, "other")?);

    place.dump(&["other", "--schema-only"], 0)?;
    place.restore(&other, &["--database", "other=bare"], 0)?;
    assert_eq!(other.sql_in("bare", "select count(*)::text from t")?, [["0"]]);
    Ok(())
}

/// Every repository gets it, and one that is damaged is healed from another.
pub fn repositories(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install)?;
    let offsite = place.site.path("offsite");
    let lines = format!("[[repository]]\nname = \"offsite\"\nurl = \"file://{}\"\n", offsite.display());
    place.site.configure(&lines)?;
    place.site.init()?;
    script(&place.server, "postgres", "create table t as select generate_series(1, 1000) as a")?;
    place.dump(&[], 0)?;
    for object in place.site.objects("/dumps/")? {
        let below = object.strip_prefix(place.site.repository())?;
        assert!(fs::read(&object)? == fs::read(offsite.join(below))?, "{}", below.display());
    }
    for piece in place.site.objects("-dump-")? {
        damage::flip_bit(&piece, fs::metadata(&piece)?.len() as usize / 2)?;
    }
    place.restore(&place.server, &["--database", "postgres=copy"], 0)?;
    assert_eq!(content_of(&place.server, "copy")?, content_of(&place.server, "postgres")?);

    // One that must have it and is away keeps the dump from being made; one that need not does not.
    let away = place.site.path("away");
    fs::rename(&offsite, &away)?;
    let markers = || -> Outcome<usize> {
        let objects = place.site.objects("-dump-")?;
        Ok(objects.iter().filter(|object| object.extension().is_some_and(|end| end == "json")).count())
    };
    place.dump(&[], 7)?;
    assert_eq!(markers()?, 1);
    let text = fs::read_to_string(place.site.config())?;
    account().write(&place.site.config(), format!("{text}required = false\n"), 0o644)?;
    place.dump(&[], 0)?.says(&["repository offsite does not get this dump"])?;
    assert_eq!(markers()?, 2);
    Ok(())
}
