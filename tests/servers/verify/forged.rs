//! Damage that no digest of an object tells: what is in it is not what was backed up, or was bad already then.

use std::fs;
use std::path::{Path, PathBuf};

use pgcairn::codec::FrameCompressor;
use pgcairn::model::catalog::ObjectLine;
use pgcairn::model::key::Key;
use pgcairn::model::sha256::Sha256Sum;
use serde_json::{Value, json};
use zstd::zstd_safe::find_frame_compressed_size;

use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Site;
use crate::support::{Outcome, damage, marker};

fn server(install: &'static Installation) -> Outcome<Server> {
    let server = Server::builder(install).segment_mib(1).setting("archive_mode", "on").start()?;
    server.sql("create table t as select generate_series(1, 100000) as n")?;
    Ok(server)
}

fn verified(site: &Site, status: i32, words: &[&str]) -> Outcome<Value> {
    let run = site.run_with_identity(&[&["verify", "--json"], words].concat())?.status_is(status)?;
    Ok(run.json()?["repositories"][0].clone())
}

fn compressed(content: &[u8]) -> Outcome<Vec<u8>> {
    let mut compressed = Vec::new();
    FrameCompressor::new(3)?.compress(content, &mut compressed)?;
    Ok(compressed)
}

/// Makes the list of objects, and the commit marker, say that the object is as it is now.
fn vouch(site: &Site, object: &Path) -> Outcome {
    let bytes = fs::read(object)?;
    let key = Key::new(object.strip_prefix(site.repository())?.to_string_lossy())?;
    let list = site.object("/objects/")?;
    let (mut text, mut before) = (Vec::new(), 0);
    for line in zstd::decode_all(fs::File::open(&list)?)?.split_inclusive(|byte| *byte == b'\n') {
        let mut line: ObjectLine = serde_json::from_slice(line)?;
        if line.key == key {
            (before, line.size, line.sha256) = (line.size, bytes.len() as u64, Sha256Sum::of(&bytes));
        }
        serde_json::to_writer(&mut text, &line)?;
        text.push(b'\n');
    }
    let old = fs::metadata(&list)?.len();
    let written = compressed(&text)?;
    damage::replace(&list, &written)?;
    marker::edit(site, &site.object("/backups/")?, |summary| {
        (summary.objects.size, summary.objects.sha256) = (written.len() as u64, Sha256Sum::of(&written));
        summary.totals.stored_bytes += bytes.len() as u64 + written.len() as u64;
        summary.totals.stored_bytes -= before + old;
    })
}

/// Where the frames of an object without encryption begin, behind its envelope.
fn body(bytes: &[u8]) -> usize {
    8 + bytes[4..8].iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte))
}

/// A copy that signs as the host does.
fn signing_fork(site: &Site) -> Outcome<Site> {
    let fork = site.fork()?;
    account().write(&fork.signing_key(), fs::read(site.signing_key())?, 0o600)?;
    Ok(fork)
}

/// Lengths of its first two.
fn frames(bytes: &[u8]) -> Option<(usize, usize)> {
    let rest = &bytes[body(bytes)..];
    let first = find_frame_compressed_size(rest).ok()?;
    Some((first, find_frame_compressed_size(&rest[first..]).ok()?))
}

/// Signed by the host itself, and wrong all the same: without the key's view nobody sees it.
pub fn forged(install: &'static Installation) -> Outcome {
    let server = server(install)?;
    let site = Site::unencrypted(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    site.run(&["backup"])?.ok()?;
    assert_eq!(verified(&site, 0, &[])?["proof"], "content", "nothing is encrypted");

    let fork = signing_fork(&site)?;
    let digests = fork.objects("/digests/")?.remove(0);
    damage::edit(&digests, |bytes| {
        let at = body(bytes);
        let mut content = zstd::decode_all(&bytes[at..]).unwrap_or_default();
        let last = content.len() - 1;
        content[last] ^= 1;
        bytes.truncate(at);
        bytes.extend(compressed(&content).unwrap_or_default());
    })?;
    vouch(&fork, &digests)?;
    verified(&fork, 0, &["--keyless"])?;
    let found = verified(&fork, 10, &[])?;
    let reason = found["damaged"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains(": bytes ") && reason.contains("are not what was backed up"), "{found}");
    assert_eq!(found["damaged"].as_array().map(Vec::len), Some(1), "{found}");

    // Two frames of a pack, each in the place of the other.
    let fork = signing_fork(&site)?;
    let several =
        |path: &PathBuf| fs::read(path).is_ok_and(|bytes| frames(&bytes).is_some_and(|(_, second)| second > 0));
    let pack = fork.objects("/packs/")?.into_iter().find(several).ok_or("no pack has two frames")?;
    damage::edit(&pack, |bytes| {
        let (at, (first, second)) = (body(bytes), frames(bytes).unwrap_or_default());
        bytes[at..at + first + second].rotate_left(first);
    })?;
    vouch(&fork, &pack)?;
    verified(&fork, 0, &["--keyless"])?;
    let found = verified(&fork, 10, &[])?;
    assert!(pack.to_string_lossy().ends_with(found["damaged"][0]["object"].as_str().unwrap_or("?")), "{found}");

    // The commit marker tells of another cluster than the control file.
    let fork = signing_fork(&site)?;
    let path = fork.object("/backups/")?;
    marker::edit(&fork, &path, |summary| summary.totals.files += 1)?;
    verified(&fork, 0, &["--keyless"])?;
    let found = verified(&fork, 10, &[])?;
    assert!(found["damaged"][0]["reason"].as_str().is_some_and(|reason| reason.contains("the manifest of")), "{found}");
    // It is not forgotten for what was found sound beside it.
    assert_eq!(verified(&fork, 10, &[])?["damaged"], found["damaged"]);
    Ok(())
}

/// A page that was bad in the database is told from damage, and one that nobody has told of is named.
pub fn pages(install: &'static Installation) -> Outcome {
    let server = server(install)?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    let file = server.value("select pg_relation_filepath('t')")?;
    server.sql("checkpoint")?;
    server.stop(Shutdown::Fast)?;
    damage::flip_bit(&server.data().join(&file), 2 * 8192 + 4096)?;
    server.start()?;
    let made = site.run(&["backup", "--json"])?.status_is(3)?.result()?;
    let known = verified(&site, 0, &[])?;
    assert_eq!((&known["known_bad_pages"], &known["bad_pages"]), (&1.into(), &json!([])), "{known}");
    let path = site.object("/backups/")?;
    marker::edit(&site, &path, |summary| summary.flagged = Default::default())?;
    assert_eq!(verified(&site, 0, &["--keyless"])?["known_bad_pages"], 0);
    let found = verified(&site, 10, &[])?;
    assert_eq!(found["bad_pages"], json!([{"backup": made["id"], "path": file, "block": 2}]), "{found}");
    assert_eq!((&found["damaged"], &found["backup_proofs"][0]["sound"]), (&json!([]), &false.into()), "{found}");
    let said = site.run_with_identity(&["verify"])?.status_is(10)?;
    said.says(&["BAD PAGE", &format!("{file} block 2"), "pg_amcheck --all"]).map(drop)
}
