//! What a person is told of it, with commands that can be typed as they stand.

use super::family::Family;
use super::file::{Files, format_of};
use super::live::{Live, LiveWords};
use super::{Destination, Request};
use crate::model::shell_word::shell_word;
use crate::model::table_name::quoted;
use crate::operation::restore::{self, Restored, StoppedCopy};
use crate::operation::{Context, scratch};
use crate::report::restore::Plan;
use crate::report::restore_table::{Command, File, Format, LiveSchema, RestoredTables, Table};

/// Of the schema: the moment, or the backup where the target is none.
pub fn schema(plan: &Plan) -> String {
    let of_backup = || plan.backup.to_string().to_ascii_lowercase().replace('-', "_");
    let of_time = |time: jiff::Timestamp| {
        let micros = time.subsec_microsecond();
        let fraction = if micros == 0 { String::new() } else { format!("_{micros:06}") };
        format!("{}{fraction}", time.strftime("%Y%m%d_%H%M%S"))
    };
    format!("restored_{}", plan.target_time.map_or_else(of_backup, of_time))
}

pub fn begin(context: &Context, request: &Request, restored: &Restored, live: Option<&Live>) -> RestoredTables {
    let plan = &restored.plan;
    let into = live.map(|live| LiveSchema {
        database: live.database.clone(),
        schema: live.schema.clone(),
        postgresql: live.version().to_owned(),
    });
    let file = match &request.to {
        Destination::File(path) => Some(File { path: path.clone(), format: format_of(path), database: None }),
        Destination::Live(_) => None,
    };
    RestoredTables {
        cluster: plan.cluster.clone(),
        repository: plan.repository.clone(),
        restored: scratch::told(restored),
        scratch: request.scratch.clone(),
        bytes_needed: plan.bytes_needed,
        bytes_free: plan.bytes_free,
        wanted: request.tables.iter().map(ToString::to_string).collect(),
        into,
        files: file.into_iter().collect(),
        reached: None,
        tables: Vec::new(),
        left_out: Vec::new(),
        needs: Vec::new(),
        read_bytes: restored.opened.repository.reader().bytes_read(),
        phases: Vec::new(),
        seconds: 0.0,
        commands: Vec::new(),
        next: context.command("status"),
    }
}

/// The command that carries out what was planned.
pub fn again(context: &Context, request: &Request, asked: &restore::Request) -> String {
    let path = |path: &std::path::Path| shell_word(&path.to_string_lossy());
    let tables: Vec<String> = request.tables.iter().map(ToString::to_string).collect();
    let mut words = vec![format!("restore --table {}", shell_word(&tables.join(",")))];
    words.push(match &request.to {
        Destination::File(file) => format!("--output {}", path(file)),
        Destination::Live(connection) => format!("--into {}", shell_word(connection.text())),
    });
    words.extend(restore::beginning(asked));
    words.push(format!("--scratch {}", path(&request.scratch)));
    words.extend(request.start.preload.iter().map(|library| format!("--preload {}", shell_word(library))));
    words.extend(request.start.bindir.iter().map(|directory| format!("--bindir {}", path(directory))));
    words.extend(request.accept_unsigned.then(|| "--accept-unsigned".to_owned()));
    words.extend(request.jobs.map(|jobs| format!("--jobs {jobs}")));
    words.extend(request.identity.iter().map(|file| format!("--identity {}", path(file))));
    context.command(&words.join(" "))
}

pub fn of_files(report: &mut RestoredTables, copy: &StoppedCopy, families: &[Family], files: &Files) {
    report.files.clear();
    for family in families {
        let Some(path) = files.of(&family.database) else { continue };
        report.files.push(File {
            path: path.to_owned(),
            format: files.format,
            database: Some(family.database.clone()),
        });
        let (file, database) = (shell_word(&path.to_string_lossy()), shell_word(&family.database));
        let program = |name: &str| shell_word(&copy.installation.program(name).to_string_lossy());
        report.commands.extend(match files.format {
            Format::Script => [
                Command { does: "look", command: format!("less {file}") },
                Command {
                    does: "load",
                    command: format!("{} -1 -v ON_ERROR_STOP=1 -d {database} -f {file}", program("psql")),
                },
            ],
            Format::Archive => [
                Command { does: "look", command: format!("{} --list {file}", program("pg_restore")) },
                Command { does: "load", command: format!("{} -1 -d {database} {file}", program("pg_restore")) },
            ],
        });
    }
    report.next = report.commands.first().map(|command| command.command.clone()).unwrap_or_default();
}

pub fn of_live(report: &mut RestoredTables, copy: &StoppedCopy, live: &Live, put_back: Vec<String>) {
    let psql = |statement: &str| live.psql(&copy.installation, statement);
    for table in &report.tables {
        let name = format!("{}.{}", live.schema, quoted(&table.name));
        report.commands.push(Command { does: "look", command: psql(&format!("SELECT * FROM {name} LIMIT 20")) });
    }
    report.commands.extend(put_back.iter().map(|statement| Command { does: "put back", command: psql(statement) }));
    let remove = format!("DROP SCHEMA {} CASCADE", live.schema);
    report.commands.push(Command { does: "remove", command: psql(&remove) });
    report.next = report.commands.first().map(|command| command.command.clone()).unwrap_or_default();
}

/// What arrived, beside what the copy has.
pub fn with_loaded(counted: Vec<Table>, moved: &Family, loaded: &[u64]) -> Vec<Table> {
    let rows = moved.rows();
    let of = |oid: &u32| rows.iter().zip(loaded).find(|((member, _), _)| member.oid == *oid).map(|(_, loaded)| *loaded);
    let sum = |family: &[u32]| family.iter().filter_map(of).sum();
    let tables = counted.into_iter().zip(&moved.wanted);
    tables.map(|(table, wanted)| Table { loaded_rows: Some(sum(&wanted.family)), ..table }).collect()
}

/// The beginning of a command.
pub fn client(live: &LiveWords<'_>) -> String {
    let database = match live.connection.names_database() {
        true => String::new(),
        false => format!("PGDATABASE={} ", shell_word(live.database)),
    };
    let program = shell_word(&live.installation.program("psql").to_string_lossy());
    format!("{database}{program} -d {}", shell_word(live.connection.text()))
}

pub fn psql(live: &LiveWords<'_>, statement: &str) -> String {
    format!("{} -c {}", client(live), shell_word(statement))
}
