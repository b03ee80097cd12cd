//! `pgcairn restore --table`

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::cli::argument;
use crate::model::error::{Code, Error, Result};
use crate::model::table_name::TableName;
use crate::operation::restore_table::Destination;

/// What belongs to whole directories.
const OF_DIRECTORIES: [&str; 5] = ["target_dir", "action", "tablespaces", "start", "port"];

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("destination").args(["output", "into"]))]
pub struct TableArguments {
    /// Only these tables, with commas between them; names as PostgreSQL writes them
    #[arg(long, value_name = "DATABASE.SCHEMA.TABLE", value_parser = tables, requires = "destination",
        conflicts_with_all = OF_DIRECTORIES, help_heading = "Single tables")]
    pub table: Option<Tables>,
    /// Into a new file: a script where its name ends with .sql, else an archive for pg_restore
    #[arg(long, value_name = "FILE", requires = "table", help_heading = "Single tables")]
    output: Option<PathBuf>,
    /// Into a live database, below a new schema beside the tables that are there; a connection string of libpq
    #[arg(long, value_name = "CONNECTION", requires = "table", help_heading = "Single tables")]
    into: Option<String>,
    /// Where the copy is made, with room for the cluster [default: scratch in [drill], else TMPDIR]
    #[arg(long, value_name = "DIR", requires = "table", help_heading = "Single tables")]
    pub scratch: Option<PathBuf>,
}

#[derive(Debug, Clone)]
pub struct Tables(pub Vec<TableName>);

fn tables(text: &str) -> std::result::Result<Tables, String> {
    TableName::list(text).map(Tables).map_err(|error| error.to_string())
}

impl TableArguments {
    /// clap has seen to it that there is one.
    pub fn destination(&self) -> Result<Destination> {
        match (&self.output, &self.into) {
            (Some(file), _) => Ok(Destination::File(std::path::absolute(file).unwrap_or_else(|_| file.clone()))),
            (None, Some(text)) => argument::connection("--into", text).map(Destination::Live),
            (None, None) => {
                Err(Error::new(Code::Usage, "it is not said where the tables go").hint("pgcairn restore --help"))
            }
        }
    }
}
