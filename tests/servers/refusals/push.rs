//! `wal push`, `wal fetch`: what is not archived, and what is not delivered.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::super::support::account::account;
use super::super::support::majors::Installation;
use super::super::support::server::{Server, Shutdown, run};
use super::super::support::site::{Run, Site};
use super::super::support::{Outcome, damage};
use super::{Document, follow_pgcairn, hint};

/// An offset in the first record of a segment.
const FIRST_RECORD: usize = 100;

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    let segment = server.switch_segment()?;
    server.stop(Shutdown::Fast)?;
    not_ours(&mut document, &site, &server, &segment)?;
    let path = server.data().join("pg_wal").join(&segment);
    push(&site, &path)?.ok()?;
    other_content(&mut document, &site, &path)?;
    fetch(&mut document, &site, &segment)?;
    fetch_that_would_end_short(&mut document, &site, &path)?;
    document.end()
}

fn push(site: &Site, path: &std::path::Path) -> Outcome<Run> {
    site.run(&["wal", "push", &path.display().to_string(), "--json"])
}

/// A copy of a segment, changed.
fn changed(from: &std::path::Path, to: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) -> Outcome<PathBuf> {
    let mut bytes = fs::read(from)?;
    change(&mut bytes);
    account().write(to, bytes, 0o600)?;
    Ok(to.to_owned())
}

fn not_ours(document: &mut Document, site: &Site, server: &Server, segment: &str) -> Outcome {
    let wal = server.data().join("pg_wal");
    let outside = changed(&wal.join(segment), &site.path(segment), |_| ())?;
    document.compare("a file outside of the configured pg_wal", site, push(site, &outside)?)?;
    let name = changed(&wal.join(segment), &wal.join("xlogtemp.1"), |_| ())?;
    document.compare("a file whose name is not WAL", site, push(site, &name)?)?;
    document.compare("a WAL file that is not there", site, push(site, &wal.join("0000000100000000000000AA"))?)?;

    let next = wal.join("0000000100000000000000BB");
    changed(&wal.join(segment), &next, |bytes| bytes.truncate(1 << 20))?;
    document.compare("a segment of the wrong size", site, push(site, &next)?)?;
    changed(&wal.join(segment), &next, |_| ())?;
    document.compare("a segment of another place", site, push(site, &next)?)?;
    // The system identifier lies behind the short page header of 24 bytes.
    changed(&wal.join(segment), &next, |bytes| bytes[24] ^= 1)?;
    fs::rename(&next, wal.join("0000000100000000000000CC"))?;
    let foreign = wal.join(segment);
    let original = fs::read(&foreign)?;
    damage::edit(&foreign, |bytes| bytes[24] ^= 1)?;
    document.compare("a segment of another cluster", site, push(site, &foreign)?)?;
    damage::replace(&foreign, &original)?;
    let history = wal.join("00000002.history");
    account().write(&history, "nonsense\n", 0o600)?;
    document.compare("a history file that is none", site, push(site, &history)?)?;
    account().write(&history, "", 0o600)?;
    document.compare("a history file that is empty", site, push(site, &history)?)?;
    for name in ["xlogtemp.1", "0000000100000000000000CC", "00000002.history"] {
        fs::remove_file(wal.join(name))?;
    }
    no_file(document, site, server, segment)
}

/// Names and files that no server of this cluster makes.
fn no_file(document: &mut Document, site: &Site, server: &Server, segment: &str) -> Outcome {
    let wal = server.data().join("pg_wal");
    let beyond = wal.join("0000000100000000000001FF");
    changed(&wal.join(segment), &beyond, |_| ())?;
    document.compare("a name that no segment of this size has", site, push(site, &beyond)?)?;
    fs::remove_file(&beyond)?;
    let next = wal.join("0000000100000000000000BB");
    account().make_dir(&next)?;
    document.compare("a directory under the name of a segment", site, push(site, &next)?)?;
    fs::remove_dir(&next)?;
    changed(&wal.join(segment), &next, |_| ())?;
    fs::set_permissions(&next, fs::Permissions::from_mode(0o000))?;
    document.compare("a WAL file that may not be read", site, push(site, &next)?)?;
    Ok(fs::remove_file(next)?)
}

fn other_content(document: &mut Document, site: &Site, path: &std::path::Path) -> Outcome {
    let original = fs::read(path)?;
    // The end of a segment after a switch is zero and belongs to no record.
    damage::edit(path, |bytes| *bytes.last_mut().unwrap() = 1)?;
    document.compare("the segment is archived with other content", site, push(site, path)?)?;
    damage::replace(path, &original)?;
    push(site, path)?.ok()?;
    let cut = site.fork()?;
    let object = cut.object(&path.file_name().unwrap().to_string_lossy())?;
    damage::edit(&object, |bytes| bytes.truncate(bytes.len() - 1))?;
    document.compare("the segment is archived, but cut short", &cut, push(&cut, path)?)?;
    damage::edit(&object, |bytes| bytes[..8].fill(0))?;
    document.compare("the segment is archived, but its header is damaged", &cut, push(&cut, path)?)?;
    document.refuses("wal list where every segment is damaged", &cut, &["wal", "list"])?;
    fs::remove_file(&object)?;
    push(&cut, path)?.ok().map(drop)
}

fn fetch(document: &mut Document, site: &Site, segment: &str) -> Outcome {
    let to = site.path("RECOVERYXLOG").display().to_string();
    let arguments = ["wal", "fetch", segment, &to];
    document.refuses("wal fetch without an identity", site, &arguments)?;
    site.run_with_identity(&arguments)?.ok()?;
    let flipped = site.fork()?;
    damage::edit(&flipped.object(segment)?, |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    })?;
    document.refuses_with_identity("wal fetch of a damaged segment", &flipped, &arguments)?;
    let swapped = site.fork()?;
    let object = swapped.object(segment)?;
    let other = object.with_file_name("000000010000000000000077.zst.age");
    run(account().command("/bin/mv").arg(&object).arg(&other))?;
    let arguments = ["wal", "fetch", "000000010000000000000077", &to];
    document.refuses_with_identity("wal fetch of another object under this name", &swapped, &arguments)?;
    let gone = site.fork()?;
    fs::remove_file(gone.object("pgcairn.json")?)?;
    let arguments = ["wal", "fetch", "000000010000000000000078", &to];
    document.refuses_with_identity("wal fetch from a repository that lost its marker", &gone, &arguments)?;
    Ok(())
}

/// PostgreSQL would take the answer for the end of the archive.
fn fetch_that_would_end_short(document: &mut Document, site: &Site, path: &std::path::Path) -> Outcome {
    let to = site.path("RECOVERYXLOG").display().to_string();
    let arguments = ["wal", "fetch", "000000010000000000000000", &to];
    let refused =
        document.refuses_with_identity("wal fetch of a segment that is missing in the middle", site, &arguments)?;
    follow_pgcairn(&hint(&refused)?)?;

    let name = path.file_name().unwrap().to_string_lossy();
    let mut other = site.command(&["wal", "fetch", "--cluster", "other", &name, &to, "--json"]);
    other.env("PGCAIRN_IDENTITY", site.identity()).current_dir(site.data());
    document.compare("wal fetch under a name that nothing was archived under", site, Run::of(&mut other)?)?;

    let broken = site.fork()?;
    fs::remove_file(broken.object(&name)?)?;
    let original = fs::read(path)?;
    damage::flip_bit(path, FIRST_RECORD)?;
    push(&broken, path)?.ok()?;
    damage::replace(path, &original)?;
    let arguments = ["wal", "fetch", &name, &to];
    document.refuses_with_identity(
        "wal fetch of a segment that was broken when it was archived",
        &broken,
        &arguments,
    )?;
    Ok(())
}
