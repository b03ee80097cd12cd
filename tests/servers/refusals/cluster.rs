//! A configured data directory that is not the one of the connected server, and rights that only the way shows.

use std::fs;

use super::super::support::Outcome;
use super::super::support::account::account;
use super::super::support::majors::Installation;
use super::super::support::server::{Server, run};
use super::super::support::site::Site;
use super::{Document, archiving, follow, hint};

const CONTROL_FILE: &str = "global/pg_control";

/// Bytes of pg_control where the server looks for its version and that of its catalogs.
const VERSION_AT: usize = 8;
const CATALOG_AT: usize = 12;
/// Of 16, whose pg_control has the form of 15's.
const CATALOG_16: u32 = 202_307_071;

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = archiving(install)?;
    server.sql("checkpoint")?;
    let mut copied = site.fork()?;
    let copy = copied.path("copy");
    run(account().command("/bin/cp").arg("-a").arg(server.data()).arg(&copy))?;
    copied.set_data(&copy)?;

    let whole = fs::read(copy.join(CONTROL_FILE))?;
    let put = |bytes: &[u8]| account().write(&copy.join(CONTROL_FILE), bytes, 0o600);
    if let Some(other) = of_other_major(&whole).filter(|_| install.major == 15) {
        put(&other)?;
        let mut run = copied.run(&["backup", "--json"])?;
        let minor = install.version.split(' ').next().unwrap_or_default();
        run.stdout = run.stdout.replace(minor, "15.14");
        document.compare("data_dir is of another major", &copied, run)?;
    }
    put(&with(&whole, VERSION_AT, 1201))?;
    document.refuses("pg_control is of an unknown version", &copied, &["backup"])?;
    put(&with(&whole, 100, 0x6767_6767))?;
    let refused = document.refuses("pg_control is damaged", &copied, &["backup"])?;
    follow(&server, &hint(&refused)?)?;
    put(&whole[..100])?;
    document.refuses("pg_control is cut short", &copied, &["backup"])?;
    put(&whole)?;

    server.sql("create table t as select 1 as n")?;
    server.sql("checkpoint")?;
    document.refuses("data_dir is a copy", &copied, &["backup"])?;
    copied.set_data(&copied.path("nowhere"))?;
    document.refuses("the data directory is not there", &copied, &["backup"])?;
    copied.set_data(server.data())?;
    copied.archive_from(&server)?;
    copied.run(&["backup"])?.ok()?;

    configuration(&mut document, &site)?;
    rights(&mut document, &site, &server)?;
    document.end()
}

fn with(whole: &[u8], at: usize, value: u32) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    bytes
}

/// The same with the other major's catalog version and the checksum that follows.
fn of_other_major(whole: &[u8]) -> Option<Vec<u8>> {
    let is_checksum = |at: &usize| whole[*at..at + 4] == crc32c::crc32c(&whole[..*at]).to_le_bytes();
    let at = (0..whole.len() - 4).find(is_checksum)?;
    let other = with(whole, CATALOG_AT, CATALOG_16);
    let checksum = crc32c::crc32c(&other[..at]);
    Some(with(&other, at, checksum))
}

/// The configuration of pgcairn, closed to the one who reads it.
fn configuration(document: &mut Document, site: &Site) -> Outcome {
    let chmod = |mode: &str| run(account().command("/bin/chmod").arg(mode).arg(site.config()));
    chmod("0000")?;
    document.refuses("the configuration may not be read", site, &["config", "check"])?;
    chmod("0644")?;
    let closed = site.path("closed");
    account().make_dir(&closed)?;
    run(account().command("/bin/chmod").arg("0500").arg(&closed))?;
    let into = |name: &str| closed.join(name).display().to_string();
    let keys = ["key", "generate", "--output", &into("key.txt")];
    document.refuses("the identity's directory may not be written", site, &keys)?;
    let pages = ["man", "--output", &into("man1")];
    document.refuses("manual pages into a closed directory", site, &pages).map(drop)
}

/// A function that everybody may call, unless somebody has thought otherwise.
fn rights(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    server.sql("create role backup login")?;
    server.sql("grant pg_read_all_settings to backup")?;
    let pair = if server.install.major >= 15 {
        ["pg_backup_start(text, boolean)", "pg_backup_stop(boolean)"]
    } else {
        ["pg_start_backup(text, boolean, boolean)", "pg_stop_backup(boolean, boolean)"]
    };
    for function in pair.iter().chain(&["pg_create_restore_point(text)", "pg_switch_wal()"]) {
        server.sql(&format!("grant execute on function {function} to backup"))?;
    }
    server.sql("revoke execute on function pg_control_checkpoint() from public")?;
    let mut weak = site.fork()?;
    weak.connect_as("user=backup dbname=postgres")?;
    document.refuses("the role lacks a right that is everybody's", &weak, &["backup"])?;
    server.sql("grant execute on function pg_control_checkpoint() to backup")?;
    weak.archive_from(server)?;
    weak.run(&["backup"])?.ok().map(drop)
}
