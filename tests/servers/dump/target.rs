//! What a restore finds in the server, and leaves as it is.

use std::fs;
use std::os::unix::fs::symlink;

use super::{LARGE, Place, content_of, script};
use crate::refusals::Document;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::{Installation, installed};
use crate::support::server::Server;
use crate::support::wait::wait_for;

/// Roles that are there keep their passwords and rights, and whoever signs for nobody is told of.
pub fn globals(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(
        &place.server,
        "postgres",
        "create role clerk login superuser password 'theirs'; create role \"New; one\" login password 'hush'; \
         grant pg_read_all_data to clerk; create table t as select 1 as a",
    )?;
    place.dump(&[], 0)?;
    let other = Server::builder(install).start()?;
    other.sql("create role clerk login createdb password 'ours'")?;
    let about = "select rolname, rolsuper::text, rolcreatedb::text, rolpassword, \
                 pg_has_role(rolname, 'pg_read_all_data', 'member')::text from pg_authid where rolname = 'clerk'";
    let before = other.sql(about)?;
    let restored = place.restore(&other, &["--globals", "--database", "postgres=copy", "--json"], 0)?.result()?;
    assert_eq!(other.sql(about)?, before);
    assert_eq!(restored["globals"]["kept_roles"], serde_json::json!(["clerk", "postgres"]), "{restored}");
    assert_eq!(restored["globals"]["passwords"], true);
    assert_eq!(restored["signature"]["state"], "pinned", "{restored}");
    let password = |server: &Server| server.sql("select rolpassword from pg_authid where rolname = 'New; one'");
    assert_eq!(password(&other)?, password(&place.server)?);

    // A psql that ends otherwise than well.
    let bin = place.site.path("bin");
    account().make_dir(&bin)?;
    for program in ["pg_dump", "pg_restore"] {
        symlink(install.program(program), bin.join(program))?;
    }
    symlink("/bin/false", bin.join("psql"))?;
    let (bin, connection) = (bin.display().to_string(), other.connection());
    let words = ["dump", "restore", "latest", "--into", &connection, "--bindir", &bin, "--database", "postgres=two"];
    place.site.run_with_identity(&[&words[..], &["--globals"]].concat())?.status_is(1)?.says(&["psql"])?;
    assert_eq!(Place::databases(&other)?, ["copy", "postgres"]);

    // One who may make databases and no roles.
    other.sql("alter role clerk password null")?;
    let connection = connection.replace("user=postgres", "user=clerk");
    let bindir = place.bindir();
    let words = ["dump", "restore", "latest", "--into", &connection, "--bindir", &bindir, "--no-owner", "--json"];
    other.sql("drop role \"New; one\"")?;
    let run = place.site.run_with_identity(&[&words[..], &["--database", "postgres=two", "--globals"]].concat())?;
    let mut document = Document::new();
    document.warned("dump restore: a role that may not be made", &place.site, &run.ok()?, "permission denied")?;

    // Elsewhere nobody is trusted; and one that nobody has signed is not restored where somebody is.
    let elsewhere = place.site.fork()?;
    let connection = other.connection();
    let plan = ["dump", "restore", "latest", "--into", &connection, "--bindir", &bindir, "--plan"];
    let three = [&plan[..], &["--database", "postgres=three"]].concat();
    elsewhere.run_with_identity(&three)?.ok()?.says(&["nobody vouches for dump", "is not pinned"])?;
    fs::rename(place.site.signing_key(), place.site.path("away"))?;
    place.dump(&[], 0)?;
    fs::rename(place.site.path("away"), place.site.signing_key())?;
    let run = place.site.run_with_identity(&[&three[..], &["--json"]].concat())?;
    document.compare("dump restore: nobody signed, and keys are trusted", &place.site, run)?;
    place.site.run_with_identity(&[&three[..], &["--accept-unsigned"]].concat())?.ok()?.says(&["nobody vouches"])?;
    document.end()
}

/// Settings of the database, and of whoever restores, are no obstacle; nor is the end of a session that has nothing to do.
pub fn settings(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    server.sql("create database shop")?;
    script(server, "shop", LARGE)?;
    // Its row takes a while to be checked, for which the sessions that load large tables have nothing to do.
    script(
        server,
        "shop",
        "create function slow(int) returns bool language sql as 'select pg_sleep(4) is not null'; \
         create table small (a int check (slow(a))); insert into small values (1)",
    )?;
    server.sql("alter database shop set default_transaction_read_only = on")?;
    place.dump(&["shop"], 0)?;
    server.sql("alter role postgres set idle_session_timeout = '2s'")?;
    std::thread::scope(|scope| -> Outcome {
        let restore = scope.spawn(|| place.restore(server, &["--database", "shop=copy", "--jobs", "1"], 0));
        wait_for("the restore to be at the small table", || {
            let asleep =
                "select count(*)::text from pg_stat_activity where wait_event = 'PgSleep' and datname like 'pgcairn%'";
            Ok((server.value(asleep)? != "0").then_some(()))
        })?;
        let ended = "select count(pg_terminate_backend(pid))::text from pg_stat_activity \
                     where datname = 'postgres' and application_name = 'pgcairn'";
        assert_eq!(server.value(ended)?, "1");
        restore.join().map_err(|_| "the restore panicked")??;
        Ok(())
    })?;
    server.sql("alter role postgres reset idle_session_timeout")?;
    assert_eq!(content_of(server, "copy")?, content_of(server, "shop")?);
    assert_eq!(server.sql_in("copy", "show default_transaction_read_only")?, [["on"]]);
    Ok(())
}

/// Tables in a tablespace that another server has not.
pub fn tablespaces(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let directory = place.site.path("fast");
    account().make_dir(&directory)?;
    place.server.sql(&format!("create tablespace fast location '{}'", directory.display()))?;
    script(&place.server, "postgres", "create table t tablespace fast as select generate_series(1, 9) as a")?;
    place.dump(&[], 0)?;
    let other = Server::builder(install).start()?;
    let words = ["--database", "postgres=copy"];
    place.restore(&other, &words, 1)?.says(&["\"fast\"", "--no-tablespaces"])?;
    assert_eq!(Place::databases(&other)?, ["postgres"]);
    let plan = place.restore(&other, &[&words[..], &["--no-tablespaces", "--plan"]].concat(), 0)?;
    plan.says(&["--no-tablespaces"])?;
    place.restore(&other, &[&words[..], &["--no-tablespaces"]].concat(), 0)?;
    assert_eq!(content_of(&other, "copy")?, content_of(&place.server, "postgres")?);
    Ok(())
}

/// pg_restore from 17 on speaks to no older server: said when the dump is made, and before it is loaded.
pub fn too_new(install: &'static Installation) -> Outcome {
    let newer = installed(&[17, 18]).into_iter().next_back();
    let Some(newer) = newer.filter(|_| install.major < 17) else {
        return crate::support::skip("both are of majors that understand each other");
    };
    let place = Place::new(install)?;
    let (bindir, connection) = (newer.bin().display().to_string(), place.server.connection());
    let run = place.site.run(&["dump", "--bindir", &bindir])?.ok()?;
    run.says(&["can be loaded into 17 or newer alone", "--bindir"])?;
    let words = ["dump", "restore", "latest", "--into", &connection, "--bindir", &bindir, "--plan"];
    let all = [&words[..], &["--database", "postgres=copy"]].concat();
    place.site.run_with_identity(&all)?.status_is(4)?.says(&["cannot load into PostgreSQL"])?;
    Ok(())
}
