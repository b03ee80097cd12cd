//! `wal fetch`: of objects that are not what they say, into places that take nothing, and out of the WAL that a
//! restore has laid beside the data.

use std::fs;
use std::path::PathBuf;

use pgcairn::model::key::Kind;

use super::super::support::majors::Installation;
use super::super::support::server::Shutdown;
use super::super::support::site::Site;
use super::super::support::{Outcome, account::account, damage};
use super::edited::forge;
use super::{Document, backed_up, make_unreadable, plan, proposed, restored};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    let last = server.archive_all()?;
    server.stop(Shutdown::Fast)?;
    objects(&mut document, &site, &last)?;
    places(&mut document, &site, &last)?;
    beside_the_data(&mut document, &site)?;
    document.end()
}

fn objects(document: &mut Document, site: &Site, last: &str) -> Outcome {
    let to = site.path("RECOVERYXLOG").display().to_string();
    let arguments = ["wal", "fetch", last, &to];
    let key = format!("wal/00000001/00000000/{last}");
    let unreadable = site.fork()?;
    make_unreadable(&unreadable.object(&format!("{last}.zst"))?)?;
    document.refuses_with_identity("wal fetch of an object that cannot be read", &unreadable, &arguments)?;

    // No key is needed to put something else in a segment's place: the recipient is public.
    let forged = site.fork()?;
    forge(&forged, &key, Kind::Wal, &[7; 8192], |facts| facts.system_identifier = 7_461_093_382_717_234_431)?;
    document.refuses_with_identity("wal fetch of WAL of another cluster", &forged, &arguments)?;
    forge(&forged, &key, Kind::Wal, &[7; 8192], |facts| facts.length = 4096)?;
    document.refuses_with_identity("wal fetch of what its envelope does not describe", &forged, &arguments)?;
    forge(&forged, &key, Kind::Pack, b"no WAL", |_| ())?;
    document.refuses_with_identity("wal fetch of an object that is no WAL", &forged, &arguments)?;
    forge(&forged, &key, Kind::Wal, &[7; 8192], |_| ())?;
    // What every hint above tells to do: it is refused, and names the last moment.
    let hint = document.restore("a segment in the repository has another size", &forged, &["--to", "latest"])?;
    plan(&forged, &["--to-lsn", proposed(&hint, "--to-lsn ")?])?;

    let newer = site.fork()?;
    damage::edit(&newer.object(&format!("{last}.zst"))?, |bytes| {
        let at = bytes.windows(12).position(|part| part == b"-> pgcairn 1").unwrap_or_default();
        bytes[at + 11] = b'2';
    })?;
    document.refuses_with_identity("wal fetch of an object of a newer format", &newer, &arguments)?;
    Ok(())
}

fn places(document: &mut Document, site: &Site, last: &str) -> Outcome {
    let nowhere = site.path("nowhere").join("RECOVERYXLOG").display().to_string();
    let arguments = ["wal", "fetch", last, &nowhere];
    document.refuses_with_identity("wal fetch into a directory that is not there", site, &arguments)?;
    Ok(())
}

/// `--from`: neither key nor repository.
fn beside_the_data(document: &mut Document, site: &Site) -> Outcome {
    restored(site, &["--to", "latest"])?;
    let wal = site.path("new/pgcairn_wal");
    let segment = first_segment(&wal)?;
    let name = segment.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (from, to) = (wal.display().to_string(), site.path("RECOVERYXLOG").display().to_string());
    let arguments = ["wal", "fetch", "--from", &from, &name, &to];
    site.run(&arguments)?.ok()?;
    let original = fs::read(&segment)?;
    damage::flip_bit(&segment, 5000)?;
    document.refuses("wal fetch --from: a file was changed", site, &arguments)?;
    fs::remove_file(&segment)?;
    document.refuses("wal fetch --from: a file is gone", site, &arguments)?;
    account().write(&segment, &original, 0o600)?;
    account().write(&wal.join("0000000100000000000000AB"), &original, 0o600)?;
    let unknown = ["wal", "fetch", "--from", &from, "0000000100000000000000AB", &to];
    document.refuses("wal fetch --from: a file is not in the index", site, &unknown)?;
    fs::remove_file(wal.join("index.json"))?;
    document.refuses("wal fetch --from: there is no index", site, &arguments)?;

    let again = site.path("again").display().to_string();
    site.run_with_identity(&["restore", "--target-dir", &again, "--to", "latest"])?.ok()?;
    let from = format!("{again}/pgcairn_wal");
    site.run(&["wal", "fetch", "--from", &from, &name, &to])?.ok().map(drop)
}

fn first_segment(directory: &std::path::Path) -> Outcome<PathBuf> {
    let entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<PathBuf> =
        entries.iter().map(|entry| entry.path()).filter(|p| p.extension().is_none()).collect();
    paths.sort();
    paths.into_iter().next().ok_or_else(|| "no segment lies beside the data".into())
}
