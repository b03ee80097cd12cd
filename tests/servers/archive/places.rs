//! `wal push` into repositories that are not as they were.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::cluster::{Place, cluster, contents, copy_tree, refused};
use crate::support::Outcome;
use crate::support::majors::Installation;
use crate::support::mounted::Mounted;

fn set_mode(path: &Path, mode: u32) -> Outcome {
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// Read-only, marker gone, empty as an unmounted disk leaves it, gone altogether: a failure that PostgreSQL
/// counts, nothing written, and the next push succeeds.
pub fn that_fail(install: &'static Installation) -> Outcome {
    let cluster = cluster(install)?;
    let (place, segments) = (cluster.place()?, &cluster.segments);
    place.push(&segments[0])?.ok()?;
    let root = place.site.repository();
    let directory = place.site.object(&segments[0])?.parent().ok_or("no directory")?.to_owned();
    let away = root.with_extension("away");

    // A new segment and one that is there: both need the repository.
    let fails = |what: &str, status: i32, says: &str| -> Outcome {
        for name in [&segments[1], &segments[0]] {
            let run = refused(place.push(name)?).and_then(|run| run.status_is(status)?.says(&[says]));
            run.map_err(|stop| format!("{what}, {name}: {stop:?}"))?;
        }
        Ok(())
    };
    let before = contents(&place.site)?;
    for dir in [&directory, &root] {
        set_mode(dir, 0o500)?;
    }
    refused(place.push(&segments[1])?)?.status_is(8)?.says(&["ermission"])?;
    set_mode(&root, 0o000)?;
    fails("closed", 8, "ermission")?;
    for dir in [&root, &directory] {
        set_mode(dir, 0o750)?;
    }
    assert_eq!(contents(&place.site)?, before);

    let marker = root.join("pgcairn.json");
    fs::rename(&marker, away.clone())?;
    fails("without its marker", 7, "pgcairn.json is missing")?;
    fs::rename(&away, &marker)?;
    assert_eq!(contents(&place.site)?, before);

    fs::rename(&root, &away)?;
    fails("gone", 7, "does not exist")?;
    assert!(!root.exists(), "the root was made by wal push");
    fs::create_dir(&root)?;
    set_mode(&root, 0o777)?;
    fails("unmounted", 7, "pgcairn.json is missing")?;
    assert_eq!(fs::read_dir(&root)?.count(), 0, "WAL went below the mount point");
    fs::remove_dir(&root)?;
    fs::rename(&away, &root)?;
    place.push(&segments[1])?.ok()?;
    assert_eq!(place.fetched(&segments[1])?, fs::read(place.wal(&segments[1]))?);
    Ok(())
}

/// Puts the place's repository on a file system of its own.
fn mount(place: &Place, options: &str) -> Outcome<Mounted> {
    let root = place.site.repository();
    let away = root.with_extension("away");
    copy_tree(&root, &away)?;
    let mounted = Mounted::over(&root, options)?;
    copy_tree(&away.join("."), &root)?;
    Ok(mounted)
}

/// The disk fills up at different points of the push; whatever does not fit leaves nothing behind.
pub fn full_disk(install: &'static Installation) -> Outcome {
    let cluster = cluster(install)?;
    let (place, segments) = (cluster.place()?, &cluster.segments);
    let _small = mount(&place, "size=256k,mode=750")?;
    let filler = place.site.repository().join("filler");
    fill(&filler)?;
    let before = contents(&place.site)?;
    for name in &segments[..3] {
        refused(place.push(name)?)?.status_is(4)?.says(&["No space left"])?;
    }
    assert_eq!(contents(&place.site)?, before);
    // Room for some of the object only.
    fs::OpenOptions::new().write(true).open(&filler)?.set_len(fs::metadata(&filler)?.len() - 12288)?;
    let noise: Vec<u8> = (0u32..40_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    place.write_wal(&cluster.backup_history, &noise)?;
    refused(place.push(&cluster.backup_history)?)?.status_is(4)?.says(&["No space left"])?;
    assert_eq!(place.site.objects("/wal/")?, Vec::<std::path::PathBuf>::new());
    fs::remove_file(&filler)?;
    for name in &segments[..3] {
        place.push(name)?.ok()?;
        assert_eq!(place.fetched(name)?, fs::read(place.wal(name))?);
    }
    Ok(())
}

/// Takes all that is left, to the last block.
fn fill(filler: &Path) -> Outcome {
    use std::io::Write;
    let mut file = fs::File::create(filler)?;
    while file.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
    Ok(())
}

pub fn read_only_mount(install: &'static Installation) -> Outcome {
    let cluster = cluster(install)?;
    let (place, segments) = (cluster.place()?, &cluster.segments);
    let small = mount(&place, "size=4m,mode=750")?;
    place.push(&segments[0])?.ok()?;
    let before = contents(&place.site)?;
    small.remount("ro")?;
    refused(place.push(&segments[1])?)?.says(&["ead-only file system"])?;
    place.fetched(&segments[0])?;
    assert_eq!(contents(&place.site)?, before);
    small.remount("rw")?;
    place.push(&segments[1])?.ok()?;
    drop(small);
    // Below the mount point lies what was there before; here that is a repository without its marker.
    fs::remove_file(place.site.repository().join("pgcairn.json"))?;
    refused(place.push(&segments[1])?)?.status_is(7)?;
    place.fetch(&[], &segments[0])?.status_is(126)?;
    Ok(())
}
