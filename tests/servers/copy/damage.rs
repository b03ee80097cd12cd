//! A page that is damaged in the live database: named by relation and block, wherever in a long file it lies. The
//! backup is made and says so for ever.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::support::account::account;
use crate::support::image::Image;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown};
use crate::support::site::Site;
use crate::support::{Outcome, full_length};

const PAGE: u64 = 8192;
/// Blocks of one file of a relation.
const SEGMENT: u64 = 131_072;
/// In the second slice of 128 MiB.
const LONG: u64 = 16_384 + 200;
const DAMAGED: u64 = 16_384 + 7;

pub fn damaged_pages(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).setting("archive_mode", "on").setting("autovacuum", "off").start()?;
    let site = Site::new(&server)?;
    site.init()?;
    site.archive_from(&server)?;
    server.sql("create schema \"Odd One\"")?;
    let mut damaged = vec![(long_table(&server, "\"Odd One\".long", LONG)?, DAMAGED)];
    if full_length() {
        damaged.push((long_table(&server, "\"Odd One\".longer", SEGMENT + LONG)?, SEGMENT + DAMAGED));
    }
    let rows = server.psql("select count(*), sum(n) from \"Odd One\".long")?;
    server.stop(Shutdown::Fast)?;
    for (path, block) in &damaged {
        damage(&path.0, *block)?;
    }
    server.start()?;

    let run = site.run(&["backup", "--json"])?.status_is(3)?;
    let backup = run.result()?;
    check_named(&backup["flagged"], &damaged, true);
    let id = backup["id"].as_str().unwrap_or_default();
    check_remembered(&site, id, &damaged)?;
    check_restored(install, &site, id, &rows, &damaged)?;
    let next = site.run(&["backup"])?.status_is(3)?;
    next.says(&["DAMAGED in the live database", &format!("postgres.\"Odd One\".long block {DAMAGED}")]).map(drop)
}

/// The file of a relation, and its name.
type Relation = (PathBuf, String);

/// A table of so many blocks, nearly all of them new: with rows at its beginning and its end.
fn long_table(server: &Server, name: &str, blocks: u64) -> Outcome<Relation> {
    server.sql(&format!("create table {name} as select n, md5(n::text) as x from generate_series(1, 1000) n"))?;
    let path = server.data().join(server.value(&format!("select pg_relation_filepath('{name}')"))?);
    server.stop(Shutdown::Fast)?;
    let whole = blocks.min(SEGMENT);
    OpenOptions::new().write(true).open(&path)?.set_len(whole * PAGE)?;
    if blocks > whole {
        let mut next = path.clone().into_os_string();
        next.push(".1");
        account().write(next.as_ref(), [], 0o600)?;
        OpenOptions::new().write(true).open(&next)?.set_len((blocks - whole) * PAGE)?;
    }
    server.start()?;
    server.sql(&format!("insert into {name} select n, md5(n::text) from generate_series(1001, 20000) n"))?;
    let last = server.value(&format!("select max((ctid::text::point)[0]) from {name}"))?;
    assert!(last.parse::<u64>()? >= blocks - 1, "rows lie at the end of {name}: {last}");
    server.sql("checkpoint")?;
    Ok((path, name.to_owned()))
}

/// A page that was written, and is not what was written.
fn damage(file: &PathBuf, block: u64) -> Outcome {
    let mut path = file.clone().into_os_string();
    if block >= SEGMENT {
        path.push(".1");
    }
    let opened = OpenOptions::new().read(true).write(true).open(&path)?;
    let mut page = [0; PAGE as usize];
    File::open(file)?.read_exact_at(&mut page, 0)?;
    page[5000] ^= 1;
    Ok(opened.write_all_at(&page, block % SEGMENT * PAGE)?)
}

fn check_named(flagged: &serde_json::Value, damaged: &[(Relation, u64)], by_relation: bool) {
    let pages = flagged.as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(pages.len(), damaged.len(), "{flagged}");
    for ((_, name), block) in damaged {
        let found = pages.iter().find(|page| page["block"] == *block).unwrap_or_else(|| panic!("{block}: {flagged}"));
        if by_relation {
            assert_eq!(found["relation"], format!("postgres.{name}"));
        }
        assert!(found["path"].as_str().is_some_and(|path| path.starts_with("base/")), "{found}");
    }
}

/// `list` and `show`, for people and programs.
fn check_remembered(site: &Site, id: &str, damaged: &[(Relation, u64)]) -> Outcome {
    let list = site.run(&["list", "--json"])?.ok()?.json()?;
    assert_eq!(list["backups"][0]["flagged_pages"], damaged.len());
    site.run(&["list"])?.ok()?.says(&["DAMAGED: "])?;
    let show = site.run(&["show", id, "--json"])?.ok()?.json()?;
    check_named(&show["flagged"], damaged, false);
    let said: Vec<_> = damaged.iter().map(|(_, block)| format!("block {block} ")).collect();
    let said: Vec<_> = said.iter().map(String::as_str).chain(["DAMAGED in the live database"]).collect();
    site.run(&["show", id])?.ok()?.says(&said).map(drop)
}

/// The damaged page is as it was, all else is well.
fn check_restored(
    install: &'static Installation,
    site: &Site,
    id: &str,
    rows: &str,
    damaged: &[(Relation, u64)],
) -> Outcome {
    let scratch = Scratch::new()?;
    let target = scratch.join("target");
    let directory = target.display().to_string();
    site.run_with_identity(&["restore", "--backup", id, "--action", "promote", "--target-dir", &directory])?.ok()?;
    if !full_length() {
        let (origin, _) = &damaged[0].0;
        let relative = origin.iter().rev().take(3).collect::<Vec<_>>().into_iter().rev().collect::<PathBuf>();
        let image = Image::assemble(site, id)?;
        let assembled = image.file(&relative.to_string_lossy()).ok_or("the long table is not in the image")?;
        assert!(assembled == std::fs::read(origin)?, "the image of the long table differs");
        assert!(assembled == std::fs::read(target.join(&relative))?, "the restored long table differs");
    }
    let restored = Server::adopt(install, &target)?;
    restored.start()?;
    restored.wait_promoted()?;
    for ((_, name), _) in damaged {
        let error = restored.psql(&format!("select count(*) from {name}"));
        assert!(error.is_err(), "the damaged page of {name} was read");
    }
    let counted = restored.psql("set zero_damaged_pages = on; select count(*), sum(n) from \"Odd One\".long")?;
    assert_eq!(counted.lines().last().map(str::trim), rows.lines().last().map(str::trim));
    restored.stop(Shutdown::Fast)
}
