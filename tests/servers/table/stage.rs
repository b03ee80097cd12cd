//! A database with tables of every kind, its backup, and what its tables held at a moment after it.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{PORT, Server, run};
use crate::support::site::{Run, Site};
use crate::support::small;

/// By their names in the database `app`.
pub const TABLES: [&str; 4] = ["public.orders", "\"My Schema\".\"Täble\"", "public.events", "public.animals"];

const SCHEMA: &str = "
    create type mood as enum ('sad', 'glad');
    create domain amount as numeric(10, 2) check (value >= 0);
    create table customers (id int primary key, name text);
    insert into customers select n, 'customer ' || n from generate_series(1, 50) n;
    create table orders (
        id int generated always as identity primary key,
        customer int not null references customers,
        total amount not null,
        double numeric generated always as (total * 2) stored,
        mood mood not null default 'glad',
        document text);
    create index on orders (customer);
    create function noted() returns trigger language plpgsql as $$ begin return new; end $$;
    create trigger noted before insert on orders for each row execute function noted();
    create rule kept as on delete to orders where old.id < 0 do instead nothing;
    alter table orders enable row level security;
    create policy all_of_it on orders using (true);
    create statistics together on customer, mood from orders;
    insert into orders (customer, total, mood) select 1 + n % 50, n, case n % 2 when 0 then 'sad'::mood else 'glad' end
        from generate_series(1, 800) n;
    insert into orders (customer, total, document)
        select 1, n, (select string_agg(md5(n::text || m), '') from generate_series(1, 3000) m) from generate_series(1, 3) n;
    create schema \"My Schema\";
    create table \"My Schema\".\"Täble\" (n serial, \"Wört\" text, j json);
    insert into \"My Schema\".\"Täble\" (\"Wört\", j) select 'w' || n, '{}' from generate_series(1, 40) n;
    create schema parts;
    create table events (at date not null, what text, primary key (at, what)) partition by range (at);
    create table parts.events_1 partition of events for values from ('2026-01-01') to ('2026-02-01');
    create table parts.events_2 partition of events for values from ('2026-02-01') to ('2026-03-01') partition by list (what);
    create table parts.events_2_a partition of parts.events_2 for values in ('a');
    create table parts.events_2_rest partition of parts.events_2 default;
    insert into events select date '2026-01-01' + n, chr(97 + n % 4) from generate_series(0, 57) n;
    create table animals (name text primary key);
    create table birds (wings int) inherits (animals);
    insert into animals values ('cat'); insert into birds values ('owl', 2), ('hen', 2);
    create view large_orders as select * from orders where total > 500;
    create publication outside for table orders;
    create function planted() returns event_trigger language plpgsql as
        $$ begin if current_setting('archive_mode') = 'off' then raise exception 'planted'; end if; end $$;
    create event trigger planted on ddl_command_end execute function planted();
    alter event trigger planted enable always";

pub struct Stage {
    pub server: Server,
    pub site: Site,
    /// A moment after the backup, and before any mistake.
    pub before: String,
    /// What each of [`TABLES`] held then.
    pub held: Vec<String>,
}

impl Stage {
    pub fn new(install: &'static Installation) -> Outcome<Stage> {
        let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
        server.sql("create database app")?;
        server.sql("create database shop")?;
        server.sql_in("app", SCHEMA)?;
        server.sql_in("shop", "create table items as select generate_series(1, 9) as n")?;
        let site = Site::new(&server)?;
        site.init()?;
        site.archive_from(&server)?;
        account().make_dir(&site.path("scratch"))?;
        small::backup(&site)?;
        // Rows that only WAL has.
        server.sql_in("app", "insert into orders (customer, total) select 2, n from generate_series(1, 100) n")?;
        let mut stage = Stage { server, site, before: String::new(), held: Vec::new() };
        stage.held = TABLES.iter().map(|table| stage.content(table)).collect::<Outcome<_>>()?;
        stage.before = stage.server.value("select to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US\"Z\"')")?;
        stage.server.sql("select pg_sleep(0.02)")?;
        // What comes later proves that the moment was reached.
        stage.server.sql_in("app", "insert into customers values (0, 'later')")?;
        Ok(stage)
    }

    /// Every row of a table of `app`.
    pub fn content(&self, table: &str) -> Outcome<String> {
        self.content_in("app", table)
    }

    pub fn content_in(&self, database: &str, table: &str) -> Outcome<String> {
        let text = format!("select count(*) || ' ' || md5(string_agg(t::text, ',' order by t::text)) from {table} t");
        Ok(self.server.sql_in(database, &text)?.concat().concat())
    }

    pub fn scratch(&self) -> PathBuf {
        self.site.path("scratch")
    }

    /// Without a database: that is the tables'.
    pub fn connection(&self) -> String {
        format!("host={} port={PORT} user=postgres", self.server.socket_dir().display())
    }

    /// `restore --table` with the words, once all that was written lies in the archive.
    pub fn restore(&self, tables: &str, words: &[&str]) -> Outcome<Run> {
        self.server.archive_all()?;
        let all = self.words(tables, words);
        let run = self.site.run_with_identity(&all.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.is_tidy()?;
        Ok(run)
    }

    pub fn words(&self, tables: &str, words: &[&str]) -> Vec<String> {
        let (scratch, bindir) = (self.scratch().display().to_string(), self.server.install.bin().display().to_string());
        let all = ["restore", "--table", tables, "--scratch", &scratch, "--bindir", &bindir, "--json"];
        all.iter().chain(words).map(ToString::to_string).collect()
    }

    /// Into the live server, at the moment before the mistake.
    pub fn beside(&self, tables: &str) -> Outcome<Run> {
        let connection = self.connection();
        self.restore(tables, &["--into", &connection, "--to", &self.before])
    }

    /// Nothing is left behind, whatever becomes of it.
    pub fn is_tidy(&self) -> Outcome {
        assert_eq!(fs::read_dir(self.scratch())?.count(), 0, "something is left in the scratch directory");
        Ok(())
    }

    /// Schemas that somebody has restored tables into.
    pub fn restored_schemas(&self) -> Outcome<Vec<String>> {
        let rows = self.server.sql_in("app", "select nspname from pg_namespace where nspname like 'restored%'")?;
        Ok(rows.concat())
    }
}

/// Commands that the result shows.
pub fn commands<'v>(result: &'v Value, does: &str) -> Vec<&'v str> {
    let commands = result["commands"].as_array().into_iter().flatten().filter(|command| command["does"] == does);
    commands.filter_map(|command| command["command"].as_str()).collect()
}

/// Types them.
pub fn typed(result: &Value, does: &str) -> Outcome<Vec<String>> {
    commands(result, does).into_iter().map(shell).collect()
}

pub fn shell(command: &str) -> Outcome<String> {
    run(account().command("/bin/sh").args(["-c", command]))
}

pub fn texts<'v>(result: &'v Value, key: &str) -> Vec<&'v str> {
    result[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
