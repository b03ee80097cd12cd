//! The live server: not there, not this one, not set up, not permitted.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::super::support::Outcome;
use super::super::support::account::account;
use super::super::support::majors::Installation;
use super::super::support::server::{Server, Shutdown};
use super::super::support::site::Site;
use super::{Document, follow, hint};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let minimal = Server::builder(install).setting("wal_level", "minimal").setting("max_wal_senders", "0");
    let server = minimal.setting("archive_mode", "off").create()?;
    let site = Site::new(&server)?;
    site.init()?;
    document.refuses("the server is down", &site, &["backup"])?;
    server.start()?;
    settings(&mut document, &site, &server)?;
    rights(&mut document, &site, &server)?;
    included(&mut document, &site, &server)?;
    clusters(&mut document, &site, &server)?;
    archiving(&mut document, &site, &server)?;
    document.end()
}

/// Each refusal's hint leads to the next one.
fn settings(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    for when in ["wal_level is minimal", "archive_mode is off", "archive_command is empty"] {
        let refused = hint(&document.refuses(when, site, &["backup"])?)?;
        let restart = refused.strip_suffix(", then restart the server");
        follow(server, restart.unwrap_or(&refused))?;
        if restart.is_some() {
            server.restart()?;
        }
    }
    for (when, name, value) in [
        ("archive_command keeps nothing", "archive_command", "/bin/true"),
        ("archive_command names no file", "archive_command", "pgcairn wal push"),
        ("archive_library is set", "archive_library", "basic_archive"),
    ] {
        match (name, server.install.major) {
            ("archive_library", ..=14) => continue,
            // Beside an archive_command only 15 takes it.
            ("archive_library", 16..) => drop(server.sql("alter system set archive_command = ''")?),
            _ => {}
        }
        server.sql(&format!("alter system set {name} = '{value}'"))?;
        server.reload()?;
        document.refuses(when, site, &["backup"])?;
    }
    server.sql("alter system reset all")?;
    server.sql("alter system set wal_level = 'replica'")?;
    server.sql("alter system set archive_mode = 'on'")?;
    site.archive_from(server)?;
    server.restart()?;
    site.run(&["backup"])?.ok().map(drop)
}

fn rights(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    server.sql("create role backup login")?;
    let mut weak = site.fork()?;
    weak.connect_as("user=backup dbname=postgres")?;
    let refused = match server.install.major {
        // Its functions have other names than the document's.
        14 => weak.run(&["backup", "--json"])?.status_is(8)?,
        _ => document.refuses("the role lacks rights", &weak, &["backup"])?,
    };
    follow(server, &hint(&refused)?)?;
    weak.archive_from(server)?;
    weak.run(&["backup"])?.ok()?;
    weak.connect_as("user=nobody dbname=postgres")?;
    document.refuses("the server knows no such role", &weak, &["backup"])?;
    weak.connect_as("user=postgres dbname=nowhere")?;
    document.refuses("the server knows no such database", &weak, &["backup"])?;
    Ok(())
}

fn included(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let mut closed = site.fork()?;
    let directory = closed.path("etc/closed");
    for made in [closed.path("etc"), directory.clone()] {
        account().make_dir(&made)?;
    }
    closed.configure(&format!("[backup]\ninclude = [{:?}]\n", closed.path("etc")))?;
    fs::set_permissions(&directory, Permissions::from_mode(0o000))?;
    let refused = document.refuses("a directory under [backup] include may not be read", &closed, &["backup"])?;
    follow(server, &hint(&refused)?)?;
    fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
    closed.archive_from(server)?;
    closed.run(&["backup"])?.ok().map(drop)
}

fn clusters(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    let other = Server::builder(server.install).create()?;
    let mut confused = site.fork()?;
    confused.point_at(&other)?;
    confused.connect_to(server)?;
    document.refuses("data_dir is another cluster's", &confused, &["backup"])?;
    let empty = site.fork()?;
    account().make_dir(&empty.path("empty"))?;
    let mut empty = empty;
    empty.set_data(&empty.path("empty"))?;
    document.refuses("data_dir is no data directory", &empty, &["backup"])?;
    Ok(())
}

fn archiving(document: &mut Document, site: &Site, server: &Server) -> Outcome {
    server.append_setting("archive_command", "'exit 1 %p'")?;
    server.reload()?;
    document.refuses("WAL does not arrive", site, &["wal", "flush", "--timeout", "2s"])?;
    site.archive_from(server)?;
    site.run(&["wal", "flush"])?.ok()?;
    server.stop(Shutdown::Fast)?;
    account().write(&server.data().join("standby.signal"), "", 0o600)?;
    server.start()?;
    document.refuses("wal flush on a standby", site, &["wal", "flush"])?;
    server.stop(Shutdown::Fast)
}
