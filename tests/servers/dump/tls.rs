//! A server that is reached by TLS and a password: every session of ours, and every one of PostgreSQL's programs.

use super::{LARGE, content_of, script};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::{Run, Site};
use crate::support::tls_server::{NAME, PASSWORD, TlsServer};

/// Without a word of `sslmode`, which asks another machine for everything.
pub fn tls(install: &'static Installation) -> Outcome {
    let tls = TlsServer::start(install)?;
    tls.server.sql("create database shop")?;
    script(&tls.server, "shop", LARGE)?;
    script(&tls.server, "shop", "create table small as select 1 as a; create index on account (amount)")?;
    let mut site = Site::new(&tls.server)?;
    site.init()?;
    // Where SCRAM is bound to the channel, nobody is in between, whatever certificates say.
    let connection = format!("{} channel_binding=require", tls.trusted_connection());
    site.connect(&connection)?;
    let bindir = tls.programs()?;
    let dumped = site.run(&["dump", "shop", "--bindir", &bindir])?.ok()?;
    assert!(!dumped.report().contains("sslmode"), "{}", dumped.report());
    let after_dump = encrypted(&tls, "shop", 5)?;

    let again = ["dump", "restore", "latest", "--into", &connection, "--database", "shop=again", "--bindir", &bindir];
    let restored = site.run_with_identity(&again)?.ok()?;
    assert_eq!(content_of(&tls.server, "again")?, content_of(&tls.server, "shop")?);
    assert!(encrypted(&tls, "pgcairn_", 5)? > after_dump);
    for run in [dumped, restored] {
        assert!(!run.report().contains(PASSWORD), "{}", run.report());
    }
    Ok(())
}

/// How many sessions there were; all of them are encrypted, and at least `least` of a database of such a name.
fn encrypted(tls: &TlsServer, database: &str, least: usize) -> Outcome<usize> {
    let sessions = tls.sessions();
    let open: Vec<&String> = sessions.iter().filter(|line| !line.contains("SSL enabled")).collect();
    assert!(open.is_empty(), "{open:#?}");
    let of = sessions.iter().filter(|line| line.contains(&format!("database={database}"))).count();
    assert!(of >= least, "{of} of {database}: {sessions:#?}");
    Ok(sessions.len())
}

/// A service, a certificate of the client, a URL, the first of two servers away, and this machine by its address.
pub fn ways_in(install: &'static Installation) -> Outcome {
    let tls = TlsServer::start(install)?;
    let mut site = Site::new(&tls.server)?;
    site.init()?;
    let bindir = tls.programs()?;
    let mut dump = |connection: &str, variables: &[(&str, &str)]| -> Outcome<Run> {
        site.connect(connection)?;
        let mut command = site.command(&["dump", "--bindir", &bindir]);
        Run::of(command.envs(variables.iter().copied()))
    };
    let (authority, passwords) = (tls.authority.certificate(), tls.passwords());
    let (authority, passwords) = (authority.display().to_string(), passwords.display().to_string());

    let services = tls.file("services").display().to_string();
    let lines = tls.trusted_connection().replace(' ', "\n");
    account().write(tls.file("services").as_path(), format!("[live]\n{lines}\n"), 0o644)?;
    dump("service=live", &[("PGSERVICEFILE", &services)])?.ok()?;
    dump("application_name=x", &[("PGSERVICEFILE", &services), ("PGSERVICE", "live")])?.ok()?;
    // A string that names its server is not led elsewhere.
    let elsewhere = [("PGSERVICEFILE", services.as_str()), ("PGSERVICE", "live"), ("PGHOST", NAME)];
    dump("host=/nowhere", &elsewhere)?.status_is(7)?;

    let how = [("PGSSLROOTCERT", authority.as_str()), ("PGPASSFILE", passwords.as_str())];
    let url = format!("postgresql://backup@{NAME}:5432/postgres?hostaddr={}", tls.address);
    dump(&url, &how)?.ok()?;
    dump(&url, &[("PGSSLROOTCERT", &authority), ("PGPASSWORD", PASSWORD)])?.ok()?;
    dump(&url, &[("PGSSLROOTCERT", &authority), ("PGPASSWORD", "wrong")])?.status_is(8)?;
    let two = format!("host={NAME},{NAME} hostaddr=127.255.255.254,{} user=backup", tls.address);
    dump(&format!("{two} target_session_attrs=primary"), &how)?.ok()?;
    // As libpq has it, whoever it is.
    dump(&format!("host={} user=backup", tls.address), &how[1..])?.ok()?;
    // libpq's own way to say that a name does not matter.
    let other =
        format!("host=elsewhere.test hostaddr={} user=backup password={PASSWORD} sslmode=verify-ca", tls.address);
    dump(&other, &how[..1])?.ok()?;

    tls.trust(&["local all all trust", "hostssl all all 127.0.0.0/8 cert"])?;
    tls.server.restart()?;
    let own = tls.authority.certify("backup", 30)?;
    let words = format!("sslcert={} sslkey={}", own.certificate.display(), own.key.display());
    dump(&format!("{} sslrootcert={authority} {words}", tls.connection()), &[])?.ok()?;
    encrypted(&tls, "postgres", 20).map(drop)
}
