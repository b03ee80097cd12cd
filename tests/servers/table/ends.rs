//! Whatever ends it, the live database has all of it or nothing, and no copy stays.

use std::process::Stdio;

use rustix::process::Signal;

use super::stage::{Stage, TABLES};
use crate::support::majors::Installation;
use crate::support::wait::wait_for;
use crate::support::{Outcome, process};

/// Does what is said where the tables arrive. It was made after the moment that is restored.
fn at_index(stage: &Stage, does: &str) -> Outcome {
    let text = format!(
        "create or replace function at_index() returns event_trigger language plpgsql as $$ begin {does}; end $$;
         drop event trigger if exists at_index;
         create event trigger at_index on ddl_command_end when tag in ('ALTER TABLE') execute function at_index()"
    );
    stage.server.sql_in("app", &text).map(drop)
}

/// Of the restored table, once it has rows.
const DELETE: &str = "declare found text; begin select oid::regclass into found from pg_class where relname = 'orders' \
     and relnamespace::regnamespace::text like 'restored%'; \
     if found is not null then execute 'delete from ' || found || ' where id = 17'; end if; end";

pub fn all_or_nothing(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    let live: Vec<String> = TABLES.iter().map(|table| stage.content(table)).collect::<Outcome<_>>()?;
    for (does, status, words) in [
        (DELETE, 1, "of 903 rows of orders 902 arrived"),
        ("raise exception 'not in my database'", 1, "the live server says: not in my database"),
        ("perform pg_terminate_backend(pg_backend_pid())", 7, "terminating connection"),
    ] {
        at_index(&stage, does)?;
        stage.beside("app.public.orders,app.public.events")?.status_is(status)?.says(&[words])?;
        assert!(stage.restored_schemas()?.is_empty(), "{does}");
    }
    at_index(&stage, "null")?;
    stage.beside("app.public.orders,app.public.events")?.ok()?;
    for (table, live) in TABLES.iter().zip(&live) {
        assert_eq!(&stage.content(table)?, live, "the live {table} was touched");
    }
    Ok(())
}

pub fn signals(install: &'static Installation) -> Outcome {
    let stage = Stage::new(install)?;
    at_index(&stage, "perform pg_sleep(600)")?;
    stage.server.archive_all()?;
    let connection = stage.connection();
    let words = stage.words("app.public.orders", &["--into", &connection, "--to", &stage.before]);
    let sessions = "select count(*) from pg_stat_activity where application_name = 'pgcairn'";
    // While the copy recovers, and while the tables arrive.
    for is_loading in [false, true] {
        let mut command = stage.site.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        command.env("PGCAIRN_IDENTITY", stage.site.identity()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = process::Killed(command.spawn()?);
        let begun = wait_for("it to be at work", || {
            let is_asleep = format!("{sessions} and wait_event = 'PgSleep'");
            let there = if is_loading {
                stage.server.value(&is_asleep)? != "0"
            } else {
                !process::below(&stage.scratch()).is_empty()
            };
            Ok(there.then_some(()))
        });
        process::signal(i32::try_from(running.0.id())?, Signal::TERM);
        let status = running.0.wait()?;
        begun?;
        assert_eq!(status.code(), Some(130));
        stage.is_tidy()?;
        assert!(process::below(&stage.scratch()).is_empty(), "a server goes on");
        wait_for("the session to end", || Ok((stage.server.value(sessions)? == "0").then_some(())))?;
        assert!(stage.restored_schemas()?.is_empty());
    }
    Ok(())
}
