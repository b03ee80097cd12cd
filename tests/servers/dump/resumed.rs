//! A restore that is killed, or loses its way, goes on where it was.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};

use rustix::process::Signal;

use super::{LARGE, Place, SCHEMA, content_of, schema_of, script};
use crate::refusals::Document;
use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::process::signal;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Run;
use crate::support::wait::wait_for;

/// Nobody comes by until there is a database of the name.
const GATE: &str = "create function public.gate(name text) returns boolean language plpgsql as $$ begin \
     while not exists (select from pg_catalog.pg_database where datname = 'open_' || name) loop \
     perform pg_catalog.pg_sleep(0.05); end loop; return true; end $$; \
     create function public.gate_of_index() returns boolean language plpgsql immutable as $$ begin \
     if exists (select from pg_catalog.pg_database where datname = 'broken') then raise exception 'broken'; end if; return public.gate('index'); end $$";
const GATES: [&str; 3] = ["rest", "rows", "index"];

/// Something small, something large and an index that each stop at a gate.
const GATED: &str = "create table late (a int check (a <> 7 or public.gate('rest'))); insert into late select generate_series(1, 9); \
     create table letter as select n as id, repeat(md5(n::text), 20) as filler from generate_series(1, 200000) n; \
     alter table letter add check (id <> 1 or public.gate('rows')); \
     create index gated on late ((public.gate_of_index())); comment on index gated is 'late'; \
     comment on constraint account_pkey on account is 'ours'; \
     create materialized view by_key as select id, amount, count(*) from account group by id; \
     create unique index on by_key (id)";

/// Of the rich schema: a crash would empty it.
const LOGGED: &str = "alter table unlogged set logged";

/// Nobody is at its other end.
const SUBSCRIPTION: &str = "create subscription far connection 'host=127.0.0.1 port=1 dbname=far' publication p \
     with (connect = false, slot_name = 'far')";

fn restore(place: &Place, into: &Server, words: &[&str]) -> Outcome<Child> {
    let (bindir, connection) = (place.bindir(), into.connection());
    let all = [&["dump", "restore", "latest", "--into", &connection, "--bindir", &bindir], words].concat();
    let mut command = place.site.command(&all);
    command.env("PGCAIRN_IDENTITY", place.site.identity()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command.spawn()?)
}

fn unfinished(server: &Server) -> Outcome<Vec<Vec<String>>> {
    let found = "select datname, regexp_replace(coalesce(shobj_description(oid, 'pg_database'), ''), '.*, at its ', '') \
                 from pg_database where datname ~ '^pgcairn_[0-9a-f]{16}$' order by 1";
    server.sql(found)
}

/// The only one, when it is at `step`.
fn at_its(server: &Server, step: &str) -> Outcome<String> {
    wait_for(&format!("an unfinished database at its {step}"), || {
        let all = unfinished(server)?;
        Ok(all.first().filter(|row| row[1] == step).map(|row| row[0].clone()))
    })
}

fn comes_true(server: &Server, database: &str, what: &str) -> Outcome {
    wait_for(what, || {
        Ok((server.sql_in(database, &format!("select ({what})::text"))?.concat() == ["true"]).then_some(()))
    })
}

/// As a power cut of the machine it ran on: neither it nor its programs do anything any more.
fn killed(server: &Server, mut child: Child) -> Outcome {
    signal(child.id().cast_signed(), Signal::KILL);
    child.wait()?;
    orphans_ended(server)
}

fn orphans_ended(server: &Server) -> Outcome {
    wait_for("nobody to be at work", || {
        let left = server.value(
            "select count(pg_terminate_backend(pid))::text from pg_stat_activity where datname like 'pgcairn\\_%'",
        )?;
        Ok((left == "0").then_some(()))
    })
}

/// Killed at every step, and gone on with: what was loaded is not loaded again.
pub fn killed_at_each_step(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    for gate in GATES {
        server.sql(&format!("create database open_{gate}"))?;
    }
    server.sql("create database shop")?;
    server.sql("comment on database shop is 'ours'")?;
    for text in [GATE, SCHEMA, LARGE, GATED, SUBSCRIPTION, LOGGED] {
        script(server, "shop", text)?;
    }
    place.dump(&["shop"], 0)?;
    let other = Server::builder(install).start()?;
    let words = ["--globals", "--jobs", "3", "--resume"];

    // While definitions are made: nothing is worth keeping, and it begins anew.
    let child = restore(&place, &other, &words)?;
    let first = at_its(&other, "definitions")?;
    killed(&other, child)?;

    let child = restore(&place, &other, &words)?;
    let second = at_its(&other, "rows")?;
    assert_ne!(first, second);
    let ledger = "(select count(*) from pgcairn_restore.loaded) >= 2 and exists (select from pg_stat_activity where query \
                  like 'COPY public.late %' and wait_event = 'PgSleep')";
    comes_true(&other, &second, ledger)?;
    // Somebody is at work there.
    let mut document = Document::new();
    let busy = place.restore(&other, &[&words[..], &["--json"]].concat(), 4)?;
    document.compare("dump restore: --resume while another run is at it", &place.site, busy)?;
    let warned = place.restore(&other, &["--globals", "--plan", "--json"], 0)?;
    document.warned(
        "dump restore: something is left, and --resume not given",
        &place.site,
        &warned,
        "another run is filling",
    )?;
    let others = place.restore(&other, &["--plan", "--no-owner", "--resume", "--json"], 0)?;
    document.warned("dump restore: what is left was asked otherwise", &place.site, &others, "other parts or owners")?;
    killed(&other, child)?;
    assert_eq!(unfinished(&other)?, [[second.as_str(), "rows"]]);
    let loaded = "select stream::text, rows::text from pgcairn_restore.loaded order by 1";
    let before = other.sql_in(&second, loaded)?;
    let account =
        "select min(xmin::text), max(xmin::text), count(*)::text, 'account'::regclass::oid::text from public.account";
    let account_before = other.sql_in(&second, account)?;

    // Of small tables some were filled, and large objects made.
    other.sql("create database open_rest")?;
    let child = restore(&place, &other, &words)?;
    comes_true(
        &other,
        &second,
        "(select count(*) from public.late) = 9 and exists (select from pg_stat_activity \
                where query like 'COPY \"public\".\"letter\"%')",
    )?;
    comes_true(&other, &second, "(select bool_or(rows = 0) from pgcairn_restore.loaded)")?;
    killed(&other, child)?;
    let after = other.sql_in(&second, loaded)?;
    assert!(after.len() > before.len() && before.iter().all(|row| after.contains(row)), "{before:?} {after:?}");

    other.sql("create database open_rows")?;
    let child = restore(&place, &other, &words)?;
    assert_eq!(at_its(&other, "indexes")?, second);
    let index = "select oid::text from pg_class where relname = 'account_pkey'";
    comes_true(
        &other,
        &second,
        "exists (select from pg_class where relname = 'account_pkey') and exists (select from pg_stat_activity \
                where query like 'CREATE INDEX gated %')",
    )?;
    let index_before = other.sql_in(&second, index)?;
    killed(&other, child)?;

    other.sql("create database open_index")?;
    let run = place.restore(&other, &[&words[..], &["--json"]].concat(), 0)?.result()?;
    assert_eq!(run["databases"][0]["resumed"], second.as_str(), "{run}");
    assert_eq!(other.sql_in("shop", index)?, index_before);
    assert_eq!(other.sql_in("shop", account)?, account_before);
    assert_eq!(Place::databases(&other)?, ["open_index", "open_rest", "open_rows", "postgres", "shop"]);
    assert_eq!(schema_of(&other, "shop")?, schema_of(server, "shop")?);
    assert_eq!(content_of(&other, "shop")?, content_of(server, "shop")?);
    let comment = "select shobj_description(oid, 'pg_database') from pg_database where datname = 'shop'";
    assert_eq!(other.value(comment)?, "ours");
    document.end()
}

/// When everything after rows is made but its last, event triggers and subscriptions are there too.
pub fn killed_at_the_end(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    for text in [SCHEMA, SUBSCRIPTION, LOGGED] {
        script(server, "postgres", text)?;
    }
    server.sql("alter database postgres set work_mem = '8MB'")?;
    place.dump(&["postgres"], 0)?;
    let other = Server::builder(install).start()?;
    let mut holder = other.client()?;
    holder.batch_execute("begin; lock table pg_db_role_setting in exclusive mode")?;
    let words = ["--globals", "--database", "postgres=copy", "--resume"];
    let mut child = restore(&place, &other, &words)?;
    let name = at_its(&other, "indexes")?;
    let described = "query like 'ALTER DATABASE%SET%' and pid <> pg_backend_pid()";
    wait_for("all but its settings", || {
        let waits =
            format!("select count(*)::text from pg_stat_activity where wait_event_type = 'Lock' and {described}");
        Ok((other.value(&waits)? != "0").then_some(()))
    })?;
    signal(child.id().cast_signed(), Signal::KILL);
    child.wait()?;
    other.sql(&format!("select pg_terminate_backend(pid) from pg_stat_activity where {described}"))?;
    holder.batch_execute("commit")?;
    let run = place.restore(&other, &[&words[..], &["--json"]].concat(), 0)?.result()?;
    assert_eq!(run["databases"][0]["resumed"], name.as_str(), "{run}");
    assert_eq!(schema_of(&other, "copy")?, schema_of(server, "postgres")?);
    assert_eq!(content_of(&other, "copy")?, content_of(server, "postgres")?);
    Ok(())
}

/// The session that stands at the gate.
const LETTER: &str = "query like 'COPY \"public\".\"letter\"%' and wait_event = 'PgSleep'";

/// The server ends a session, the repository is away, a signal comes: what is loaded stays. What a dump itself is to blame for
/// does not.
pub fn lost(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    for text in [GATE, LARGE] {
        script(server, "postgres", text)?;
    }
    for gate in GATES {
        server.sql(&format!("create database open_{gate}"))?;
    }
    script(server, "postgres", GATED)?;
    place.dump(&["postgres"], 0)?;
    server.sql("drop database open_rows")?;
    // What comes after the gate is read after it.
    let words = ["--database", "postgres=copy", "--jobs", "1"];
    let mut document = Document::new();
    let mut begun = String::new();
    for (way, when) in [
        ("session", Some("dump restore: its session ends")),
        ("signal", Some("dump restore: a signal")),
        // Which piece it misses first depends on the machine.
        ("repository", None),
    ] {
        // Who sleeps at the gate has not seen that its run is gone.
        orphans_ended(server)?;
        let resumed = if begun.is_empty() { &words[..] } else { &[&words[..], &["--resume"]].concat() };
        let (bindir, connection) = (place.bindir(), server.connection());
        let all =
            [&["dump", "restore", "latest", "--json", "--into", &connection, "--bindir", &bindir], resumed].concat();
        let mut command = place.site.command(&all);
        command.env("PGCAIRN_IDENTITY", place.site.identity());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let pid = child.id().cast_signed();
        let name = at_its(server, "rows")?;
        comes_true(server, &name, &format!("exists (select from pg_stat_activity where {LETTER})"))?;
        if begun.is_empty() {
            begun.clone_from(&name);
        }
        assert_eq!(name, begun, "{way}");
        match way {
            "session" => {
                drop(server.sql(&format!("select pg_terminate_backend(pid) from pg_stat_activity where {LETTER}"))?)
            }
            "signal" => signal(pid, Signal::TERM),
            _ => {
                fs::set_permissions(place.site.repository(), fs::Permissions::from_mode(0o000))?;
                server.sql("create database open_rows")?;
            }
        }
        let run = Run::from_output(&command, &child.wait_with_output()?);
        if way == "repository" {
            fs::set_permissions(place.site.repository(), fs::Permissions::from_mode(0o750))?;
            server.sql("drop database open_rows")?;
        }
        match when {
            Some(when) => drop(document.compare(when, &place.site, run)?),
            None => drop(run.status_is(8)?.says(&["Permission denied", "--resume goes on"])?),
        }
        assert_eq!(unfinished(server)?, [[begun.as_str(), "rows"]], "{way}");
    }
    // A statement that is refused: whoever asks for it goes on when that is mended.
    for name in ["open_rows", "broken"] {
        server.sql(&format!("create database {name}"))?;
    }
    place.restore(server, &["--database", "postgres=other"], 1)?.says(&["broken"])?;
    assert_eq!(unfinished(server)?, [[begun.as_str(), "rows"]]);
    place.restore(server, &[&words[..], &["--resume"]].concat(), 1)?.says(&["broken", "--resume"])?;
    assert_eq!(unfinished(server)?, [[begun.as_str(), "indexes"]]);
    server.sql("drop database broken")?;
    place.restore(server, &[&words[..], &["--resume"]].concat(), 0)?;
    assert_eq!(content_of(server, "copy")?, content_of(server, "postgres")?);
    assert!(unfinished(server)?.is_empty());
    // Nothing is left: it begins.
    let fresh = ["--database", "postgres=two", "--resume"];
    place.restore(server, &fresh, 0)?.says(&["nothing is left to go on with"])?;
    document.end()
}

/// A crash of the server empties unlogged tables, whatever had been loaded; and nobody goes on with what is not his own.
pub fn crashed(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let server = &place.server;
    for gate in GATES {
        server.sql(&format!("create database open_{gate}"))?;
    }
    server.sql("create database shop")?;
    for text in [GATE, LARGE, GATED, "alter table account set unlogged"] {
        script(server, "shop", text)?;
    }
    place.dump(&["shop"], 0)?;
    let other = Server::builder(install).start()?;
    other.sql("create database open_rest")?;
    let child = restore(&place, &other, &["--resume", "--jobs", "3"])?;
    let name = at_its(&other, "rows")?;
    comes_true(&other, &name, "(select count(*) from public.account) = 200000")?;
    killed(&other, child)?;
    other.stop(Shutdown::Kill)?;
    other.start()?;
    assert_eq!(other.sql_in(&name, "select count(*)::text from account")?, [["0"]]);
    for gate in ["rows", "index"] {
        other.sql(&format!("create database open_{gate}"))?;
    }

    // As somebody else might have made it, complete by its comment.
    other.sql("create role clerk createdb")?;
    other.sql("create database pgcairn_0000000000000000 owner clerk")?;
    let comment = "select shobj_description(oid, 'pg_database') from pg_database where datname = ";
    let comment = other.value(&format!("{comment}'{name}'"))?.replace("at its rows", "at its indexes");
    other.sql(&format!("comment on database pgcairn_0000000000000000 is '{comment}'"))?;

    let run = place.restore(&other, &["--resume"], 0)?;
    run.says(&["emptied by a crash"])?;
    assert_eq!(content_of(&other, "shop")?, content_of(server, "shop")?);
    assert_eq!(schema_of(&other, "shop")?, schema_of(server, "shop")?);
    assert_eq!(unfinished(&other)?.concat(), ["pgcairn_0000000000000000", "indexes"]);
    Ok(())
}
