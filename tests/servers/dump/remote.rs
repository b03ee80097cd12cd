//! A server whose files are elsewhere, and a role that is no superuser, as of a provider that keeps both to itself.

use super::{LARGE, content_of, schema_of, script};
use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::server::Server;
use crate::support::site::Site;

const ROLES: &str = "
    create role reader login in role pg_read_all_data;
    alter role reader set idle_in_transaction_session_timeout = '1ms';
    create role loader login createdb;
    create role app login password 'kept';
    create database shop owner app;
    create database feed;
    create database provider;
    revoke connect on database provider from public";

const SHOP: &str = "
    create table customer (id int primary key, name text not null);
    insert into customer select n, 'c' || n from generate_series(1, 1000) n;
    create sequence numbers; select nextval('numbers');
    create view names as select name from customer;
    grant select on customer to reader;
    alter table customer owner to app";

pub fn remote(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).start()?;
    for statement in ROLES.split(';') {
        server.sql(statement)?;
    }
    script(&server, "shop", SHOP)?;
    script(&server, "shop", LARGE)?;
    script(&server, "shop", "alter table account owner to app; alter sequence numbers owner to app")?;
    script(
        &server,
        "feed",
        "create subscription news connection 'host=/nowhere' publication p with (connect = false)",
    )?;
    let mut site = Site::new(&server)?;
    let as_role = |role: &str| server.connection().replace("user=postgres", &format!("user={role}"));
    site.connect_only(&as_role("reader"))?;
    site.run(&["init"])?.ok()?.says(&["dumps of it alone"])?;
    site.run(&["config", "show"])?.ok()?.says(&["user=reader"])?;
    // What needs the files says so.
    for command in [&["backup"][..], &["check"], &["wal", "flush"]] {
        site.run(command)?.status_is(2)?.says(&["has no [postgres] data_dir", "dump needs none of them"])?;
    }

    let bindir = install.bin().display().to_string();
    let dump = |words: &[&str]| site.run(&[&["dump", "--bindir", &bindir], words].concat());
    dump(&[])?.status_is(8)?.says(&["role reader may not connect to provider", "--exclude provider"])?;
    let list = site.run(&["dump", "list", "--json"])?.ok()?.json()?;
    assert_eq!(list["dumps"].as_array().map(Vec::len), Some(0), "{list}");
    let said = dump(&["--exclude", "provider"])?.ok()?.says(&["subscriptions not dumped"])?;
    assert_eq!(said.stderr.matches("not dumped").count(), 1, "{}", said.report());
    // The tables of roles are data too, as pg_read_all_data has it.
    assert!(!said.stderr.contains("passwords"), "{}", said.report());
    site.run_with_identity(&["dump", "show", "latest"])?.ok()?.says(&["public.customer"])?;

    let restore = |into: &str, words: &[&str]| {
        let all = ["dump", "restore", "latest", "--into", into, "--bindir", &bindir];
        site.run_with_identity(&[&all, words].concat())
    };
    // By who may make databases and nothing more.
    let own = ["--database", "shop=again", "--no-owner", "--no-privileges"];
    restore(&as_role("loader"), &own)?.ok()?;
    assert_eq!(content_of(&server, "again")?, content_of(&server, "shop")?);
    let other = Server::builder(install).start()?;
    restore(&other.connection(), &["--globals", "--database", "shop"])?.ok()?;
    assert_eq!(schema_of(&other, "shop")?, schema_of(&server, "shop")?);
    let password = "select coalesce(rolpassword, 'none') from pg_authid where rolname = 'app'";
    assert_eq!(other.value(password)?, server.value(password)?);

    // By the owner of one database, who may not look at anybody's password.
    site.connect_only(&as_role("app"))?;
    let said = site.run(&["dump", "shop", "--bindir", &bindir])?.ok()?;
    said.says(&["may not read passwords"])?;
    let third = Server::builder(install).start()?;
    let into = third.connection();
    let all = ["dump", "restore", "latest", "--into", &into, "--bindir", &bindir, "--globals"];
    site.run_with_identity(&all)?.ok()?;
    assert_eq!(content_of(&third, "shop")?, content_of(&server, "shop")?);
    assert_eq!(third.value(password)?, "none");
    Ok(())
}
