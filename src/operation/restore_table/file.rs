//! Tables into files: one for each database, each written beside its place, and put there when all are whole.

use std::path::{Path, PathBuf};

use super::family::Family;
use super::{Destination, Request};
use crate::model::error::{Code, Error, Result};
use crate::model::table_name::quoted;
use crate::operation::restore::StoppedCopy;
use crate::operation::scratch::{Deadline, Place};
use crate::postgres::{Program, ScratchServer};
use crate::report::restore_table::Format;
use crate::sink::{PRIVATE, Replacement, SinkError};

/// What is below it is a script.
const SCRIPT: &str = "sql";

/// None where nothing goes into files.
pub struct Files {
    files: Vec<(String, PathBuf, Option<Replacement>)>,
    pub format: Format,
}

impl Files {
    /// Whoever waits for hours is not to learn at their end that nothing can be written.
    pub fn begin(request: &Request) -> Result<Files> {
        let Destination::File(path) = &request.to else {
            return Ok(Files { files: Vec::new(), format: Format::Archive });
        };
        let format = format_of(path);
        let begun = |(database, name): (String, PathBuf)| {
            let file = Replacement::begin(&name, PRIVATE).map_err(|error| unwritable(&name, &error))?;
            Ok((database, name, Some(file)))
        };
        let files = names(request)?.into_iter().map(begun).collect::<Result<_>>()?;
        Ok(Files { files, format })
    }

    pub fn dump(
        &mut self,
        copy: &StoppedCopy,
        server: &ScratchServer,
        family: &Family,
        place: &Place,
        deadline: &Deadline,
    ) -> Result<()> {
        let begun = self.files.iter().find(|(database, ..)| *database == family.database);
        let Some((_, path, Some(file))) = begun else { return Ok(()) };
        let mut dump = dump_of(copy, server, &family.database);
        dump.argument("--file").argument(file.temporary());
        dump.argument(if self.format == Format::Script { "--format=plain" } else { "--format=custom" });
        for member in &family.members {
            let pattern = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
            dump.argument(format!("--table={}.{}", pattern(&member.schema), pattern(&member.name)));
        }
        let ended = dump.run(&place.output_of("pg_dump"), deadline.interrupt())?;
        match ended.success {
            true => Ok(()),
            false => {
                Err(Error::new(Code::Io, format!("pg_dump of {} failed: {}", quoted(&family.database), ended.reason()))
                    .hint(format!("see to the room and the rights in {}", directory(path).display())))
            }
        }
    }

    pub fn finish(&mut self) -> Result<()> {
        for (_, path, file) in &mut self.files {
            let Some(file) = file.take() else { continue };
            file.finish_new().map_err(|error| match error.source.kind() {
                std::io::ErrorKind::AlreadyExists => exists(path),
                _ => unwritable(path, &error),
            })?;
        }
        Ok(())
    }

    pub fn of(&self, database: &str) -> Option<&Path> {
        self.files.iter().find(|(name, ..)| name == database).map(|(_, path, _)| path.as_path())
    }
}

/// One for each database; none of them is there.
pub fn names(request: &Request) -> Result<Vec<(String, PathBuf)>> {
    let Destination::File(path) = &request.to else { return Ok(Vec::new()) };
    let mut names: Vec<(String, PathBuf)> = Vec::new();
    for table in &request.tables {
        if !names.iter().any(|(database, _)| *database == table.database) {
            let name = name_of(path, request, &table.database)?;
            refuse_existing(&name)?;
            names.push((table.database.clone(), name));
        }
    }
    Ok(names)
}

/// A dump of one database of the copy.
pub fn dump_of(copy: &StoppedCopy, server: &ScratchServer, database: &str) -> Program {
    let mut dump = Program::new(&copy.installation, "pg_dump");
    dump.arguments(server.client_arguments()).argument("--no-password");
    // A name with an equals sign would be taken for a connection string.
    let name = database.replace('\\', r"\\").replace('\'', r"\'");
    dump.argument("--dbname").argument(format!("dbname='{name}'"));
    dump.argument("--no-publications").argument("--no-subscriptions");
    dump
}

pub fn format_of(path: &Path) -> Format {
    if path.extension().is_some_and(|extension| extension == SCRIPT) { Format::Script } else { Format::Archive }
}

/// `rows.dump`, and where there are several databases `rows.app.dump`.
fn name_of(path: &Path, request: &Request, database: &str) -> Result<PathBuf> {
    if request.tables.iter().all(|table| table.database == database) {
        return Ok(path.to_owned());
    }
    if database.contains('/') {
        let message = format!("a file cannot have the name of database {}", quoted(database));
        return Err(Error::new(Code::Usage, message).hint("one run with --output for each database"));
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    Ok(path.with_file_name(format!("{stem}.{database}{}", extension.unwrap_or_default())))
}

fn refuse_existing(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() { Err(exists(path)) } else { Ok(()) }
}

fn exists(path: &Path) -> Error {
    Error::new(Code::Conflict, format!("{} exists and is not written over", path.display()))
        .hint("name another file: --output FILE")
}

fn unwritable(path: &Path, error: &SinkError) -> Error {
    Error::new(Code::Io, format!("{} cannot be written: {}", path.display(), error.source))
        .hint("name a file in a directory that this user may write to")
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
