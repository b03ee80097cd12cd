//! Signing keys that are no use, backups that nobody trusted has signed, and objects that others were put in place of.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use pgcairn::codec::{FrameCompressor, FrameReader};
use pgcairn::model::catalog::{ObjectLine, ObjectsDigest, format_commit_marker};
use pgcairn::model::sha256::Sha256Sum;

use super::super::signed::seal_again;
use super::super::support::account::{account, is_root};
use super::super::support::majors::Installation;
use super::super::support::server::{Shutdown, run};
use super::super::support::site::{Run, Site, binary};
use super::super::support::{Outcome, damage, marker, summary};
use super::{Document, backed_up, follow_pgcairn, plan, proposed};

pub fn refusals(install: &'static Installation) -> Outcome {
    let mut document = Document::new();
    let (server, site) = backed_up(install)?;
    keys(&mut document, &site)?;
    server.archive_all()?;
    // Archiving goes to the first site: `check` of another one would wait for a segment.
    server.stop(Shutdown::Fast)?;
    missing(&mut document, &site)?;
    places(&mut document, install, &site)?;
    trust(&mut document, &site)?;
    exchanged(&mut document, &site)?;
    document.end()
}

/// A key that cannot be used is found before the server is asked for a backup.
fn keys(document: &mut Document, site: &Site) -> Outcome {
    let (file, key) = (site.signing_key(), fs::read(site.signing_key())?);
    account().write(&file, &key, 0o644)?;
    document.refuses("a signing key that everybody may read", site, &["backup"])?;
    account().write(&file, &key[..key.len() / 2], 0o600)?;
    document.refuses("a signing key that is none", site, &["backup"])?;
    chmod(&file, "0000")?;
    document.refuses("a signing key that may not be read", site, &["backup"])?;
    document.refuses("a drill by a user who may not read the signing key", site, &["drill"])?;
    chmod(&file, "0600")?;
    account().write(&file, &key, 0o600)?;
    // A disk that is nearly full is a warning.
    site.run(&["check"])?.status_in(0..=3).map(drop)
}

/// One that is configured must be there; without one nothing is signed, and `check` says so.
fn missing(document: &mut Document, site: &Site) -> Outcome {
    let mut fork = site.fork()?;
    let check = fork.run(&["check", "--json"])?;
    document.found("no signing key", &fork, &check, "signing key")?;
    let elsewhere = fork.path("keys/signing.pem");
    fork.configure(&format!("[signing]\nkey = {{ file = {:?} }}\n", elsewhere.display().to_string()))?;
    document.refuses("a signing key that is not there", &fork, &["backup"])?;
    let init = fork.run(&["init", "--json"])?;
    document.found("a signing key in no directory", &fork, &init, "signing key")?;
    account().make_dir(&fork.path("keys"))?;
    fork.init()?;
    assert_eq!(elsewhere.metadata()?.permissions().mode() & 0o777, 0o600);
    Ok(())
}

/// Where the owner may not write, root makes the key for him.
fn places(document: &mut Document, install: &Installation, site: &Site) -> Outcome {
    let fork = site.fork()?;
    chmod(&fork.path(""), "0500")?;
    let init = fork.run(&["init", "--json"])?;
    document.found("init where the key may not be made", &fork, &init, "signing key")?;
    if is_root() {
        Run::of(Command::new(binary()).arg("-c").arg(fork.config()).arg("init"))?.ok()?;
        let owner = |path: &Path| run(Command::new("/usr/bin/stat").args(["-c", "%U %a"]).arg(path));
        assert_eq!(owner(&fork.signing_key())?, owner(&fork.identity())?, "as the identity: of the owner, 0600");
        fork.run(&["check"])?.says(&[&fork.public_key()?])?;
    } else {
        summary::left_out(install.major, "refusals::signed by root", "this is not root");
    }
    chmod(&fork.path(""), "0700")
}

fn trust(document: &mut Document, site: &Site) -> Outcome {
    let latest = ["--backup", "latest"];
    let (ours, fork) = (site.public_key()?, site.fork()?);
    let stranger = "ed25519:r8eKCBr4ktyzHX7mbVgNXVquoRj86FpuoKYMNwuB9u8=";
    let hint =
        document.restore("a key signed that nobody trusts", &fork, &["--backup", "latest", "--trusted", stranger])?;
    assert_eq!(proposed(&hint, "--trusted")?, ours);
    plan(&fork, &["--backup", "latest", "--trusted", stranger, "--trusted", proposed(&hint, "--trusted")?])?;

    let marker = fork.objects("/backups/")?.pop().ok_or("no backup")?;
    damage::edit(&marker, |bytes| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let at = text.rfind("\"signature\":").unwrap_or(text.len());
        *bytes = format!("{}\"signature\":null}}\n", &text[..at]).into_bytes();
    })?;
    let trusting = [&latest[..], &["--trusted", &ours]].concat();
    let hint = document.restore("nobody signed, and keys are trusted", &fork, &trusting)?;
    follow_pgcairn(&hint[..hint.find("; or").unwrap_or(hint.len())])?;
    assert!(hint.ends_with("--accept-unsigned"), "{hint}");
    plan(&fork, &[&trusting[..], &["--accept-unsigned"]].concat())?;

    let wrong = site.fork()?;
    let marker = wrong.objects("/backups/")?.pop().ok_or("no backup")?;
    damage::edit(&marker, |bytes| {
        let text = String::from_utf8_lossy(bytes).replacen(&ours, stranger, 1);
        *bytes = text.into_bytes();
    })?;
    follow_pgcairn(&document.restore("a wrong signature", &wrong, &latest)?).map(drop)
}

/// Another object in the place of a listed one: it opens, has the right name and size, and is not the one.
fn exchanged(document: &mut Document, site: &Site) -> Outcome {
    let fork = site.fork()?;
    let pack = fork.objects("/packs/")?.pop().ok_or("no pack")?;
    seal_again(&fork, &pack)?;
    document.restore("an object was exchanged", &fork, &["--backup", "latest"])?;
    let fork = site.fork()?;
    forget_a_pack(&fork)?;
    document.restore("a pack that is not in the list", &fork, &["--backup", "latest"])?;
    Ok(())
}

/// Marker and list agree with each other; a manifest names more than they do.
fn forget_a_pack(site: &Site) -> Outcome {
    let path = site.objects("/backups/")?.pop().ok_or("no backup")?;
    let mut summary = marker::summary(site, &path)?;
    let list = site.object(&format!("/objects/{}.", summary.id))?;
    let mut text = String::new();
    FrameReader::new(fs::File::open(&list)?)?.read_to_string(&mut text)?;
    let (packs, others): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("/packs/"));
    let forgotten: ObjectLine = serde_json::from_str(packs.last().ok_or("no pack")?)?;
    let kept = others.iter().chain(&packs[..packs.len() - 1]).map(|line| format!("{line}\n")).collect::<String>();
    let mut content = Vec::new();
    FrameCompressor::new(3)?.compress(kept.as_bytes(), &mut content)?;
    summary.totals.packs -= 1;
    summary.totals.stored_bytes -= forgotten.size + summary.objects.size;
    summary.objects = ObjectsDigest { size: content.len() as u64, sha256: Sha256Sum::of(&content) };
    summary.totals.stored_bytes += summary.objects.size;
    damage::replace(&list, &content)?;
    damage::replace(&path, &format_commit_marker(&summary, None)?)
}

fn chmod(path: &Path, mode: &str) -> Outcome {
    run(account().command("/bin/chmod").arg(mode).arg(path)).map(drop)
}
