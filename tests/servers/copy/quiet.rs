//! One server that holds still, with everything in its data directory that a copy may stumble over, and one
//! backup of it. Trials use it together and change neither.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use postgres::Client;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::shared::shared;
use crate::support::site::{Run, Site};
use crate::support::sql::query;

/// Nothing is written but by the checkpoint that a backup begins with.
const STILL: [(&str, &str); 4] =
    [("autovacuum", "off"), ("bgwriter_lru_maxpages", "0"), ("checkpoint_timeout", "'1h'"), ("archive_mode", "on")];

pub const ODD_NAMES: [&[u8]; 11] = [
    b"latin-\xfc\xff",
    "gr\u{fc}n".as_bytes(),
    b"a=b",
    b"[x]",
    b"#hash",
    b"back\\slash\\x41",
    b" two words ",
    b"new\nline",
    b"tab\tbell\x07",
    b"-rf",
    b"{\"hex\":\"00\"}",
];

/// Rows that the restored copy must show.
pub const SUMS: &str = "select count(*), coalesce(sum(hashtext(a::text)), 0) from plain a union all \
                        select count(*), coalesce(sum(hashtext(b::text)), 0) from in_fast b union all \
                        select count(*), coalesce(sum(hashtext(c::text)), 0) from in_place c";

pub struct Quiet {
    pub server: Server,
    pub site: Site,
    pub id: String,
    pub backup: Value,
    pub run: Run,
    pub outside: Scratch,
    _wal: Scratch,
    /// Keeps its temporary table.
    _session: Mutex<Client>,
}

pub fn quiet(install: &'static Installation) -> Outcome<Arc<Quiet>> {
    shared(install.major, "copy of a quiet server", || make(install))
}

impl Quiet {
    /// Where the tablespace lies, all links resolved.
    pub fn fast(&self) -> PathBuf {
        self.server.scratch().join("fast")
    }

    /// `PG_<major>_<catalog version>`
    pub fn version_directory(&self) -> Outcome<String> {
        let names = fs::read_dir(self.fast())?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        names
            .into_iter()
            .find(|name| name.starts_with("PG_") && name != OTHER_VERSION)
            .ok_or("no directory of ours".into())
    }
}

/// Of another major version that uses the tablespace too.
const OTHER_VERSION: &str = "PG_9.4_201409291";

fn make(install: &'static Installation) -> Outcome<Quiet> {
    let (wal, outside) = (Scratch::new()?, Scratch::new()?);
    let builder = Server::builder(install).initdb("--allow-group-access");
    let builder = builder.initdb(&format!("--waldir={}", wal.join("wal").display()));
    let server = STILL.into_iter().fold(builder, |builder, (name, value)| builder.setting(name, value)).create()?;
    let site = Site::new(&server)?;
    write_odd_files(server.data())?;
    lead_away(&server, &outside)?;
    server.start()?;
    site.init()?;
    site.archive_from(&server)?;
    let session = fill(&server)?;
    server.sql("checkpoint")?;
    let run = site.run(&["backup", "--json"])?.ok()?;
    let backup = run.result()?;
    let id = backup["id"].as_str().ok_or("the backup has no id")?.to_owned();
    Ok(Quiet { server, site, id, backup, run, outside, _wal: wal, _session: Mutex::new(session) })
}

fn write_odd_files(data: &Path) -> Outcome {
    let write = |path: &Path, bytes: Vec<u8>, mode: u32| -> Outcome { Ok(account().write(path, bytes, mode)?) };
    let odd = data.join("odd");
    account().make_dir(&odd)?;
    for (number, name) in ODD_NAMES.into_iter().enumerate() {
        write(&odd.join(OsStr::from_bytes(name)), vec![b'a' + number as u8; 1000 * number], 0o640)?;
        write(&data.join(OsStr::from_bytes(name)), format!("{number}").into_bytes(), 0o600)?;
    }
    for (name, size) in [("one", 1), ("short", 262_144), ("long", 262_145), ("frames", (2 << 20) + 5)] {
        write(&odd.join(name), (0..size).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(), 0o600)?;
    }
    write(&odd.join("zeros"), vec![0; 400_000], 0o600)?;
    let mut holes = vec![0; 4 << 20];
    holes[3_000_000] = 1;
    write(&odd.join("holes"), holes, 0o600)?;
    write(&data.join("server.key"), b"not to be written to".to_vec(), 0o400)?;
    for (name, mode) in [("empty", 0o700), ("closed", 0o500), ("deep", 0o750)] {
        account().make_dir(&odd.join(name))?;
        if name != "empty" {
            write(&odd.join(name).join("file"), name.into(), 0o440)?;
        }
        fs::set_permissions(odd.join(name), fs::Permissions::from_mode(mode))?;
    }
    mknodat(CWD, odd.join("fifo"), FileType::Fifo, Mode::RUSR, 0)?;
    account().own(&odd.join("fifo"))?;
    symlink("/etc/hostname", odd.join("link to a file"))?;
    symlink("empty", odd.join("link to a directory"))?;
    for name in ["backup_label.old", "standby.signal.old", "current_logfiles"] {
        write(&data.join(name), b"from before".to_vec(), 0o600)?;
    }
    Ok(())
}

/// Lines that lead a copy to its origin, or out of itself.
fn lead_away(server: &Server, outside: &Scratch) -> Outcome {
    let data = server.data().display();
    account().write(&outside.join("outside.conf"), "work_mem = '7MB'\n", 0o644)?;
    let (ident, linked) = (server.data().join("pg_ident.conf"), outside.join("pg_ident.conf"));
    account().write(&linked, fs::read(&ident)?, 0o644)?;
    fs::remove_file(&ident)?;
    symlink(&linked, &ident)?;
    account().make_dir(&server.data().join("conf.d"))?;
    let inside = format!("maintenance_work_mem = '33MB'\nident_file = '{data}/pg_ident.conf'\n");
    account().write(&server.data().join("conf.d/inside.conf"), inside, 0o600)?;
    server.append_setting("data_directory", &format!("'{data}'"))?;
    server.append_setting("hba_file", &format!("'{data}/pg_hba.conf'"))?;
    server.append_setting("include_dir", "'conf.d'")?;
    server.append_setting("include", &format!("'{}'", outside.join("outside.conf").display()))?;
    // Only read by a recovery, which must not run it.
    server.append_setting("archive_cleanup_command", &format!("'touch {}/cleaned'", outside.path().display()))?;
    server.append_setting("recovery_end_command", &format!("'touch {}/ended'", outside.path().display()))
}

/// Relations of every kind; the session that is returned has a temporary table.
fn fill(server: &Server) -> Outcome<Client> {
    let fast = server.scratch().join("fast");
    account().make_dir(&fast)?;
    account().make_dir(&fast.join(OTHER_VERSION))?;
    account().write(&fast.join(OTHER_VERSION).join("1"), "of another server", 0o600)?;
    server.sql(&format!("create tablespace fast location '{}'", fast.display()))?;
    let mut allowed = server.client()?;
    query(&mut allowed, "set allow_in_place_tablespaces = on")?;
    query(&mut allowed, "create tablespace in_place location ''")?;
    server.sql("create database other tablespace fast")?;
    server.sql(
        "create table plain (n int primary key, x text);
         create table in_fast (n int, x text) tablespace fast;
         create table in_place (n int, x text) tablespace in_place;
         create unlogged table careless (n int primary key, x text);
         create unlogged table careless_fast (n int primary key) tablespace fast;
         create sequence counted;
         insert into plain select n, repeat(md5(n::text), 5) from generate_series(1, 5000) n;
         insert into in_fast select n, md5(n::text) from generate_series(1, 3000) n;
         insert into in_place select n, md5(n::text) from generate_series(1, 2000) n;
         insert into careless select n, md5(n::text) from generate_series(1, 1000) n;
         insert into careless_fast select generate_series(1, 1000);
         select nextval('counted')",
    )?;
    server.sql_in("other", "create table there as select generate_series(1, 100) as n")?;
    chain_link(server, &fast)?;
    let mut session = server.client()?;
    query(&mut session, "create temp table passing as select generate_series(1, 20000) as n")?;
    query(&mut session, "create temp table passing_fast tablespace fast as select generate_series(1, 20000) as n")?;
    for database in ["postgres", "other"] {
        server.sql_in(database, "vacuum (freeze, analyze)")?;
    }
    Ok(session)
}

/// pg_tblspc/<oid> leads to a link that leads to the directory, as after a move to a larger disk.
fn chain_link(server: &Server, fast: &Path) -> Outcome {
    let oid = server.value("select oid from pg_tablespace where spcname = 'fast'")?;
    let (link, via) = (server.data().join("pg_tblspc").join(oid), server.scratch().join("via"));
    symlink(fast, &via)?;
    let new = server.scratch().join("new link");
    symlink(&via, &new)?;
    Ok(fs::rename(&new, &link)?)
}
