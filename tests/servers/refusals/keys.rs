//! What keeps a key from being checked.

use std::path::Path;

use super::super::support::Outcome;
use super::super::support::account::account;
use super::super::support::majors::Installation;
use super::super::support::server::Server;
use super::super::support::site::Site;
use super::{Document, backed_up};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    let (secret, _) = pgcairn::codec::generate_identity();
    let other = site.path("other");
    account().write(&other, age::secrecy::ExposeSecret::expose_secret(&secret), 0o600)?;
    refuses(&mut document, "key check: a key that opens nothing", &site, &other)?;
    let plain = Site::unencrypted(&server)?;
    plain.init()?;
    plain.archive_from(&server)?;
    plain.run(&["backup"])?.ok()?;
    refuses(&mut document, "key check: nothing is encrypted", &plain, &site.identity())?;
    let young = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    let empty = Site::new(&young)?;
    empty.init()?;
    empty.archive_from(&young)?;
    young.archive_all()?;
    refuses(&mut document, "key check: no backup to try it on", &empty, &empty.identity())?;
    document.end()
}

fn refuses(document: &mut Document, when: &str, site: &Site, key: &Path) -> Outcome {
    document.refuses(when, site, &["key", "check", "--identity", &key.display().to_string()]).map(drop)
}
