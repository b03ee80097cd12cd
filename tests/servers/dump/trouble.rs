//! A restore whose target is in trouble, and goes on when that is over.

use std::fs;
use std::path::PathBuf;

use super::{LARGE, Place, content_of, script};
use crate::refusals::Document;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::mounted::Mounted;
use crate::support::server::Server;
use crate::support::{Outcome, damage};

const BEGUN: &str = "select datname from pg_database where datname ~ '^pgcairn_[0-9a-f]{16}$'";

/// Its disk is full; then a piece of the dump is damaged. Rows that had arrived are not loaded again.
pub fn full_disk(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    let here = place.site.path("fast");
    account().make_dir(&here)?;
    place.server.sql(&format!("create tablespace fast location '{}'", here.display()))?;
    script(&place.server, "postgres", LARGE)?;
    script(&place.server, "postgres", "create table second as table account; alter table second set tablespace fast")?;
    place.dump(&[], 0)?;

    let other = Server::builder(install).start()?;
    let small = Mounted::over(&other.scratch().join("small"), "size=8m,mode=700")?;
    other.sql(&format!("create tablespace fast location '{}'", small.path().display()))?;
    let words = ["--database", "postgres=copy", "--jobs", "1"];
    let resume = [&words[..], &["--resume"]].concat();
    place.restore(&other, &resume, 1)?.says(&["table public.second", "No space left", "--resume goes on with it"])?;
    let begun = other.sql(BEGUN)?.concat();
    assert_eq!(begun.len(), 1, "{begun:?}");
    // Without --resume it makes room for others again.
    other.sql(&format!("drop database {}", begun[0]))?;
    place.restore(&other, &words, 1)?.says(&["No space left"])?;
    assert!(other.sql(BEGUN)?.is_empty());

    place.restore(&other, &resume, 1)?;
    let begun = other.sql(BEGUN)?.concat();
    let arrived = "select min(xmin::text::bigint)::text from account";
    let before = other.sql_in(&begun[0], arrived)?;
    assert_ne!(before, [[""]], "nothing had arrived");
    small.remount("size=800m")?;

    let is_piece = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.split('.').next().is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let pieces: Vec<PathBuf> = place.site.objects("/dumps/")?.into_iter().filter(is_piece).collect();
    let sound = pieces.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    for (piece, sound) in pieces.iter().zip(&sound) {
        damage::flip_bit(piece, sound.len() / 2)?;
    }
    place.restore(&other, &resume, 10)?.says(&["--resume goes on with it", "use another dump"])?;
    assert_eq!(other.sql(BEGUN)?.concat(), begun);
    for (piece, sound) in pieces.iter().zip(&sound) {
        account().write(piece, sound, 0o640)?;
    }
    place.restore(&other, &resume, 0)?;
    assert_eq!(other.sql_in("copy", arrived)?, before);
    assert_eq!(content_of(&other, "copy")?, content_of(&place.server, "postgres")?);
    Ok(())
}

/// Whose the database was is asked before anything is loaded.
pub fn without_owner(install: &'static Installation) -> Outcome {
    let place = Place::new(install)?;
    place.server.sql("create role clerk")?;
    place.server.sql("create database shop owner clerk")?;
    script(&place.server, "shop", LARGE)?;
    place.dump(&["shop"], 0)?;
    let other = Server::builder(install).start()?;
    let mut document = Document::new();
    let refused = place.restore(&other, &["--json"], 4)?;
    document.compare("dump restore: whose the database was, the server has not", &place.site, refused)?;
    assert_eq!(Place::databases(&other)?, ["postgres"]);
    place.restore(&other, &["--no-owner", "--database", "shop=plain"], 0)?;
    place.restore(&other, &["--globals"], 0)?;
    let owners = "select datname, datdba::regrole::text from pg_database where datname in ('plain', 'shop') order by 1";
    assert_eq!(other.sql(owners)?, [["plain", "postgres"], ["shop", "clerk"]]);
    document.end()
}
