//! What keeps a dump from being made or loaded.

use super::super::support::Outcome;
use super::super::support::majors::Installation;
use super::super::support::mounted::Mounted;
use super::super::support::site::Site;
use super::{Document, Server};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let server = Server::builder(install).start()?;
    let mut site = Site::new(&server)?;
    site.init()?;
    let bindir = install.bin().display().to_string();
    let dump = |words: &[&'static str]| [&["dump", "--bindir", &bindir], words].concat().join("\n");
    let mut refuses = |when: &str, words: &[&'static str]| {
        let words = dump(words);
        document.refuses(when, &site, &words.split('\n').collect::<Vec<_>>()).map(drop)
    };
    server.sql("create table t as select 1 as a")?;
    let mut holder = server.client()?;
    holder.batch_execute("begin; lock table t in access exclusive mode")?;
    refuses("dump: a table that somebody else has locked", &["--lock-timeout", "200ms"])?;
    holder.batch_execute("commit")?;
    refuses("dump: a database that is not there", &["absent"])?;
    refuses("dump: nothing left", &["--exclude", "*"])?;
    server.sql("create role reader login in role pg_read_all_data")?;
    server.sql("create database provider")?;
    server.sql("revoke connect on database provider from public")?;
    site.connect_as("user=reader dbname=postgres")?;
    let words = dump(&[]);
    document.refuses(
        "dump: a database that the role may not connect to",
        &site,
        &words.split('\n').collect::<Vec<_>>(),
    )?;
    site.connect_as("user=postgres dbname=postgres")?;
    server.sql("drop database provider")?;

    if install.major == 18 {
        document.refuses("dump: no program that fits", &site, &["dump", "--bindir", "/srv/nowhere"])?;
    }
    full(&mut document, &server)?;

    let connection = server.connection();
    let restore = |words: &[&'static str]| {
        [&["dump", "restore", "latest", "--into", &connection, "--bindir", &bindir], words].concat().join("\n")
    };
    let mut refuses = |when: &str, words: &[&'static str]| {
        let words = restore(words);
        document.refuses_with_identity(when, &site, &words.split('\n').collect::<Vec<_>>()).map(drop)
    };
    refuses("dump restore: there is no dump", &[])?;
    site.run(&["dump", "--bindir", &bindir])?.ok()?;
    refuses("dump restore: a name that is taken", &[])?;
    site.run(&["dump", "--bindir", &bindir, "--schema-only"])?.ok()?;
    refuses("dump restore: no rows in the place of what has some", &["--replace", "--yes"])?;
    refuses("dump restore: a database that the dump has not", &["--database", "absent"])?;
    refuses("dump restore: one name for two", &["--database", "postgres=a", "--database", "postgres=a"])?;
    let data_only = ["--existing", "--data-only"];
    refuses("dump restore: a database that is not there", &["--database", "postgres=absent", "--existing"])?;
    refuses("dump restore: a table that the dump has not", &["--database", "postgres=a", "--table", "public.absent"])?;
    refuses("dump restore: what is there already", &["--existing", "--table", "public.t"])?;
    refuses("dump restore: tables that have rows", &data_only)?;
    server.sql("create view v as select * from t")?;
    refuses("dump restore: what is dropped is used", &["--existing", "--table", "public.t", "--clean", "--yes"])?;
    server.sql("drop table t cascade")?;
    refuses("dump restore: rows without a table", &data_only)?;
    server.sql("create table u as select 1 as a; create index i on u (a)")?;
    site.run(&["dump", "--bindir", &bindir])?.ok()?;
    server.sql("alter table u rename to other")?;
    refuses(
        "dump restore: a name of a part of another table",
        &["--existing", "--table", "public.u", "--clean", "--yes"],
    )?;
    server.sql("drop table other; create domain d as int; create table u (a d)")?;
    site.run(&["dump", "--bindir", &bindir])?.ok()?;
    server.sql("drop table u; drop domain d")?;
    refuses("dump restore: what a table relies on is missing", &["--existing", "--table", "public.u"])?;
    server.sql("create database second")?;
    site.run(&["dump", "--bindir", &bindir])?.ok()?;
    refuses("dump restore: parts of several databases", &["--table", "public.u"])?;
    let into = format!("{connection} password=hush");
    let run = document.refuses_with_identity(
        "dump restore: a password in the connection",
        &site,
        &["dump", "restore", "latest", "--into", &into],
    )?;
    assert!(!run.report().replace(&into, "").contains("hush"), "{}", run.report());
    document.end()
}

/// Needs the right to mount. However much of it had room, there is no dump.
fn full(document: &mut Document, server: &Server) -> Outcome {
    let mut site = Site::new(server)?;
    site.configure("[backup]\njobs = 1\n")?;
    let part = (server.install.major, "refusals::dump full disk");
    let Some(_small) = Mounted::for_part(&site.repository(), "size=2m", part)? else { return Ok(()) };
    server.sql(
        "create table noise as select string_agg(decode(md5(random()::text || g || i), 'hex'), '') as b \
         from generate_series(1, 4000) g, generate_series(1, 64) i group by g",
    )?;
    let bindir = server.install.bin().display().to_string();
    site.init()?;
    document.refuses("the repository's disk is full during a dump", &site, &["dump", "--bindir", &bindir])?;
    let list = site.run(&["dump", "list", "--json"])?.ok()?.json()?;
    assert_eq!(list["dumps"], serde_json::json!([]));
    server.sql("drop table noise").map(drop)
}
