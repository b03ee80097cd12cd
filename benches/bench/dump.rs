//! `dump` and `dump restore` beside what PostgreSQL's own programs do with zstd and age.

use std::process::Command;

use crate::measure::{Measured, measured, paired};
use crate::report::Report;
use crate::support::account::account;
use crate::support::scratch::{self, Scratch};
use crate::support::server::Server;
use crate::support::site::Site;
use crate::{DEFAULT_SCALE, Outcome, PGBENCH_PER_HUNDRED_MB, ROWS, ROWS_PER_HUNDRED_MB};

/// Of all data, what is dumped: what a machine has time for three times and more.
const SHARE: u32 = 9;

const DATABASE: &str = "dumped";

/// What ran in turn with ours.
pub struct Row {
    pub ours: (&'static str, Vec<Measured>),
    pub beside: (&'static str, Vec<Measured>),
    /// MiB that each has stored, where it stores.
    pub stored: Option<(f64, f64)>,
}

pub struct Dumps {
    pub bytes: u64,
    pub dumps: Vec<Row>,
    pub restores: Vec<Row>,
}

pub fn dump_and_restore(server: &Server, scale: u32, runs: usize, report: &mut Report) -> Outcome {
    let work = Work::new(server, scale.min(10 * DEFAULT_SCALE) / SHARE)?;
    let (mut dumps, mut restores) = (Vec::new(), Vec::new());
    for (level, name) in [(3, "`dump`, `compression = 3`"), (1, "`dump`")] {
        work.compress_at(level)?;
        for (beside, line, file) in
            [(STREAM, STREAM_LINE, "dump.zst.age"), (DIRECTORY, DIRECTORY_LINE, "directory.zst.age")]
        {
            let (ours, others) = paired(runs, || work.dump(), || work.shell(line))?;
            let stored = (work.stored()?, std::fs::metadata(work.room.join(file))?.len() as f64 / MIB);
            dumps.push(Row { ours: (name, ours), beside: (beside, others), stored: Some(stored) });
        }
    }
    for (made, beside) in DIRECTORIES {
        work.shell(made)?;
        let (ours, others) = paired(runs, || work.restore(), || work.restore_directory())?;
        restores.push(Row { ours: ("`dump restore`", ours), beside: (beside, others), stored: None });
    }
    let bytes = server.value(&format!("select pg_database_size('{DATABASE}')"))?.parse()?;
    server.sql(&format!("drop database {DATABASE}"))?;
    report.dumps(&Dumps { bytes, dumps, restores });
    Ok(())
}

const STREAM: &str = "`pg_dump -Fc -Z0`, `zstd -3 -T<cores>`, `age`";
const STREAM_LINE: &str = "pg_dump -Fc -Z0 dumped | zstd -3 -T$CORES -q | age -r $KEY > \"$ROOM/dump.zst.age\"";
const DIRECTORY: &str = "`pg_dump -Fd -Z0 -j<cores>`, then `tar`, `zstd -3 -T<cores>`, `age`";
const DIRECTORY_LINE: &str = "rm -rf \"$ROOM/directory\" && pg_dump -Fd -Z0 -j$CORES -f \"$ROOM/directory\" dumped && \
     tar -cf - -C \"$ROOM\" directory | zstd -3 -T$CORES -q | age -r $KEY > \"$ROOM/directory.zst.age\"";
/// How each is made, and what it is.
const DIRECTORIES: [(&str, &str); 2] = [
    (
        "rm -rf \"$ROOM/directory\" && pg_dump -Fd -j$CORES -f \"$ROOM/directory\" dumped",
        "`pg_restore -j<cores>` from a directory as `pg_dump -Fd` makes it, with gzip, not encrypted",
    ),
    (
        "rm -rf \"$ROOM/directory\" && pg_dump -Fd -Z0 -j$CORES -f \"$ROOM/directory\" dumped",
        "the same, neither compressed nor encrypted (`-Fd -Z0`)",
    ),
];
const DUMP_SECTION: &str = "\n[dump]\n";
const MIB: f64 = 1024.0 * 1024.0;
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
        server.pgbench(&["-i", "-q", "-s", &(hundreds.max(1) * PGBENCH_PER_HUNDRED_MB / 2).to_string(), DATABASE])?;
        server.sql_in(DATABASE, &format!("{ROWS}{rows}) i"))?;
        server.sql_in(DATABASE, "alter table notes add primary key (id)")?;
        server.sql_in(DATABASE, "vacuum (freeze, analyze)")?;
        let site = Site::new(server)?;
        site.init()?;
        Ok(Work { server, site, room: Scratch::new()? })
    }

    fn compress_at(&self, level: u32) -> Outcome {
        let config = self.site.config();
        let text = std::fs::read_to_string(&config)?;
        let rest = text.split(DUMP_SECTION).next().unwrap_or_default();
        Ok(account().write(&config, format!("{rest}{DUMP_SECTION}compression = {level}\n"), 0o600)?)
    }

    /// MiB of the newest dump.
    fn stored(&self) -> Outcome<f64> {
        let objects = self.site.objects("-dump-")?;
        let newest = objects.iter().filter_map(|object| object.parent()).max();
        let own = objects.iter().filter(|object| object.parent() == newest);
        let bytes = own.map(|object| std::fs::metadata(object).map_or(0, |file| file.len())).sum::<u64>();
        Ok(bytes as f64 / MIB)
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
