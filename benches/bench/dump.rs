//! `dump` and `dump restore` beside what PostgreSQL's own programs do with zstd and age.

use std::process::Command;

use crate::measure::{Measured, measured, paired};
use crate::report::Report;
use crate::support::account::account;
use crate::support::scratch::{self, Scratch};
use crate::support::server::Server;
use crate::support::site::Site;
use crate::{DEFAULT_SCALE, Outcome, ROWS, ROWS_PER_HUNDRED_MB};

/// Of all data, what is dumped: what a machine has time for three times and more.
const SHARE: u32 = 9;

const DATABASE: &str = "dumped";

/// Each of these in turn with ours.
pub struct Dumps {
    pub bytes: u64,
    pub stream: (Vec<Measured>, Vec<Measured>),
    pub directory: (Vec<Measured>, Vec<Measured>),
    pub restore: (Vec<Measured>, Vec<Measured>),
}

pub fn dump_and_restore(server: &Server, scale: u32, runs: usize, report: &mut Report) -> Outcome {
    let work = Work::new(server, scale.min(10 * DEFAULT_SCALE) / SHARE)?;
    let stream = paired(runs, || work.dump(), || work.shell(STREAM))?;
    let directory = paired(runs, || work.dump(), || work.shell(DIRECTORY))?;
    work.shell(DIRECTORY)?;
    let restore = paired(runs, || work.restore(), || work.restore_directory())?;
    let bytes = server.value(&format!("select pg_database_size('{DATABASE}')"))?.parse()?;
    server.sql(&format!("drop database {DATABASE}"))?;
    report.dumps(&Dumps { bytes, stream, directory, restore });
    Ok(())
}

const STREAM: &str = "pg_dump -Fc -Z0 dumped | zstd -3 -T$CORES -q | age -r $KEY > \"$ROOM/dump.zst.age\"";
const DIRECTORY: &str = "rm -rf \"$ROOM/directory\" && pg_dump -Fd -Z0 -j$CORES -f \"$ROOM/directory\" dumped && \
     tar -cf - -C \"$ROOM\" directory | zstd -3 -T$CORES -q | age -r $KEY > \"$ROOM/directory.zst.age\"";
const RESTORE: &str = "createdb copy && pg_restore --exit-on-error -j$CORES -d copy \"$ROOM/directory\"";

struct Work<'s> {
    server: &'s Server,
    site: Site,
    room: Scratch,
}

impl Work<'_> {
    fn new(server: &Server, hundreds: u32) -> Outcome<Work<'_>> {
        server.sql(&format!("create database {DATABASE}"))?;
        let rows = u64::from(hundreds.max(1)) * u64::from(ROWS_PER_HUNDRED_MB);
        for table in ["notes", "letters"] {
            server
                .sql_in(DATABASE, &format!("{}{}) i", ROWS.replace("table notes", &format!("table {table}")), rows))?;
            server.sql_in(DATABASE, &format!("alter table {table} add primary key (id)"))?;
        }
        server.sql_in(DATABASE, "vacuum (freeze, analyze)")?;
        let site = Site::new(server)?;
        site.init()?;
        Ok(Work { server, site, room: Scratch::new()? })
    }

    fn dump(&self) -> Outcome<Measured> {
        for object in self.site.objects("-dump-")? {
            scratch::remove(&object);
        }
        let bindir = self.server.install.bin().display().to_string();
        measured(&mut self.site.command(&["dump", DATABASE, "--bindir", &bindir])).map(|run| run.0)
    }

    fn restore(&self) -> Outcome<Measured> {
        let (bindir, connection) = (self.server.install.bin().display().to_string(), self.server.connection());
        let into = ["--into", &connection, "--database", "dumped=copy", "--bindir", &bindir];
        let mut command = self.site.command(&[&["dump", "restore", "latest"], &into[..]].concat());
        let run = measured(command.env("PGCAIRN_IDENTITY", self.site.identity()))?.0;
        self.server.sql("drop database copy")?;
        Ok(run)
    }

    fn restore_directory(&self) -> Outcome<Measured> {
        let run = self.shell(RESTORE)?;
        self.server.sql("drop database copy")?;
        Ok(run)
    }

    /// With the programs of the same server first in PATH.
    fn shell(&self, line: &str) -> Outcome<Measured> {
        let key = crate::support::server::run(account().command("age-keygen").arg("-y").arg(self.site.identity()))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut command: Command = account().command("bash");
        command.args(["-o", "pipefail", "-ec", line]);
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.server.install.bin().display());
        command.env("PATH", path).env("KEY", key.trim()).env("CORES", cores.to_string());
        command.env("ROOM", self.room.path()).env("PGHOST", self.server.socket_dir());
        command.env("PGPORT", crate::support::server::PORT.to_string()).env("PGUSER", "postgres");
        measured(&mut command).map(|run| run.0)
    }
}
