//! `pgcairn config …`

use clap::Subcommand;

use super::Status;
use super::session::Session;
use crate::operation;

/// The configuration file
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  pgcairn config check\n  pgcairn -c staging config show")]
pub enum Command {
    /// Check the file, every key and value of it
    #[command(after_help = "Examples:\n  pgcairn config check\n  pgcairn config check -c ./new.toml")]
    Check,
    /// Show every setting that counts, defaults included; secrets are never shown
    #[command(after_help = "Examples:\n  pgcairn config show\n  pgcairn -c staging config show --json")]
    Show,
    /// Print the JSON schema of the file
    #[command(after_help = "Examples:\n  pgcairn config schema > pgcairn.schema.json")]
    Schema,
}

impl Command {
    pub fn run(self, session: &Session) -> Status {
        match self {
            Command::Check => session.output.done(&operation::config::check(&session.config()?)),
            Command::Show => session.output.done(&operation::config::show(&session.config()?)),
            Command::Schema => session.output.done(&operation::config::schema()),
        }
    }
}
