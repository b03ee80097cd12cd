//! `wal fetch`: 0 for what was verified, 1 for what is proven to be absent, and for everything else a status
//! that stops PostgreSQL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::cluster::{Place, RECOVERED, cluster};
use crate::support::majors::Installation;
use crate::support::site::{Run, Site};
use crate::support::{Outcome, damage};

/// Ends recovery with FATAL (`wait_result_is_any_signal` in `RestoreArchivedFile`).
const STOPS: i32 = 126;
/// A standby asks again.
const ASKS_AGAIN: i32 = 125;

/// Both statuses of a failure, and nothing where PostgreSQL would look.
fn fails(place: &Place, name: &str, what: &str) -> Outcome {
    for (options, status) in [(&[][..], STOPS), (&["--standby"][..], ASKS_AGAIN)] {
        let run = place.fetch(options, name)?;
        if run.status != status || run.stderr.is_empty() || !run.stdout.is_empty() {
            return Err(format!("{what}: {}\nexpected: {status} and a reason", run.report()).into());
        }
        place.nothing_delivered(what)?;
    }
    Ok(())
}

/// Without encryption zstd's checksum, of the content alone, is the judge: a bit that picks another copy of the
/// same bytes has damaged nothing. Then what is delivered is the true content, in every byte.
fn fails_or_is_whole(place: &Place, name: &str, what: &str) -> Outcome {
    let delivered = place.data.join(RECOVERED);
    if place.encrypted || place.fetch(&[], name)?.status != 0 {
        return fails(place, name, what);
    }
    assert_eq!(fs::read(&delivered)?, fs::read(place.wal(name))?, "{what}: other bytes, and success");
    Ok(fs::remove_file(delivered)?)
}

pub fn statuses(install: &'static Installation) -> Outcome {
    let cluster = cluster(install)?;
    let (place, segments) = (cluster.place()?, &cluster.segments);
    for name in &segments[..4] {
        place.push(name)?.ok()?;
    }
    for name in [&segments[4], "00000002.history", "000000020000000000000001", "000000010000000000000001.partial"] {
        for options in [&[][..], &["--standby"]] {
            place.fetch(options, name)?.status_is(1)?;
            place.nothing_delivered(name)?;
        }
    }
    assert_eq!(place.fetched(&segments[0])?, fs::read(place.wal(&segments[0]))?);
    in_a_hole(&place, segments)?;
    misused(&place, &segments[0])?;
    places(&place, &segments[0])?;
    assert_eq!(place.fetched(&segments[0])?, fs::read(place.wal(&segments[0]))?);
    Ok(())
}

/// An absent segment is the end of the archive only where nothing follows, and where the cluster is known.
fn in_a_hole(place: &Place, segments: &[String]) -> Outcome {
    for (missing, status) in [(3, 1), (2, STOPS), (1, STOPS)] {
        fs::remove_file(place.site.object(&segments[missing])?)?;
        let run = place.fetch(&[], &segments[missing])?.status_is(status)?;
        place.fetch(&["--standby"], &segments[missing])?.status_is(1)?;
        if status == STOPS {
            run.says(&[&segments[missing], "is missing, and the archive goes on at"])?;
        }
        place.push(&segments[3])?.ok()?;
    }
    let arguments = ["wal", "fetch", "--cluster", "other", &segments[0], "pg_wal/RECOVERYXLOG"];
    let mut other = place.site.command(&arguments);
    let run = Run::of(other.env("PGCAIRN_IDENTITY", place.site.identity()).current_dir(&place.data))?;
    run.status_is(STOPS)?.says(&["holds no WAL of cluster other"])?;
    Ok(())
}

fn misused(place: &Place, segment: &str) -> Outcome {
    let target = "pg_wal/RECOVERYXLOG";
    for arguments in [
        &["wal", "fetch"][..],
        &["wal", "fetch", segment],
        &["wal", "fetch", "--bogus", segment, target],
        &["wal", "fech", segment, target],
        &["wal", "fetch", "nonsense", target],
        &["wal", "fetch", "--help", segment, target],
        &["--config", "/nonexistent.toml", "wal", "fetch", segment, target],
        &["wal", "fetch", segment, "nowhere/RECOVERYXLOG"],
        &["wal", "fetch", "--from", "/nonexistent", segment, target],
    ] {
        let run = |extra: &[&str]| {
            let mut command = place.site.command(&[arguments, extra].concat());
            Run::of(command.env("PGCAIRN_IDENTITY", place.site.identity()).current_dir(&place.data))
        };
        run(&[])?.status_is(STOPS)?;
        run(&["--standby"])?.status_is(ASKS_AGAIN)?;
        place.nothing_delivered(&arguments.join(" "))?;
    }
    Ok(())
}

/// Configuration, identity and repository that are not as they were.
fn places(place: &Place, segment: &str) -> Outcome {
    let (site, root) = (&place.site, place.site.repository());
    let closed = |path: &Path, what: &str| -> Outcome {
        let mode = fs::metadata(path)?.permissions();
        fs::set_permissions(path, fs::Permissions::from_mode(0o000))?;
        let outcome = fails(place, segment, what);
        fs::set_permissions(path, mode)?;
        outcome
    };
    let away = |path: &Path, what: &str| -> Outcome {
        let elsewhere = path.with_extension("away");
        fs::rename(path, &elsewhere)?;
        let outcome = fails(place, segment, what);
        fs::rename(&elsewhere, path)?;
        outcome
    };
    closed(&site.config(), "a closed configuration")?;
    closed(&site.identity(), "a closed identity")?;
    closed(&root, "a closed repository")?;
    closed(&site.object(segment)?, "a closed object")?;
    closed(site.object(segment)?.parent().ok_or("no parent")?, "a closed directory")?;
    closed(&place.data.join("pg_wal"), "a closed pg_wal")?;
    away(&site.identity(), "no identity")?;
    away(&root, "no repository")?;
    let marker = root.join("pgcairn.json");
    let text = fs::read(&marker)?;
    // Absence, too, is a claim of the repository: without its marker it makes none.
    for missing in [segment, "00000009.history", "000000010000000000000099"] {
        away_with(&marker, || fails(place, missing, "no marker"))?;
    }
    for broken in [&b""[..], b"{", &text[..text.len() / 2]] {
        damage::replace(&marker, broken)?;
        fails(place, "00000009.history", "a damaged marker")?;
    }
    damage::replace(&marker, &text)?;
    damage::edit(&site.config(), |text| text.extend(b"nonsense = [\n"))?;
    let outcome = fails(place, segment, "a damaged configuration");
    damage::edit(&site.config(), |text| text.truncate(text.len() - 13))?;
    fs::set_permissions(site.config(), fs::Permissions::from_mode(0o644))?;
    outcome
}

fn away_with(path: &Path, then: impl FnOnce() -> Outcome) -> Outcome {
    let elsewhere = path.with_extension("away");
    fs::rename(path, &elsewhere)?;
    let outcome = then();
    fs::rename(&elsewhere, path)?;
    outcome
}

/// Every kind of damage to the object itself, encrypted and not: refused, never 0 and never 1.
pub fn damaged(install: &'static Installation) -> Outcome {
    let cluster = cluster(install)?;
    for place in [cluster.place()?, cluster.unencrypted_place()?] {
        place.write_wal("00000002.history", b"1\t0/3000000\tpromoted\n")?;
        for name in [&cluster.segments[0], &cluster.segments[1], &cluster.backup_history, "00000002.history"] {
            place.push(name)?.ok()?;
        }
        for name in [&cluster.segments[0], &cluster.backup_history, "00000002.history"] {
            let object = place.site.object(&format!("{name}.zst"))?;
            object_damaged(&place, name, &object)?;
            assert_eq!(place.fetched(name)?, fs::read(place.wal(name))?, "{name} after all");
        }
        swapped(&place, &cluster.segments)?;
    }
    wrong_key(&cluster.place()?, &cluster.segments[0])
}

fn object_damaged(place: &Place, name: &str, object: &PathBuf) -> Outcome {
    let whole = fs::read(object)?;
    let length = whole.len();
    let tried = |what: String, bytes: &[u8]| -> Outcome {
        damage::replace(object, bytes)?;
        fails(place, name, &format!("{name} {what}"))
    };
    for cut in [0, 1, 100, length / 2, length - 17, length - 1] {
        tried(format!("cut to {cut} of {length} bytes"), &whole[..cut.min(length - 1)])?;
    }
    for offset in [0, 30, 60, 200, length / 3, length / 2, length - 20, length - 1] {
        let mut flipped = whole.clone();
        flipped[offset.min(length - 1)] ^= 1;
        damage::replace(object, &flipped)?;
        fails_or_is_whole(place, name, &format!("{name} flipped at {offset} of {length}"))?;
    }
    tried("with a byte more".to_owned(), &[whole.as_slice(), b"x"].concat())?;
    tried("twice".to_owned(), &[whole.as_slice(), &whole].concat())?;
    tried("of zeroes".to_owned(), &vec![0; length])?;
    damage::replace(object, &whole)
}

/// Another object under this name, and a directory.
fn swapped(place: &Place, segments: &[String]) -> Outcome {
    let (one, other) = (place.site.object(&segments[0])?, place.site.object(&segments[1])?);
    damage::swap(&one, &other)?;
    fails(place, &segments[0], "swapped")?;
    fails(place, &segments[1], "swapped")?;
    damage::swap(&one, &other)?;
    let history = fs::read(place.site.object("00000002.history")?)?;
    let whole = fs::read(&one)?;
    damage::replace(&one, &history)?;
    fails(place, &segments[0], "a history")?;
    damage::replace(&one, &whole)?;
    assert_eq!(place.fetched(&segments[0])?, fs::read(place.wal(&segments[0]))?);
    Ok(())
}

/// Another identity than the object was encrypted to, and an object that was encrypted to others.
fn wrong_key(place: &Place, segment: &str) -> Outcome {
    place.push(segment)?.ok()?;
    let stranger = cluster_identity(place)?;
    let own = fs::read(place.site.identity())?;
    damage::replace(&place.site.identity(), &stranger)?;
    fails(place, segment, "the identity of another")?;
    damage::replace(&place.site.identity(), b"no identity at all\n")?;
    fails(place, segment, "no identity in the file")?;
    damage::replace(&place.site.identity(), &own)?;
    place.fetched(segment).map(drop)
}

fn cluster_identity(place: &Place) -> Outcome<Vec<u8>> {
    let file: PathBuf = place.site.path("stranger");
    let path = file.display().to_string();
    Run::of(&mut Site::command(&place.site, &["key", "generate", "--output", &path]))?.ok()?;
    Ok(fs::read(file)?)
}
