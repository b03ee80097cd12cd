//! `pgcairn wal …`

mod fetch;
mod flush;
mod list;
mod push;

use clap::Subcommand;

use super::Status;
use super::exit::Protocol;
use super::session::Session;

/// The WAL archive: what PostgreSQL calls, and what people look at
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  archive_command = 'pgcairn wal push %p'
  pgcairn wal list --gaps
  pgcairn wal flush                 returns when everything committed is in the repository")]
pub enum Command {
    Push(push::Arguments),
    Fetch(fetch::Arguments),
    List(list::Arguments),
    Flush(flush::Arguments),
}

impl Command {
    pub fn protocol(&self) -> Protocol {
        match self {
            Command::Push(_) => Protocol::Push,
            Command::Fetch(arguments) => arguments.protocol(),
            Command::List(_) | Command::Flush(_) => Protocol::Person,
        }
    }

    pub fn run(self, session: &Session) -> Status {
        match self {
            Command::Push(arguments) => arguments.run(session),
            Command::Fetch(arguments) => arguments.run(session),
            Command::List(arguments) => arguments.run(session),
            Command::Flush(arguments) => arguments.run(session),
        }
    }
}
