//! Who vouches for a backup: what each host makes of it, what an attacker can do who has the store and not the key,
//! and where the key must never appear.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pgcairn::codec::{FrameCompressor, FrameReader, Identities, Opener, Sealer, parse_recipient};
use pgcairn::model::catalog::{ObjectsDigest, Summary, format_commit_marker};
use pgcairn::model::key::{BackupId, Key};
use pgcairn::model::sha256::Sha256Sum;
use pgcairn::model::signature::SigningKey;
use serde_json::{Value, json};

use super::support::account::account;
use super::support::majors::Installation;
use super::support::server::{Server, Shutdown};
use super::support::site::{Run, Site};
use super::support::{Outcome, Scenario, damage, marker};

/// Hundreds suffice.
const MOST_TRIES: u32 = 20_000;

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "signed::hosts", run: hosts },
        Scenario { name: "signed::forged", run: forged },
        Scenario { name: "signed::key_stays", run: key_stays },
    ]
}

/// A server that archives, its site, and two backups, the second one later in WAL.
fn backed_up_twice(install: &'static Installation) -> Outcome<(Server, Site)> {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&server)?;
    site.configure("[backup]\njobs = 1\n")?;
    site.init()?;
    site.archive_from(&server)?;
    for n in 1..=2 {
        server.sql(&format!("create table t{n} as select generate_series(1, 1000) as n"))?;
        site.run(&["backup"])?.ok()?;
    }
    Ok((server, site))
}

fn restore(site: &Site, name: &str, more: &[&str]) -> Outcome<Run> {
    let target = site.path(name).display().to_string();
    site.run_with_identity(&[&["restore", "--json", "--target-dir", &target], more].concat())
}

/// What each backup is called, oldest first.
fn states(site: &Site, more: &[&str]) -> Outcome<Vec<Value>> {
    let list = site.run(&[&["list", "--json"], more].concat())?.ok()?.json()?;
    Ok(list["backups"].as_array().into_iter().flatten().map(|row| row["signature"].clone()).collect())
}

/// The host that made it, one that knows its key, one that knows another key, one that knows none.
fn hosts(install: &'static Installation) -> Outcome {
    let (server, site) = backed_up_twice(install)?;
    let ours = site.public_key()?;
    let (pinned, unknown) = (json!({"state": "pinned", "key": ours}), json!({"state": "unknown", "key": ours}));
    let made = site.run(&["init", "--json"])?.ok()?.json()?;
    assert_eq!((&made["public_key"], site.public_key()?), (&json!(ours), ours.clone()), "init keeps the key");
    assert_eq!(states(&site, &[])?, [pinned.clone(), pinned.clone()]);
    let shown = site.run(&["show", "latest"])?.ok()?.says(&[&format!("by {ours}, which is pinned")])?;
    assert!(!shown.stdout.contains("NONE"), "{}", shown.report());

    // A third backup, made while the key was away.
    fs::rename(site.signing_key(), site.path("away"))?;
    let unsigned = site.run(&["backup", "--json"])?.ok()?.result()?;
    assert_eq!(unsigned["signed_by"], Value::Null);
    fs::rename(site.path("away"), site.signing_key())?;
    server.stop(Shutdown::Fast)?;
    assert_eq!(states(&site, &[])?[2], json!({"state": "unsigned"}));
    restore(&site, "a", &["--backup", "latest"])?.status_is(4)?.says(&["is not signed", "--accept-unsigned"])?;
    // The one before it leads to the same target.
    let plan = restore(&site, "a", &["--to", "latest", "--plan"])?.ok()?.says(&["passed over", "is not signed"])?;
    assert_eq!(plan.result()?["plan"]["signature"], pinned);
    assert!(!site.path("a").exists(), "refused, and something was made");
    restore(&site, "a", &["--to", "latest", "--accept-unsigned"])?.ok()?;
    let done = restore(&site, "b", &["--backup", "latest~1"])?.ok()?.result()?;
    assert_eq!(done["plan"]["signature"], pinned);

    // A machine that has the repository and no key of its own.
    let mut elsewhere = site.fork()?;
    assert_eq!(states(&elsewhere, &[])?[..2], [unknown.clone(), unknown.clone()]);
    let said = ["nobody vouches for backup", &ours, "is not pinned"];
    let plan = restore(&elsewhere, "c", &["--backup", "latest~1", "--plan"])?.ok()?.says(&said)?.result()?;
    assert_eq!(plan["plan"]["signature"], unknown);
    restore(&elsewhere, "c", &["--backup", "latest", "--plan"])?
        .ok()?
        .says(&["nobody vouches for backup", "not signed"])?;
    assert_eq!(states(&elsewhere, &["--trusted", &ours])?[..2], [pinned.clone(), pinned.clone()]);
    let quiet = restore(&elsewhere, "c", &["--backup", "latest~1", "--trusted", &ours])?.ok()?;
    assert!(!quiet.stdout.contains("nobody vouches"), "{}", quiet.report());
    by_environment(&elsewhere, &ours)?;
    let theirs = SigningKey::from_seed([9; 32]).public().to_string();
    elsewhere.configure(&format!("[signing]\ntrusted = [\"{theirs}\"]\n"))?;
    assert_eq!(states(&elsewhere, &[])?[..2], [unknown.clone(), unknown]);
    restore(&elsewhere, "d", &["--backup", "latest~1"])?.status_is(4)?.says(&["is signed by", &ours, &theirs])?;
    assert!(!elsewhere.path("d").exists(), "refused, and something was made");
    // Another key than the one expected is no missing one.
    restore(&elsewhere, "d", &["--backup", "latest~1", "--accept-unsigned"])?.status_is(4)?;
    let plan = restore(&elsewhere, "d", &["--backup", "latest~1", "--trusted", &ours, "--plan"])?.ok()?.result()?;
    assert!(plan["next"].as_str().is_some_and(|next| next.contains(&format!("--trusted {ours}"))), "{plan}");
    Ok(())
}

/// Without a configuration; several keys are separated by commas.
fn by_environment(site: &Site, key: &str) -> Outcome {
    let mut list = account().command(super::support::site::binary());
    list.args(["list", "--json", "--repository", &format!("file://{}", site.repository().display())]);
    list.env("PGCAIRN_TRUSTED", format!("{},{key}", SigningKey::from_seed([8; 32]).public()));
    let list = Run::of(&mut list)?.ok()?.json()?;
    assert_eq!(list["backups"][0]["signature"]["state"], "pinned", "{list}");
    Ok(())
}

/// Everything but the key is in the attacker's hands: recipients are public, digests can be computed.
fn forged(install: &'static Installation) -> Outcome {
    let (server, site) = backed_up_twice(install)?;
    server.archive_all()?;
    server.stop(Shutdown::Fast)?;
    let ours = site.public_key()?;
    let trusting = ["--to", "latest", "--trusted", &ours];
    restore(&site.fork()?, "new", &trusting)?.ok()?;

    let attacks: [(&str, Attack, i32); 9] = [
        ("a summary that says something else, under the old signature", |forger| forger.edit_line_one(), 10),
        ("the signature taken away", |forger| forger.write(forger.summary()?, None), 4),
        ("a signature of the attacker's own", |forger| forger.write(forger.summary()?, Some(attacker())), 4),
        ("the marker of the older backup under the newer one's name", |forger| forger.older_in_newer(), 10),
        ("a new backup of older packs", |forger| forger.new_of_old(), 4),
        ("a new backup that says it is of another cluster", |forger| forger.other_cluster(), 10),
        ("another list of objects", |forger| forger.other_list(), 10),
        ("a manifest that the attacker sealed", |forger| forger.seal_again("/manifests/"), 10),
        ("a pack that the attacker sealed", |forger| forger.seal_again("/packs/"), 10),
    ];
    for (attack, forge, status) in attacks {
        let fork = site.fork()?;
        let forger = Forger::new(&fork)?;
        forge(&forger).map_err(|stop| format!("{attack}: {stop:?}"))?;
        let latest = ["--backup", &forger.newest.to_string(), "--trusted", &ours];
        let run = restore(&fork, "new", if attack.contains("new backup") { &trusting } else { &latest })?;
        let run = run.status_is(status).map_err(|stop| format!("{attack}: {stop:?}"))?;
        assert!(!fork.path("new/global/pg_control").exists(), "{attack}: the copy can be started\n{}", run.report());
    }
    digests(&site, &ours)
}

/// Digests go with a manifest: who exchanges both could have any content pass.
fn digests(site: &Site, ours: &str) -> Outcome {
    let fork = site.fork()?;
    let forger = Forger::new(&fork)?;
    forger.seal_again("/digests/")?;
    let id = forger.newest.to_string();
    restore(&fork, "new", &["--backup", &id, "--trusted", ours])?
        .status_is(10)?
        .says(&["digests", "another object"])?;
    assert!(!fork.path("new/global/pg_control").exists());
    Ok(())
}

type Attack = fn(&Forger) -> Outcome;

fn attacker() -> SigningKey {
    SigningKey::from_seed([66; 32])
}

struct Forger<'s> {
    site: &'s Site,
    older: PathBuf,
    newer: PathBuf,
    newest: BackupId,
}

impl Forger<'_> {
    fn new(site: &Site) -> Outcome<Forger<'_>> {
        let mut markers = Vec::new();
        for path in site.objects("/backups/")? {
            markers.push((marker::summary(site, &path)?.stop_lsn, path));
        }
        markers.sort();
        let [(_, older), (_, newer)] = <[_; 2]>::try_from(markers).map_err(|_| "not two backups")?;
        let newest = marker::summary(site, &newer)?.id;
        Ok(Forger { site, older, newer, newest })
    }

    fn summary(&self) -> Outcome<Summary> {
        marker::summary(self.site, &self.newer)
    }

    fn write(&self, summary: Summary, key: Option<SigningKey>) -> Outcome {
        damage::replace(&self.newer, &format_commit_marker(&summary, key.as_ref())?)
    }

    /// With a digest that fits.
    fn edit_line_one(&self) -> Outcome {
        let old = fs::read_to_string(&self.newer)?;
        let (line_one, line_two) = old.split_once('\n').ok_or("no two lines")?;
        let forged = line_one.replacen("\"standby\":false", "\"standby\":true", 1);
        assert_ne!(forged, line_one);
        let sum = |line: &str| Sha256Sum::of(format!("{line}\n").as_bytes()).to_string();
        let text = format!("{forged}\n{}", line_two.replace(&sum(line_one), &sum(&forged)));
        damage::replace(&self.newer, text.as_bytes())
    }

    fn older_in_newer(&self) -> Outcome {
        damage::replace(&self.newer, &fs::read(&self.older)?)
    }

    /// Names every object of the older backup, and is later than all others.
    fn new_of_old(&self) -> Outcome {
        let old = marker::summary(self.site, &self.older)?;
        let id: BackupId = "20991231T235959Z-full-0000".parse()?;
        let newer = self.summary()?;
        let there = |id: &BackupId| self.newer.with_file_name(format!("../objects/{id}.jsonl.zst"));
        fs::copy(there(&old.id), there(&id))?;
        let forged = Summary { id: id.clone(), stopped: newer.stopped, ..old };
        let marker = format_commit_marker(&forged, Some(&attacker()))?;
        fs::remove_file(&self.newer)?;
        fs::remove_file(&self.older)?;
        Ok(account().write(&self.newer.with_file_name(format!("{id}.json")), marker, 0o600)?)
    }

    /// A genuine marker, where backups of a cluster with another system identifier lie.
    fn other_cluster(&self) -> Outcome {
        let here = self.newer.parent().and_then(Path::parent).ok_or("no cluster")?;
        Ok(fs::rename(here, here.with_file_name("7777777777777777777"))?)
    }

    fn other_list(&self) -> Outcome {
        let list = self.site.object(&format!("/objects/{}.", self.newest))?;
        let mut text = String::new();
        FrameReader::new(fs::File::open(&list)?)?.read_to_string(&mut text)?;
        let mut content = Vec::new();
        FrameCompressor::new(1)?.compress(text.replacen("\"size\":", "\"size\": ", 1).as_bytes(), &mut content)?;
        let digest = ObjectsDigest { size: content.len() as u64, sha256: Sha256Sum::of(&content) };
        assert_ne!(digest.sha256, self.summary()?.objects.sha256);
        damage::replace(&list, &content)
    }

    fn seal_again(&self, kind: &str) -> Outcome {
        let object = self.site.objects(&format!("{kind}{}/", self.newest))?.pop().ok_or("no object of this kind")?;
        seal_again(self.site, &object)
    }
}

/// Other bytes under the same name, of the same size, that open with the identity: what anybody can make. Here the
/// content is the same, so that nothing but its digest as stored can tell.
pub fn seal_again(site: &Site, object: &Path) -> Outcome {
    let key = Key::new(object.strip_prefix(site.repository())?.to_string_lossy())?;
    let identities = Identities::parse(&fs::read(site.identity())?, || None)?;
    let (envelope, mut body) = Opener::new(identities).open(&key, fs::File::open(object)?)?;
    let mut content = Vec::new();
    body.read_to_end(&mut content)?;
    let recipient = parse_recipient(site.recipient.as_deref().unwrap_or_default())?;
    let (sealer, size) = (Sealer::new(vec![recipient])?, object.metadata()?.len());
    // Headers have a stanza of random length.
    for _ in 0..MOST_TRIES {
        let mut sealed = sealer.seal(&envelope, Vec::new())?;
        sealed.write_all(&content)?;
        let sealed = sealed.finish()?;
        if sealed.len() as u64 == size {
            return damage::replace(object, &sealed);
        }
    }
    Err("no sealed object has the size of the listed one".into())
}

/// The key stands in its file and nowhere else: not in what is said, nor in an object, nor in what others see of a
/// running process.
fn key_stays(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").start()?;
    let mut site = Site::new(&server)?;
    site.configure("[backup]\nmax_rate = \"8MiB\"\n")?;
    let mut said = vec![site.run(&["init"])?.ok()?, site.run(&["init", "--json"])?.ok()?];
    let key = Needles::of(&site)?;
    site.archive_from(&server)?;
    let backup = site.command(&["backup", "--json"]).stdout(std::process::Stdio::piped()).spawn()?;
    let process = |name: &str| fs::read(format!("/proc/{}/{name}", backup.id()));
    for file in ["cmdline", "environ"] {
        key.are_not_in(&process(file)?, file)?;
    }
    let output = backup.wait_with_output()?;
    assert!(output.status.success());
    key.are_not_in(&output.stdout, "backup")?;
    for words in [
        &["list"][..],
        &["list", "--json"],
        &["show", "latest"],
        &["show", "latest", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["wal", "list"],
    ] {
        said.push(site.run(words)?.ok()?);
    }
    // A disk that is nearly full is a warning.
    said.extend([site.run(&["check"])?.status_in(0..=3)?, site.run(&["check", "--json"])?.status_in(0..=3)?]);
    said.push(restore(&site, "new", &["--backup", "latest"])?.ok()?);
    // What is wrong with it is said without quoting it.
    let whole = fs::read(site.signing_key())?;
    for (content, mode) in [(&whole[..], 0o644), (&whole[1..], 0o600), (&whole[..100], 0o600)] {
        account().write(&site.signing_key(), content, mode)?;
        said.extend([
            site.run(&["backup"])?.status_is(9)?,
            site.run(&["check", "--json"])?,
            site.run(&["list"])?.ok()?,
        ]);
    }
    site.configure(&format!("[signing]\ntrusted = [\"\"\"{}\"\"\"]\n", String::from_utf8_lossy(&whole)))?;
    said.push(site.run(&["check"])?.status_is(2)?);
    said.iter().try_for_each(|run| key.are_not_in(run.report().as_bytes(), "a run"))?;
    for object in site.objects("")? {
        key.are_not_in(&fs::read(&object)?, &object.display().to_string())?;
    }
    Ok(())
}

/// Every form that the key could be written in.
struct Needles(Vec<Vec<u8>>);

impl Needles {
    fn of(site: &Site) -> Outcome<Needles> {
        let pem = fs::read_to_string(site.signing_key())?;
        let body = pem.lines().nth(1).ok_or("no key")?;
        let der = STANDARD.decode(body)?;
        let seed = der.last_chunk::<32>().ok_or("no key")?;
        let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        let text =
            [&body[24..], STANDARD.encode(seed).trim_end_matches('='), &hex].map(|text| text.as_bytes().to_vec());
        let needles = Needles(text.into_iter().chain([seed.to_vec()]).collect());
        assert!(needles.are_not_in(pem.as_bytes(), "its own file").is_err(), "the search finds nothing");
        Ok(needles)
    }

    fn are_not_in(&self, bytes: &[u8], place: &str) -> Outcome {
        let found = self.0.iter().any(|needle| bytes.windows(needle.len()).any(|window| window == needle));
        if found { Err(format!("the key is in {place}").into()) } else { Ok(()) }
    }
}
