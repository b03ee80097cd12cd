//! What cannot come to anything where the tables are to go, told before the work.

use std::collections::BTreeSet;

use super::{Destination, Request};
use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;
use crate::model::table_name::quoted;
use crate::operation::own_program;
use crate::postgres::Installation;

pub fn refuse(request: &Request) -> Result<()> {
    own_program::refuse_unreachable()?;
    let databases: BTreeSet<&str> = request.tables.iter().map(|table| table.database.as_str()).collect();
    match &request.to {
        Destination::Live(_) if databases.len() > 1 => {
            let names: Vec<String> = databases.iter().map(|name| quoted(name)).collect();
            let message = format!("tables of {} databases do not go into one: {}", names.len(), names.join(", "));
            Err(Error::new(Code::Usage, message).hint("one run with --into for each database"))
        }
        _ => Ok(()),
    }
}

/// Packages put the programs of clients elsewhere than the server.
pub fn refuse_programs(request: &Request, installation: &Installation) -> Result<()> {
    let needed: &[&str] = match request.to {
        Destination::File(_) => &["pg_dump"],
        Destination::Live(_) => &["pg_dump", "psql"],
    };
    let lacking = needed.iter().map(|name| installation.program(name)).find(|path| !path.is_file());
    match lacking {
        None => Ok(()),
        Some(path) => {
            let (program, major) = (shell_word(&path.to_string_lossy()), installation.major());
            Err(Error::new(Code::Refused, format!("the copy's tables are taken out by {program}, which is not there"))
                .hint(format!("apt-get install postgresql-client-{major}, or --bindir DIR where all of it is")))
        }
    }
}
