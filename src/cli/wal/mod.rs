//! `pgcairn wal …`

mod fetch;
mod flush;
mod list;
mod push;

use clap::Subcommand;

use super::Status;
use super::session::Session;

/// The WAL archive: what PostgreSQL calls, and what people look at
#[derive(Debug, Subcommand)]
pub enum Command {
    Push(push::Arguments),
    Fetch(fetch::Arguments),
    List(list::Arguments),
    Flush(flush::Arguments),
}

impl Command {
    pub fn run(self, session: &Session) -> Status {
        match self {
            Command::Push(arguments) => arguments.run(session),
            Command::Fetch(arguments) => arguments.run(session),
            Command::List(arguments) => arguments.run(session),
            Command::Flush(arguments) => arguments.run(session),
        }
    }
}
