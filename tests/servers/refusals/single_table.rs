//! What keeps `restore --table` from bringing tables back: told before the work where it can be, and leaving nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::support::account::account;
use super::super::support::majors::{self, Installation};
use super::super::support::mounted::Mounted;
use super::super::support::server::{PORT, Server, Shutdown};
use super::super::support::site::Site;
use super::super::support::{Outcome, small};
use super::Document;

const TABLES: &str = "
    create type mood as enum ('glad');
    create table orders (id int primary key, mood mood);
    insert into orders select n, 'glad' from generate_series(1, 4711) n;
    create view big as select * from orders;
    create unlogged table sessions (n int);
    create schema other; create table other.orders (n int)";

/// A live server, and tables in a backup of it.
struct Desk<'a> {
    document: Document,
    server: &'a Server,
    site: &'a Site,
    bindir: String,
    into: String,
    /// What would be made there.
    schema: String,
}

impl Desk<'_> {
    /// `restore --table` with these words is refused as the row says.
    fn refuses(&mut self, when: &str, table: &str, words: &[&str]) -> Outcome {
        let (scratch, bindir) = (self.site.path("scratch").display().to_string(), self.bindir.clone());
        let all = ["restore", "--table", table, "--scratch", &scratch, "--bindir", &bindir, "--to", "latest", "--json"];
        let mut run = self.site.run_with_identity(&[&all[..], words].concat())?;
        let (own, major) = (self.server.install.bin().display().to_string(), self.server.install.major);
        run.stdout = run.stdout.replace(&own, "/usr/lib/postgresql/18/bin");
        run.stdout = run.stdout.replace(&format!("-client-{major}"), "-client-18");
        run.stdout = run.stdout.replace(&self.schema, "restored_20261120t030000z_full_7k3f");
        assert_eq!(fs::read_dir(&scratch)?.count(), 0, "{when}: something is left");
        self.document.compare(when, self.site, run).map(drop)
    }

    /// Into the live server, by the connection's further words.
    fn into(&mut self, when: &str, table: &str, further: &str) -> Outcome {
        let into = format!("{}{further}", self.into);
        self.refuses(when, table, &["--into", &into])
    }
}

pub fn refusals(install: &'static Installation) -> Outcome {
    let server = small::start(install)?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    account().make_dir(&site.path("scratch"))?;
    server.sql(TABLES)?;
    let schema = format!("restored_{}", small::backup(&site)?.to_lowercase().replace('-', "_"));
    server.archive_all()?;
    let (bindir, into) =
        (install.bin().display().to_string(), format!("host={} port={PORT}", server.socket_dir().display()));
    let mut desk = Desk { document: Document::new(), server: &server, site: &site, bindir, into, schema };
    names(&mut desk)?;
    files(&mut desk)?;
    loads(&mut desk)?;
    // From here on the live server is changed for good.
    connections(&mut desk)?;
    desk.document.end()
}

fn names(desk: &mut Desk<'_>) -> Outcome {
    let file = desk.site.path("rows.dump").display().to_string();
    let output = ["--output", file.as_str()];
    desk.refuses("--table: no such database", "postgre.public.orders", &output)?;
    desk.refuses("--table: no such table", "postgres.public.ordres", &output)?;
    desk.refuses("--table: a view", "postgres.public.big", &output)?;
    desk.refuses("--table: an unlogged table", "postgres.public.sessions", &output)?;
    desk.refuses("--table: a relation of PostgreSQL", "postgres.pg_catalog.pg_class", &output)?;
    assert!(!fs::exists(&file)? && !fs::exists(format!("{file}.pgcairn"))?);
    desk.into("--table: two of one name", "postgres.public.orders,postgres.other.orders", " user=postgres")
}

fn files(desk: &mut Desk<'_>) -> Outcome {
    let place = desk.site.path("files");
    account().make_dir(&place)?;
    let there = place.join("there.dump");
    account().write(&there, "kept", 0o600)?;
    let orders = "postgres.public.orders";
    let text = |path: std::path::PathBuf| path.display().to_string();
    desk.refuses("--table: the file exists", orders, &["--output", &text(there.clone())])?;
    assert_eq!(fs::read(&there)?, b"kept");
    let nowhere = text(desk.site.path("nowhere").join("rows.dump"));
    desk.refuses("--table: the file cannot be written", orders, &["--output", &nowhere])?;
    let both = text(place.join("both.dump"));
    let slash = "\"a/x\".public.t,postgres.public.orders";
    desk.refuses("--table: a database whose name no file has", slash, &["--output", &both])?;

    let own = std::mem::replace(&mut desk.bindir, text(desk.site.path("bin")));
    account().make_dir(&desk.site.path("bin"))?;
    for program in ["initdb", "postgres"] {
        symlink(desk.server.install.program(program), desk.site.path("bin").join(program))?;
    }
    desk.refuses("--table: no programs of clients", orders, &["--output", &both])?;
    let dump = desk.site.path("bin").join("pg_dump");
    account().write(&dump, "#!/bin/sh\necho 'pg_dump: error: no luck' >&2\nexit 1\n", 0o755)?;
    fs::set_permissions(&dump, fs::Permissions::from_mode(0o755))?;
    desk.refuses("--table: pg_dump fails", orders, &["--output", &both])?;
    assert_eq!(fs::read_dir(&place)?.count(), 1, "something is left");
    desk.bindir = own;

    let part = (desk.server.install.major, "refusals::single_table small disk");
    match Mounted::for_part(&desk.site.path("scratch"), "size=1m,mode=777", part)? {
        Some(_small) => desk.refuses("--table: too little space for the copy", orders, &["--output", &both]).map(drop),
        None => Ok(()),
    }
}

/// What the live server has against it while the tables arrive.
fn loads(desk: &mut Desk<'_>) -> Outcome {
    let delete = "if tg_tag = 'ALTER TABLE' then execute 'delete from ' || (select oid::regclass from pg_class \
         where relname = 'orders' and relnamespace::regnamespace::text like 'restored%') || ' where id = 17'; end if";
    for (when, does) in [
        ("--table: rows that did not arrive", delete),
        ("--table: the live server refuses", "raise exception 'not in my database'"),
        ("--table: the live server ends the session", "perform pg_terminate_backend(pg_backend_pid())"),
    ] {
        desk.server.sql(&format!(
            "create or replace function watch() returns event_trigger language plpgsql as $$ begin {does}; end $$;
             create event trigger watch on ddl_command_end execute function watch()"
        ))?;
        desk.into(when, "postgres.public.orders", " user=postgres")?;
        desk.server.sql("drop event trigger watch")?;
    }
    let left = desk.server.value("select count(*) from pg_namespace where nspname like 'restored%'")?;
    assert_eq!(left, "0", "something was loaded");
    desk.server.sql("alter type mood rename to humour")?;
    desk.into("--table: the live database lacks a type", "postgres.public.orders", " user=postgres")
}

fn connections(desk: &mut Desk<'_>) -> Outcome {
    let (orders, server) = ("postgres.public.orders", desk.server);
    desk.refuses("--table: the live server is away", orders, &["--into", "host=/nowhere user=postgres"])?;
    server.sql("create database shop template postgres")?;
    desk.into("--table: another database in the connection", orders, " user=postgres dbname=shop")?;
    server.sql(
        "create role guest login; create role reader login; alter role reader set default_transaction_read_only = on",
    )?;
    desk.into("--table: no right to make a schema", orders, " user=guest")?;
    desk.into("--table: a role that only reads", orders, " user=reader")?;
    server.sql("create publication everything for all tables")?;
    desk.into("--table: a publication of all tables", orders, " user=postgres")?;
    server.sql("drop publication everything")?;
    server.sql(&format!("create schema {}", desk.schema))?;
    desk.into("--table: its schema is there", orders, " user=postgres")?;
    if let Some(earlier) = majors::installed(&[server.install.major - 1]).first() {
        let live = Server::builder(earlier).start()?;
        let into = format!("host={} port={PORT} user=postgres", live.socket_dir().display());
        desk.earlier_major(&into, earlier)?;
    }
    server.stop(Shutdown::Fast)?;
    account().write(&server.data().join("standby.signal"), "", 0o600)?;
    server.start()?;
    desk.into("--table: into a standby", orders, " user=postgres")
}

impl Desk<'_> {
    fn earlier_major(&mut self, into: &str, earlier: &Installation) -> Outcome {
        let (scratch, bindir) = (self.site.path("scratch").display().to_string(), self.bindir.clone());
        let words = ["restore", "--table", "postgres.public.orders", "--scratch", &scratch, "--bindir", &bindir];
        let mut run =
            self.site.run_with_identity(&[&words[..], &["--to", "latest", "--json", "--into", into]].concat())?;
        let own = self.server.install.version.split_whitespace().next().unwrap_or_default();
        run.stdout = run.stdout.replace(&format!("PostgreSQL {}", earlier.version), "PostgreSQL 17.6");
        run.stdout = run.stdout.replace(&format!("backup of {own}"), "backup of 18.1");
        self.document.compare("--table: an earlier major", self.site, run).map(drop)
    }
}
