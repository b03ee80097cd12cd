//! `wal push`: once, again, at once, and what it does not take.

use std::fs;
use std::process::Child;

use super::cluster::{Place, SEGMENT_SIZE, amount, cluster, contents, refused};
use crate::support::majors::Installation;
use crate::support::site::Run;
use crate::support::{Outcome, damage};

/// Offset of `xlp_sysid` in the long header of a segment's first page.
const SYSTEM_IDENTIFIER: usize = 24;

/// The same content is success and leaves the object alone; every kind of file comes back as it was.
pub fn once_and_again(install: &'static Installation) -> Outcome {
    let cluster = cluster(install)?;
    for place in [cluster.place()?, cluster.unencrypted_place()?] {
        let segment = &cluster.segments[0];
        let partial = format!("{}.partial", cluster.segments[1]);
        fs::rename(place.wal(&cluster.segments[1]), place.wal(&partial))?;
        place.write_wal("00000002.history", b"1\t0/3000000\tno recovery target specified\n")?;
        for name in [segment, &partial, &cluster.backup_history, "00000002.history"] {
            let empty = contents(&place.site)?;
            place.push(name)?.ok()?;
            let once = contents(&place.site)?;
            let new: Vec<_> = once.keys().filter(|path| !empty.contains_key(*path)).collect();
            let due = if name.ends_with(".history") { 2 } else { 1 };
            assert_eq!(new.len(), due, "{new:?}");
            let again = place.push(name)?.ok()?;
            assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("", ""));
            assert_eq!(contents(&place.site)?, once, "{name} was written again");
            let pushed = fs::read(place.wal(name))?;
            assert_eq!(place.fetched(name)?, pushed, "{name}");
        }
        // The partial segment is kept, and never served as the segment.
        place.fetch(&[], &cluster.segments[1])?.status_is(1)?;
        place.nothing_delivered("a partial segment")?;
    }
    Ok(())
}

/// Refused with a status that PostgreSQL counts as a failure; the repository is as it was, and the next push
/// succeeds.
fn refuses_one(place: &Place, name: &str, status: i32, says: &[&str]) -> Outcome {
    let before = contents(&place.site)?;
    refused(place.push(name)?)?.status_is(status)?.says(says)?;
    assert_eq!(contents(&place.site)?, before, "{name} left something behind");
    Ok(())
}

pub fn refuses(install: &'static Installation) -> Outcome {
    let cluster = cluster(install)?;
    let (place, segments) = (cluster.place()?, &cluster.segments);
    let whole = fs::read(place.wal(&segments[0]))?;

    for length in [SEGMENT_SIZE - 1, SEGMENT_SIZE / 2, 8192, 1, 0] {
        damage::truncate(&place.wal(&segments[0]), length)?;
        refuses_one(&place, &segments[0], 4, &[&format!("{length} bytes"), "1048576"])?;
    }
    place.write_wal(&segments[0], &[whole.as_slice(), &[0]].concat())?;
    refuses_one(&place, &segments[0], 4, &["1048577 bytes"])?;

    let mut foreign = whole.clone();
    foreign[SYSTEM_IDENTIFIER] ^= 1;
    place.write_wal(&segments[0], &foreign)?;
    refuses_one(&place, &segments[0], 4, &["another cluster"])?;
    place.write_wal(&segments[0], &vec![0; SEGMENT_SIZE])?;
    refuses_one(&place, &segments[0], 4, &["not archived"])?;
    // A recycled segment: its pages tell another place than its name.
    place.write_wal("000000010000000000000077", &whole)?;
    refuses_one(&place, "000000010000000000000077", 4, &["not archived"])?;
    // A page of a later timeline than the name's.
    let mut later = whole.clone();
    later[4] = 2;
    place.write_wal(&segments[0], &later)?;
    refuses_one(&place, &segments[0], 4, &["not archived"])?;

    place.write_wal("00000002.history", b"")?;
    refuses_one(&place, "00000002.history", 4, &["empty"])?;
    place.write_wal("00000002.history", b"7\t0/3000000\tparent above child\n")?;
    refuses_one(&place, "00000002.history", 4, &["not archived"])?;
    place.write_wal("00000002.history", b"1\t0/3000000\tpromoted\n")?;
    place.push("00000002.history")?.ok()?;
    place.write_wal("00000002.history", b"1\t0/3000060\tpromoted by another\n")?;
    refuses_one(&place, "00000002.history", 6, &["already archived"])?;
    refuses_one(&place, "passwords.txt", 2, &["passwords.txt"])?;
    refuses_one(&place, "000000010000000000000066", 5, &["No such file"])?;
    fs::create_dir(place.wal("000000010000000000000066"))?;
    refuses_one(&place, "000000010000000000000066", 2, &["not a file"])?;

    place.write_wal(&segments[0], &whole)?;
    place.push(&segments[0])?.ok()?;
    another_content(&place, &cluster.clone_of(&place)?, segments.last().ok_or("no segments")?)?;
    misused(&place, &segments[1])?;
    assert_eq!(place.fetched(&segments[0])?, whole);
    Ok(())
}

/// A clone with the origin's configuration: from its own directory nothing is taken, and with a
/// configuration of its own under the same name only what is identical.
fn another_content(place: &Place, clone: &Place, diverged: &str) -> Outcome {
    place.push(diverged)?.ok()?;
    let before = contents(&place.site)?;
    refused(clone.push(diverged)?)?.status_is(6)?.says(&["already archived with other content", "SHA-256"])?;
    let mut misplaced = place.site.command(&["wal", "push", &format!("pg_wal/{diverged}")]);
    let run = Run::of(misplaced.current_dir(&clone.data))?;
    refused(run)?.status_is(4)?.says(&["not in the configured"])?;
    assert_eq!(contents(&place.site)?, before);
    assert_eq!(place.fetched(diverged)?, fs::read(place.wal(diverged))?);
    Ok(())
}

/// Usage errors and configurations that cannot be read are failures of archive_command like any other.
fn misused(place: &Place, segment: &str) -> Outcome {
    let before = contents(&place.site)?;
    let path = format!("pg_wal/{segment}");
    for arguments in [
        &["wal", "push"][..],
        &["wal", "push", "--bogus", &path],
        &["wal", "push", &path, &path],
        &["--config", "/nonexistent.toml", "wal", "push", &path],
        &["wal", "push", "--config", "/", &path],
    ] {
        refused(Run::of(place.site.command(arguments).current_dir(&place.data))?)?;
    }
    assert_eq!(contents(&place.site)?, before);
    place.push(segment)?.ok().map(drop)
}

/// Many at once: the same content always succeeds; of two contents one wins and the other is refused.
pub fn at_once(install: &'static Installation) -> Outcome {
    let cluster = cluster(install)?;
    let place = cluster.place()?;
    for segment in &cluster.segments[..amount(1, 5)] {
        for run in all(&[&place; 16], segment)? {
            run.ok()?;
        }
        place.site.object(&format!("{segment}.zst"))?;
    }
    for round in 0..amount(2, 10) {
        let place = cluster.place()?;
        let clone = cluster.clone_of(&place)?;
        let diverged = cluster.segments.last().ok_or("no segments")?;
        let both: Vec<_> = (0..16).map(|n| if (n + round) % 2 == 0 { &place } else { &clone }).collect();
        let runs = all(&both, diverged)?;
        let winner = place.fetched(diverged)?;
        for (from, run) in both.iter().zip(runs) {
            if fs::read(from.wal(diverged))? == winner {
                run.ok()?
            } else {
                refused(run)?.status_is(6)?
            };
        }
        let objects = place.site.objects("/wal/")?;
        assert_eq!(objects.len(), 1, "{objects:?}");
    }
    Ok(())
}

fn all(places: &[&Place], segment: &str) -> Outcome<Vec<Run>> {
    let start = |place: &&Place| {
        let mut command = place.push_command(segment);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().map(|child| (command, child))
    };
    let started = places.iter().map(start).collect::<std::io::Result<Vec<_>>>()?;
    let end =
        |(command, child): (std::process::Command, Child)| Ok(Run::from_output(&command, &child.wait_with_output()?));
    started.into_iter().map(end).collect()
}
