//! A rich schema, a large table, roles: into another server, and beside itself.

use std::fs;

use super::{LARGE, Place, SCHEMA, content_of, schema_of, script};
use crate::refusals::Document;
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
    let run = place.dump(&["--json", "--exclude", "post*"], 0)?;
    let made = run.result()?;
    assert_eq!(made["databases"], 3, "{made}");
    // How much there is to read is known when the first rows are.
    let events = run.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let totals: Vec<u64> = events.filter_map(|event| event["bytes_total"].as_u64()).collect();
    assert!(totals.first().is_some_and(|total| *total > 100 << 20), "{totals:?}");

    let shown = place.site.run_with_identity(&["dump", "show", "latest", "--json"])?.ok()?.json()?;
    let rows = |table: &str| {
        let tables = shown["contents"][0]["tables"].as_array().cloned().unwrap_or_default();
        tables.iter().find(|row| row["table"] == table).map(|row| row["rows"].clone())
    };
    assert_eq!(rows("public.account"), Some(200_000.into()), "{shown}");
    assert_eq!(rows("public.customer"), Some(500.into()), "{shown}");
    assert_eq!(rows("Büro №1.Täble \"x\""), Some(20.into()), "{shown}");
    let moments: Vec<&str> = (0..3).filter_map(|at| shown["contents"][at]["taken"].as_str()).collect();
    let [began, ended] = ["started", "finished"].map(|name| shown[name].as_str().unwrap_or_default());
    assert!(moments.len() == 3 && moments.is_sorted() && began < moments[0] && moments[2] < ended, "{shown}");
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
    place.restore(&other, &["--plan"], 4)?.says(&["already", "--database"])?;
    let replace = ["--database", "other", "--replace", "--yes"];
    place.restore(&other, &[&replace[..], &["--plan"]].concat(), 0)?.says(&["the old one would be other_before_"])?;
    // While somebody is there a database keeps its name, and what would have had it is complete beside it.
    let there = Place::databases(&other)?;
    let busy = other.client_of("other")?;
    let run = place.restore(&other, &[&replace[..], &["--json"]].concat(), 1)?;
    let error = run.result()?;
    let mut document = Document::new();
    document.compare("dump restore: somebody is connected to what is replaced", &place.site, run)?;
    document.end()?;
    let by_hand = error["error"]["hint"].as_str().and_then(|hint| hint.split_once("by hand: ")).ok_or("no hint")?.1;
    let beside: Vec<String> = Place::databases(&other)?.into_iter().filter(|name| !there.contains(name)).collect();
    assert!(beside.len() == 1 && beside[0].starts_with("pgcairn_"), "{beside:?}");
    script(&other, "postgres", by_hand)?;
    drop(busy);
    assert_eq!(content_of(&other, "other")?, content_of(server, "other")?);
    place.restore(&other, &replace, 0)?;
    let kept = Place::databases(&other)?.into_iter().filter(|name| name.starts_with("other_before_")).count();
    assert_eq!(kept, 2);
    let refused =
        other.sql_in("other", "select datname from pg_database where not datallowconn and not datistemplate")?;
    assert!(refused.is_empty(), "{refused:?}");
    place.restore(&other, &["--database", "other=Anders", "--no-owner", "--no-privileges"], 0)?;
    assert_eq!(content_of(&other, "Anders")?, content_of(server, "other")?);

    let bare = place.dump(&["other", "--schema-only", "--json"], 0)?.result()?;
    assert_eq!((&bare["tables"], &bare["rows"]), (&1.into(), &0.into()), "{bare}");
    place.restore(&other, &["--database", "other=bare"], 0)?.says(&["NONE: schema alone"])?;
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
