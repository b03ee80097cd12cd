//! What is read of a data directory, held against what PostgreSQL's own programs say of it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use pgcairn::model::control_file::{ControlFile, DataChecksums};
use pgcairn::model::lsn::Lsn;
use pgcairn::model::manifest::Slice;
use pgcairn::model::relation::Fork;
use pgcairn::source::{DataDirectory, Entry, Item, Kind, PageChecks, SliceReader};

use super::support::account::account;
use super::support::majors::Installation;
use super::support::server::{Server, Shutdown, run};
use super::support::{Outcome, Scenario};

/// Later than any page: every page is judged.
const NO_BACKUP: Lsn = Lsn(u64::MAX);

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "data_directory::control_file", run: control_file },
        Scenario { name: "data_directory::same_names_as_pg_basebackup", run: same_names_as_pg_basebackup },
        Scenario { name: "data_directory::every_page_is_verified", run: every_page_is_verified },
    ]
}

fn control_file(install: &'static Installation) -> Outcome {
    let settings = [("max_connections", "77"), ("max_locks_per_transaction", "99"), ("wal_log_hints", "on")];
    let builder = Server::builder(install).segment_mib(64).checksums(false);
    let server = settings.into_iter().fold(builder, |builder, (name, value)| builder.setting(name, value)).start()?;
    server.sql("checkpoint")?;
    let file = pgcairn::source::read_control_file(server.data())?;
    let seen = described(&file);
    for (label, value) in seen {
        assert_eq!(server.control(label)?, value, "{label}");
    }
    assert_eq!((file.max_connections, file.max_locks_per_transaction, file.wal_log_hints), (77, 99, true));
    assert_eq!((file.wal_segment_size, file.data_checksums), (64 << 20, DataChecksums::Off));
    assert_eq!(file.major, install.major);
    assert!(server.data().join("base").exists());
    Ok(())
}

fn described(file: &ControlFile) -> Vec<(&'static str, String)> {
    vec![
        ("Database system identifier", file.system_identifier.to_string()),
        ("Catalog version number", file.catalog_version_no.to_string()),
        ("Latest checkpoint location", unpadded(file.checkpoint)),
        ("Latest checkpoint's REDO location", unpadded(file.redo)),
        ("Latest checkpoint's TimeLineID", file.timeline.to_string()),
        ("max_connections setting", file.max_connections.to_string()),
        ("max_worker_processes setting", file.max_worker_processes.to_string()),
        ("max_wal_senders setting", file.max_wal_senders.to_string()),
        ("max_prepared_xacts setting", file.max_prepared_transactions.to_string()),
        ("max_locks_per_xact setting", file.max_locks_per_transaction.to_string()),
        ("Bytes per WAL segment", file.wal_segment_size.to_string()),
        ("Database block size", file.page_size.to_string()),
    ]
}

fn unpadded(lsn: Lsn) -> String {
    lsn.to_string()
}

/// Relations of every kind, a tablespace by link and one in place, and names that no server makes.
fn populate(server: &Server) -> Outcome {
    let space = server.scratch().join("a space");
    account().make_dir(&space)?;
    server.sql(&format!("create tablespace linked location '{}'", space.display()))?;
    server.sql("create table plain as select n, repeat('x', 500) as t from generate_series(1, 5000) n")?;
    server.sql("create index on plain (n)")?;
    server.sql("create table away tablespace linked as select * from plain")?;
    server.sql("create unlogged table quick as select * from plain")?;
    server.sql("create unlogged table quick_away tablespace linked as select * from plain")?;
    server.sql("create database other")?;
    if server.install.major >= 15 {
        let mut session = server.client()?;
        session.batch_execute("set allow_in_place_tablespaces = on")?;
        session.batch_execute("create tablespace in_place location ''")?;
        server.sql("create table placed tablespace in_place as select * from plain")?;
    }
    server.sql("vacuum")?;
    let odd = server.data().join("odd");
    account().make_dir(&odd)?;
    for name in ["with space", "a=[b]#\\c", "gr\u{fc}n", "postmaster.pid", "t1_2", "17"] {
        account().write(&odd.join(name), name, 0o600)?;
    }
    for name in ["current_logfiles", "backup_label.old", "base/pgsql_tmp_no", "pg_notify/left"] {
        account().write(&server.data().join(name), name, 0o600)?;
    }
    server.sql("checkpoint").map(drop)
}

/// Names of the copy that differ by design: basebackup.c skips our root names at any depth, and does not know
/// some of them.
const ONLY_OURS: [&str; 1] = ["odd/postmaster.pid"];
const ONLY_THEIRS: [&str; 4] = ["backup_label", "current_logfiles", "backup_label.old", "pg_wal/summaries"];

fn same_names_as_pg_basebackup(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).start()?;
    populate(&server)?;
    let mut session = server.client()?;
    session.batch_execute("create temp table fleeting as select * from plain")?;

    let ours: BTreeSet<String> = entries(server.data())?.into_iter().map(|entry| entry.path.to_string()).collect();
    let copy = server.scratch().join("copy");
    let mut backup = server.program("pg_basebackup");
    backup.args(["--wal-method=none", "--checkpoint=fast", "--no-manifest", "--no-sync", "-D"]).arg(&copy);
    let (from, to) = (server.scratch().join("a space"), server.scratch().join("moved"));
    run(backup.arg("-T").arg(format!("{}={}", from.display(), to.display())))?;
    let mut theirs = BTreeSet::new();
    names(&copy, "", &mut theirs)?;

    let only_ours: Vec<_> = ours.difference(&theirs).filter(|name| !ONLY_OURS.contains(&name.as_str())).collect();
    let only_theirs: Vec<_> = theirs.difference(&ours).filter(|name| !is_only_theirs(name)).collect();
    assert!(only_ours.is_empty() && only_theirs.is_empty(), "ours: {only_ours:?}, theirs: {only_theirs:?}");
    assert!(ours.len() > 900, "{}", ours.len());
    Ok(())
}

fn is_only_theirs(name: &str) -> bool {
    ONLY_THEIRS.contains(&name) || name == "tablespace_map"
}

/// Every name below a directory, links in pg_tblspc followed.
fn names(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) -> Outcome {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if fs::metadata(entry.path())?.is_dir() {
            names(&entry.path(), &format!("{name}/"), found)?;
        }
        found.insert(name);
    }
    Ok(())
}

fn entries(data: &Path) -> Outcome<Vec<Entry>> {
    let data = DataDirectory::open(data)?;
    let mut entries = Vec::new();
    for item in data.walk()? {
        match item? {
            Item::Entry(entry) => entries.push(entry),
            Item::Notice(notice) => return Err(format!("{notice:?}").into()),
        }
    }
    Ok(entries)
}

fn every_page_is_verified(install: &'static Installation) -> Outcome {
    let server = Server::builder(install).start()?;
    populate(&server)?;
    let path = server.value("select pg_relation_filepath('plain')")?;
    server.stop(Shutdown::Fast)?;
    assert_eq!(bad_pages(server.data())?, []);

    let file = fs::OpenOptions::new().write(true).open(server.data().join(&path))?;
    file.write_all_at(b"damage", 3 * 8192 + 4000)?;
    file.write_all_at(b"damage", 7 * 8192 + 100)?;
    let expected = [3, 7].map(|block| (path.clone(), block));
    assert_eq!(bad_pages(server.data())?, expected);
    Ok(())
}

fn bad_pages(path: &Path) -> Outcome<Vec<(String, u64)>> {
    let data = DataDirectory::open(path)?;
    let mut reader = SliceReader::new(PageChecks::new(data.control_file(), NO_BACKUP));
    let (mut bad, mut forks) = (Vec::new(), BTreeSet::new());
    for entry in entries(path)? {
        let Kind::Relation(relation) = entry.kind else { continue };
        forks.insert(relation.name.fork);
        let range = Slice { offset: 0, length: entry.attributes.size };
        let mut slice = reader.open(&data, &entry, range)?.ok_or("vanished")?;
        while reader.next(&mut slice)?.is_some() {}
        assert!(!slice.shrunk());
        bad.extend(slice.bad_blocks().iter().map(|block| (entry.path.to_string(), *block)));
    }
    assert_eq!(forks.into_iter().collect::<Vec<_>>(), [Fork::Main, Fork::Fsm, Fork::Vm, Fork::Init]);
    Ok(bad)
}
