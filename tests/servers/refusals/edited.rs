//! A backup that is not what it was: its plaintext says something else, objects are lost or cut, others were put in
//! their place.

use std::fs;
use std::io::Write;

use pgcairn::codec::{FrameCompressor, Sealer, parse_recipient};
use pgcairn::model::catalog::Summary;
use pgcairn::model::envelope::{Envelope, WalFacts};
use pgcairn::model::key::{Key, Kind};
use pgcairn::model::sha256::Sha256Sum;

use super::super::support::majors::Installation;
use super::super::support::server::Shutdown;
use super::super::support::site::Site;
use super::super::support::{Outcome, damage, marker};
use super::{Document, backed_up, follow_pgcairn, hint, make_unreadable};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    server.archive_all()?;
    server.stop(Shutdown::Fast)?;
    markers(&mut document, &site)?;
    nothing_left(&mut document, &site)?;
    lists(&mut document, &site)?;
    machines(&mut document, &site)?;
    contradictions(&mut document, &site)?;
    document.end()
}

/// Replaces the commit marker of the only backup by one that is valid and says something else.
fn edit(site: &Site, change: impl FnOnce(&mut Summary)) -> Outcome {
    marker::edit(site, &site.object("/backups/")?, change)
}

/// Puts an object of our own making under a key, given below the cluster's directory and without suffixes.
pub fn forge(site: &Site, key: &str, kind: Kind, content: &[u8], change: impl FnOnce(&mut WalFacts)) -> Outcome {
    let marker = site.object("/backups/")?;
    let cluster = marker.parent().and_then(|backups| backups.parent()).ok_or("no cluster")?;
    let path = cluster.join(format!("{key}.zst.age"));
    let key = Key::new(path.strip_prefix(site.repository())?.to_string_lossy())?;
    let mut compressed = Vec::new();
    FrameCompressor::new(3)?.compress(content, &mut compressed)?;
    let mut facts = WalFacts {
        sha256: Sha256Sum::of(content),
        length: content.len() as u64,
        compressed: compressed.len() as u64,
        system_identifier: cluster.file_name().unwrap_or_default().to_string_lossy().parse()?,
        first_commit: None,
        last_commit: None,
        invalid_from: None,
    };
    change(&mut facts);
    let envelope = if kind.is_wal() { Envelope::wal(key, kind, facts) } else { Envelope::new(key, kind) };
    let recipient = parse_recipient(site.recipient.as_deref().unwrap_or_default())?;
    let mut sealed = Sealer::new(vec![recipient])?.seal(&envelope, Vec::new())?;
    sealed.write_all(&compressed)?;
    damage::replace(&path, &sealed.finish()?)
}

/// `show` of a marker that is no use; `list` names it and goes on.
fn markers(document: &mut Document, site: &Site) -> Outcome {
    let fork = site.fork()?;
    let path = fork.object("/backups/")?;
    let original = fs::read(&path)?;
    let show = ["show", "20"];
    damage::edit(&path, |bytes| bytes.truncate(bytes.len() - 1))?;
    let refused = document.refuses("a commit marker is cut short", &fork, &show)?;
    follow_pgcairn(&hint(&refused)?)?;
    damage::replace(&path, &original)?;
    let text = String::from_utf8_lossy(&original).replacen("\"parts\":", "\"parts\":1", 1);
    damage::replace(&path, text.as_bytes())?;
    document.refuses("a commit marker is damaged", &fork, &show)?;
    damage::replace(&path, &original)?;
    edit(&fork, |summary| summary.minimum_reader = 2)?;
    document.refuses("a backup of a newer format", &fork, &show)?;
    damage::replace(&path, &original)?;
    edit(&fork, |summary| summary.id = "20261120T030000Z-full-7k3f".parse().unwrap_or(summary.id.clone()))?;
    document.refuses("a commit marker of another backup", &fork, &show)?;
    make_unreadable(&path)?;
    // The hint's `check` asks the server, which is down.
    document.refuses("a commit marker cannot be read", &fork, &show)?;
    Ok(())
}

fn nothing_left(document: &mut Document, site: &Site) -> Outcome {
    let fork = site.fork()?;
    fs::remove_file(fork.object("/backups/")?)?;
    let refused = document.refuses("show where there is no backup", &fork, &["show", "latest"])?;
    follow_pgcairn(&hint(&refused)?)?;
    // The hint's last word is `backup`: shown by every other trial.
    document.restore("no backup at all", &fork, &["--to", "latest"])?;
    Ok(())
}

fn lists(document: &mut Document, site: &Site) -> Outcome {
    let latest = ["--backup", "latest"];
    let (missing, damaged, cut) = (site.fork()?, site.fork()?, site.fork()?);
    fs::remove_file(missing.object("/objects/")?)?;
    let hint = document.restore("the list of a backup's objects is missing", &missing, &latest)?;
    follow_pgcairn(&hint)?;
    damage::edit(&damaged.object("/objects/")?, |bytes| bytes.push(0))?;
    document.restore("the list of a backup's objects is damaged", &damaged, &latest)?;
    let pack = cut.objects("/packs/")?.pop().ok_or("no pack")?;
    damage::edit(&pack, |bytes| bytes.truncate(bytes.len() - 1))?;
    document.restore("a pack is cut short", &cut, &latest)?;
    Ok(())
}

fn machines(document: &mut Document, site: &Site) -> Outcome {
    let fork = site.fork()?;
    edit(&fork, |summary| summary.environment.architecture = "riscv64".to_owned())?;
    document.restore("a backup of a machine of another kind", &fork, &["--backup", "latest"])?;
    edit(&fork, |summary| summary.postgresql.version = 200_001)?;
    let hint = document.restore("a backup of a PostgreSQL that is not known", &fork, &["--backup", "latest"])?;
    follow_pgcairn(&hint).map(drop)
}

type Edit = fn(&mut Summary);

/// The commit marker is valid and says something that the rest of the backup does not.
fn contradictions(document: &mut Document, site: &Site) -> Outcome {
    let edits: [(&str, Edit); 7] = [
        ("a commit marker that tells of more files", |summary| summary.totals.files += 1),
        ("a commit marker that tells of more bytes stored", |summary| summary.totals.stored_bytes += 1),
        ("a commit marker that tells of more parts", |summary| summary.parts += 1),
        ("a commit marker with another stop LSN", |summary| summary.stop_lsn = summary.start_lsn),
        ("a commit marker of another catalog version", |summary| summary.postgresql.catalog_version += 1),
        ("a commit marker that says it was a standby", |summary| summary.standby = true),
        ("a commit marker of another page size", |summary| summary.postgresql.block_size = 16_384),
    ];
    for (when, change) in edits {
        let fork = site.fork()?;
        edit(&fork, change)?;
        let hint = document.restore(when, &fork, &["--to", "latest"])?;
        follow_pgcairn(&hint)?;
        assert!(!fork.path("new/global/pg_control").exists(), "{when}: the target can be started");
    }
    Ok(())
}
