//! What others do while a dump is made, and names that are not ASCII.

use std::fs;

use super::{LARGE, Place, script};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::{Run, binary};
use crate::support::wait::wait_for;

/// So that there is a meanwhile.
const SLOWLY: &str = "[backup]\nmax_rate = \"32MiB\"\njobs = 1\n";

impl Place {
    fn dump_slowly(&self, words: &[&str]) -> Outcome<Run> {
        let text = fs::read_to_string(self.site.config())?;
        let path = self.site.path("slow.toml");
        account().write(&path, format!("{text}{SLOWLY}"), 0o644)?;
        let bindir = self.bindir();
        let mut command = account().command(binary());
        command.arg("--config").arg(path).args(["dump", "--bindir", &bindir]).args(words);
        Run::of(&mut command)
    }

    fn wait_for_rows_of(&self, table: &str) -> Outcome {
        let busy = format!(
            "select count(*)::text from pg_stat_activity where query like 'COPY%{table}%' and pid <> pg_backend_pid()"
        );
        wait_for("rows on their way", || Ok((self.server.value(&busy)? != "0").then_some(())))
    }
}

/// `pg_dump` reads its arguments in the encoding of its session: a name that it does not find is left out of nothing.
pub fn encoding(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    place.server.sql("create database latin encoding 'LATIN1' locale 'C' template template0")?;
    let table = "set client_encoding = 'UTF8';\ncreate table \"größe\" as select n, repeat(md5(n::text), 20) f \
                 from generate_series(1, 80000) n;";
    script(&place.server, "latin", table)?;
    script(&place.server, "postgres", table)?;
    place.server.sql("alter role postgres set client_encoding = 'latin1'")?;
    place.dump(&["latin", "postgres"], 0)?;
    place.server.sql("alter role postgres reset client_encoding")?;
    for name in ["latin", "postgres"] {
        place.restore(&place.server, &["--database", &format!("{name}={name}_copy")], 0)?;
        let count = "select count(*)::text from \"größe\"";
        assert_eq!(place.server.sql_in(&format!("{name}_copy"), count)?, [["80000"]]);
    }
    Ok(())
}

/// What an event trigger writes while a database is restored is no damage.
pub fn audited(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let text = "create table base as select 1 as a; create table ddl_log (tag text); \
                create function log_it() returns event_trigger language plpgsql as \
                $$ begin insert into public.ddl_log values (tg_tag); end $$; \
                create event trigger audit on ddl_command_end execute function log_it(); \
                create materialized view mv as select count(*) from base";
    script(&place.server, "postgres", text)?;
    place.dump(&[], 0)?;
    place.restore(&place.server, &["--database", "postgres=copy"], 0)?;
    assert_eq!(place.server.sql_in("copy", "select count::text from mv")?, [["1"]]);
    Ok(())
}

/// Schemas change names between two ranges of a table: its rows would be of two tables.
pub fn swapped(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    for schema in ["live", "staging"] {
        let table = format!(
            "create schema {schema}; create table {schema}.t as select n, '{schema}' as v, repeat(md5(n::text), 20) f \
             from generate_series(1, 250000) n"
        );
        script(&place.server, "postgres", &table)?;
    }
    let run = std::thread::scope(|scope| -> Outcome<Run> {
        let slow = scope.spawn(|| place.dump_slowly(&[]));
        place.wait_for_rows_of("live")?;
        let swap =
            "alter schema live rename to tmp; alter schema staging rename to live; alter schema tmp rename to staging";
        script(&place.server, "postgres", swap)?;
        slow.join().map_err(|_| "the dump panicked")?
    })?;
    run.status_is(1)?.says(&["is another table by now", "run it again"])?;
    assert!(place.dumps()?.is_empty());
    Ok(())
}

/// A value of an enum gets another label, with which rows would be written that the schema does not know.
pub fn relabelled(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let table = "create type mood as enum ('ok', 'sad'); create table t as select 'sad'::mood as m, repeat(md5(n::text), 20) f \
                 from generate_series(1, 250000) n";
    script(&place.server, "postgres", table)?;
    let run = std::thread::scope(|scope| -> Outcome<Run> {
        let slow = scope.spawn(|| place.dump_slowly(&[]));
        place.wait_for_rows_of("\"t\"")?;
        script(&place.server, "postgres", "alter type mood rename value 'sad' to 'blue'")?;
        slow.join().map_err(|_| "the dump panicked")?
    })?;
    run.status_is(1)?.says(&["a value of an enum got another name meanwhile"])?;
    // A new one does no harm: no row of the snapshot has it.
    let run = std::thread::scope(|scope| -> Outcome<Run> {
        let slow = scope.spawn(|| place.dump_slowly(&[]));
        place.wait_for_rows_of("\"t\"")?;
        script(&place.server, "postgres", "alter type mood add value 'glad'")?;
        slow.join().map_err(|_| "the dump panicked")?
    })?;
    run.ok().map(drop)
}

/// TRUNCATE of a small table waits for our lock; the count of its rows must not wait for it in turn. Tables of extensions
/// whose rows are dumped are locked, too.
pub fn waiter(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    script(&place.server, "postgres", LARGE)?;
    script(&place.server, "postgres", "create table small as select 1 as a; create table config as select 1 as a")?;
    script(&place.server, "postgres", "alter extension plpgsql add table config")?;
    let config = "update pg_extension set extconfig = array['config'::regclass::oid], extcondition = array['']";
    script(&place.server, "postgres", config)?;
    std::thread::scope(|scope| -> Outcome {
        let slow = scope.spawn(|| place.dump_slowly(&["--lock-timeout", "3s"]));
        place.wait_for_rows_of("account")?;
        let locked = "select count(*) > 0 from pg_locks where relation = 'config'::regclass and granted";
        assert_eq!(place.server.value(locked)?, "t");
        let emptier = scope.spawn(|| script(&place.server, "postgres", "truncate small"));
        let run = slow.join().map_err(|_| "the dump panicked")??;
        emptier.join().map_err(|_| "psql panicked")??;
        run.ok().map(drop)
    })
}
