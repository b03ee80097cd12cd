//! What may be dumped beside an ordinary primary by its superuser.

use super::{LARGE, Place, content_of, schema_of, script};
use crate::refusals::Document;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown};

/// A standby has everything but the rows of unlogged tables, and takes no database.
pub fn standby(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    script(server, "postgres", LARGE)?;
    script(server, "postgres", "create table t as select 1 as a; create unlogged table u as select 1 as a")?;
    server.sql("checkpoint")?;
    server.stop(Shutdown::Fast)?;
    account().write(&server.data().join("standby.signal"), "", 0o600)?;
    server.start()?;
    place.dump(&[], 0)?;
    let run = place.restore(server, &["--database", "postgres=copy", "--json"], 4)?;
    let mut document = Document::new();
    document.compare("dump restore: into a standby", &place.site, run)?;
    document.end()?;

    let other = Server::builder(install).start()?;
    place.restore(&other, &["--database", "postgres=copy"], 0)?;
    assert_eq!(schema_of(&other, "copy")?, schema_of(server, "postgres")?);
    let count = "select (select count(*) from account)::text, (select count(*) from t)::text, count(*)::text from u";
    assert_eq!(other.sql_in("copy", count)?, [["200000", "1", "0"]]);
    Ok(())
}

/// A role that may read everything but passwords: as on a managed server.
pub fn limited(install: &'static Installation) -> Outcome {
    let mut place = Place::new(install)?;
    script(&place.server, "postgres", LARGE)?;
    script(
        &place.server,
        "postgres",
        "create role reader login; create role clerk login password 'hush'; create table t as select 1 as a; \
         alter table t owner to clerk; grant select on all tables in schema public to reader",
    )?;
    place.site.connect_as("user=reader dbname=postgres")?;
    let run = place.dump(&["--json"], 0)?;
    let mut document = Document::new();
    document.warned("dump: a role that may not read passwords", &place.site, &run, "passwords")?;
    document.end()?;
    let other = Server::builder(install).start()?;
    place.restore(&other, &["--globals", "--database", "postgres=copy"], 0)?;
    assert_eq!(content_of(&other, "copy")?, content_of(&place.server, "postgres")?);
    let passwords = "select rolname, (rolpassword is null)::text from pg_authid where rolname in ('clerk', 'reader')";
    assert_eq!(other.sql(&format!("{passwords} order by 1"))?, [["clerk", "true"], ["reader", "true"]]);
    Ok(())
}

/// A database whose `DROP` was cut off cannot be connected to, and one that a restore was filling is nobody's.
pub fn leftovers(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    for name in ["half", "pgcairn_0123456789abcdef", "pgcairn_notes"] {
        place.server.sql(&format!("create database {name}"))?;
    }
    place.server.sql("update pg_database set datconnlimit = -2 where datname = 'half'")?;
    let said = ["not of database half,", "not of database pgcairn_0123456789abcdef,"];
    place.dump(&[], 0)?.says(&said)?;
    let dump = place.dumps()?.pop().ok_or("no dump")?;
    assert_eq!(dump["databases"], serde_json::json!(["pgcairn_notes", "postgres"]));
    place.dump(&["half"], 5)?;
    Ok(())
}
