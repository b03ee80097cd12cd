//! docs/restore-by-hand.md, executed: a cluster comes back with age, zstd and jq alone.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgcairn::model::signature::SigningKey;

use super::support::account::account;
use super::support::document::{commands, run_commands};
use super::support::majors::Installation;
use super::support::scratch::Scratch;
use super::support::server::{PORT, Server, Shutdown, run};
use super::support::site::Site;
use super::support::{Outcome, Scenario, damage, full_length, skip};

const DOCUMENT: &str = include_str!("../../docs/restore-by-hand.md");
const SCRIPT: &str = include_str!("../../docs/restore-by-hand.sh");

const TARGET: &str = "before the mistake";
/// What must be the same there and here.
const SUMS: &str = "select count(*), coalesce(sum(hashtext(t::text)), 0) from t union all \
                    select count(*), coalesce(sum(hashtext(f::text)), 0) from f union all \
                    select count(*), coalesce(sum(hashtext(g::text)), 0) from g";

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "by_hand::encrypted", run: |install| by_hand(install, true) },
        Scenario { name: "by_hand::unencrypted", run: |install| by_hand(install, false) },
    ]
}

fn by_hand(install: &'static Installation, encrypted: bool) -> Outcome {
    for program in ["age", "zstd", "jq", "openssl"] {
        if !["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|dir| Path::new(dir).join(program).exists()) {
            return skip(format!("{program} is not installed"));
        }
    }
    let origin = origin(install)?;
    let site = if encrypted { Site::new(&origin)? } else { Site::unencrypted(&origin)? };
    site.init()?;
    site.archive_from(&origin)?;
    site.run(&["backup"])?.ok()?;
    origin.sql("insert into t select n, 'after the backup' from generate_series(1, 500) n")?;
    let expected = origin.psql(SUMS)?;
    origin.sql(&format!("select pg_create_restore_point('{TARGET}')"))?;
    origin.sql("drop table f; delete from t")?;
    origin.archive_all()?;
    origin.stop(Shutdown::Immediate)?;

    refused_by_openssl(&site)?;
    let restored = Restored::new(install, &site, &tablespace(&origin))?;
    assert_eq!(restored.psql(SUMS)?, expected);
    for name in odd_names().into_iter().chain(["with holes".into()]) {
        let (there, here) = (origin.data().join(&name), restored.data().join(&name));
        assert!(fs::read(there)? == fs::read(here)?, "{name:?} differs");
    }
    if full_length() {
        restored.amcheck()?;
    }
    Ok(())
}

/// A summary that says something else, and a key that is another host's.
fn refused_by_openssl(site: &Site) -> Outcome {
    let fork = site.fork()?;
    damage::edit(&fork.object("/backups/")?, |bytes| {
        *bytes = String::from_utf8_lossy(bytes).replacen("\"parts\":", "\"parts\": ", 1).into_bytes();
    })?;
    let other = SigningKey::from_seed([9; 32]).public().to_string();
    for (site, trusted) in [(&fork, site.public_key()?), (site, other)] {
        let scratch = Scratch::new()?;
        let repository = site.repository().display().to_string();
        let blocks: Vec<&str> =
            commands(DOCUMENT).into_iter().take_while(|block| !block.contains("restore-by-hand.sh")).collect();
        let ran = run_commands(&blocks, scratch.path(), &[("REPOSITORY", &repository), ("TRUSTED", &trusted)]);
        assert!(ran.is_err(), "openssl verified it: {ran:?}");
    }
    Ok(())
}

/// A server with a tablespace elsewhere and one within, a file of two slices, and files that PostgreSQL did not make.
fn origin(install: &'static Installation) -> Outcome<Server> {
    let server = Server::builder(install).setting("archive_mode", "on").setting("wal_level", "replica").create()?;
    write_odd_files(&server)?;
    server.start()?;
    account().make_dir(&tablespace(&server))?;
    server.sql(&format!("create tablespace fast location '{}'", tablespace(&server).display()))?;
    account().make_dir(&server.data().join("inside"))?;
    server.sql(&format!("create tablespace inside location '{}'", server.data().join("inside").display()))?;
    server.sql(
        "create table t (n int, x text);
         create table g tablespace inside as select generate_series(1, 1000) as n;
         create table f (n int, x text) tablespace fast;
         insert into t select n, repeat(md5(n::text), 10) from generate_series(1, 20000) n;
         insert into f select n, md5(n::text) from generate_series(1, 5000) n",
    )?;
    Ok(server)
}

fn tablespace(origin: &Server) -> PathBuf {
    origin.scratch().join("ts")
}

fn odd_names() -> Vec<OsString> {
    let names: [&[u8]; 5] = [b"odd \xff\n\t", b"back\\x41 =[# ", b"-rf", b"$(id) 'x' \"y\"", b"empty"];
    names.iter().map(|name| OsString::from_vec(name.to_vec())).collect()
}

fn write_odd_files(server: &Server) -> Outcome {
    for (number, name) in odd_names().into_iter().enumerate() {
        let size = if name == "empty" { 0 } else { 40_000 * number + 1 };
        account().write(&server.data().join(name), vec![b'x'; size], 0o600)?;
    }
    let mut holes = vec![0; 150 << 20];
    holes[100 << 20] = 1;
    holes[140 << 20] = 2;
    Ok(account().write(&server.data().join("with holes"), holes, 0o640)?)
}

/// What the document leaves behind: a running server, stopped with this value.
struct Restored {
    install: &'static Installation,
    scratch: Scratch,
}

impl Restored {
    fn new(install: &'static Installation, site: &Site, old: &Path) -> Outcome<Restored> {
        let restored = Restored { install, scratch: Scratch::new()? };
        let path = |name: &str| restored.scratch.join(name).display().to_string();
        account().make_dir(&restored.scratch.join("s"))?;
        account().write(&restored.scratch.join("restore-by-hand.sh"), SCRIPT, 0o755)?;
        let tablespaces = format!("-t {}={}", old.display(), path("ts"));
        let stop = format!("recovery_target_name = '{TARGET}'");
        let (repository, identity) = (site.repository().display().to_string(), site.identity().display().to_string());
        run_commands(
            &commands(DOCUMENT),
            restored.scratch.path(),
            &[
                ("REPOSITORY", &repository),
                ("IDENTITY", &identity),
                ("TARGET", &path("target")),
                ("SOCKETS", &path("s")),
                ("PGBIN", &install.bin().display().to_string()),
                ("TABLESPACES", &tablespaces),
                ("STOP", &stop),
                ("TRUSTED", &site.public_key()?),
            ],
        )?;
        Ok(restored)
    }

    fn data(&self) -> PathBuf {
        self.scratch.join("target")
    }

    fn program(&self, name: &str) -> Command {
        let mut command = account().command(self.install.program(name));
        command.env("PGHOST", self.scratch.join("s")).env("PGPORT", PORT.to_string());
        command.env("PGUSER", "postgres").env("PGDATABASE", "postgres");
        command
    }

    fn psql(&self, text: &str) -> Outcome<String> {
        run(self.program("psql").args(["-XAt", "-v", "ON_ERROR_STOP=1", "-c", text]))
    }

    fn amcheck(&self) -> Outcome {
        run(self.program("pg_amcheck").args(["--all", "--install-missing", "--heapallindexed"])).map(drop)
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        let _ = stop.arg("-D").arg(self.data()).args(["-m", "immediate", "-w", "stop"]).output();
    }
}
