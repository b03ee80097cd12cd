//! docs/dump.md, executed: its commands as they stand, and a restore without pgcairn.

use std::fs;

use super::{LARGE, Place, SCHEMA, content_of, schema_of, script};
use crate::support::document::{commands, run_commands};
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::PORT;
use crate::support::site::binary;
use crate::support::{Outcome, skip};

const DOCUMENT: &str = include_str!("../../../docs/dump.md");

pub fn by_hand(install: &'static Installation) -> Outcome {
    for program in ["age", "zstd", "jq"] {
        if !["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|dir| std::path::Path::new(dir).join(program).exists()) {
            return skip(format!("{program} is not installed"));
        }
    }
    let place = Place::new(install)?;
    let server = &place.server;
    for name in ["shop", "crm_one", "crm_test"] {
        server.sql(&format!("create database {name}"))?;
    }
    script(server, "shop", SCHEMA)?;
    script(server, "shop", LARGE)?;
    server.sql("alter database shop owner to clerk")?;
    let blocks = commands(DOCUMENT);
    assert_eq!(blocks.len(), 7);
    let scratch = Scratch::new()?;
    let (identity, connection) = (place.site.identity().display().to_string(), server.connection());
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", place.bindir());
    let socket = server.socket_dir().display().to_string();
    let port = PORT.to_string();
    let environment = [
        ("PATH", path.as_str()),
        ("PGCAIRN_CONFIG", &place.site.config().display().to_string()),
        ("PGCAIRN_IDENTITY", &identity),
        ("IDENTITY", &identity),
        ("SERVER", &connection),
        ("PGHOST", &socket),
        ("PGPORT", &port),
        ("PGUSER", "postgres"),
    ];
    let pgcairn = format!("pgcairn() {{ {} \"$@\"; }}", binary().display());
    run_commands(&[&pgcairn, blocks[0]], scratch.path(), &environment)?;
    place.dump(&["shop"], 0)?;
    run_commands(&[&pgcairn, blocks[1], blocks[2]], scratch.path(), &environment)?;
    let kept = Place::databases(server)?.into_iter().filter(|name| name.starts_with("shop_restored_before_")).count();
    assert_eq!(kept, 1);
    run_commands(&[&pgcairn, blocks[3], blocks[4]], scratch.path(), &environment)?;
    assert_eq!(content_of(server, "shop_again")?, content_of(server, "shop")?);
    assert_eq!(server.sql_in("shop_look", "select count(*)::text from account")?, [["200000"]]);
    assert_eq!(content_of(server, "shop_restored")?, content_of(server, "shop")?);

    let newest = place.dumps()?.pop().ok_or("no dump")?["id"].as_str().unwrap_or_default().to_owned();
    let marker = place.site.object(&format!("/dumps/{newest}.json"))?;
    let directory = marker.with_extension("").display().to_string();
    let own = [("DIRECTORY", directory.as_str()), ("DATABASE", "shop"), ("NEW", "by hand")];
    run_commands(&blocks[5..], scratch.path(), &[&environment[..], &own].concat())?;
    assert_eq!(schema_of(server, "by hand")?, schema_of(server, "shop")?);
    assert_eq!(content_of(server, "by hand")?, content_of(server, "shop")?);
    let owned = "select pg_get_userbyid(datdba) from pg_database where datname in ('shop', 'by hand') order by 1";
    assert_eq!(server.sql(owned)?, [["clerk"], ["clerk"]]);
    // A piece that is gone ends it: nobody takes what is left for all.
    let largest = fs::read_dir(&directory)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let largest = largest.max_by_key(|path| fs::metadata(path).map_or(0, |about| about.len())).ok_or("no piece")?;
    fs::remove_file(largest)?;
    let own = [("DIRECTORY", directory.as_str()), ("DATABASE", "shop"), ("NEW", "in part")];
    assert!(run_commands(&blocks[5..], scratch.path(), &[&environment[..], &own].concat()).is_err());
    Ok(())
}
