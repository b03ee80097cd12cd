//! `pgcairn config …`

use clap::Subcommand;

use super::Status;
use super::session::Session;
use crate::operation;

/// A configuration to begin with, and the commands around it. A test reads it back.
const EXAMPLE: &str = "\
Examples:
  pgcairn config check
  pgcairn -c staging config show

A configuration to begin with, /etc/pgcairn/main.toml:
  [postgres]
  data_dir = \"/var/lib/postgresql/17/main\"
  [encryption]
  recipients = [\"age1...\"]                    # of pgcairn key generate; two are advised
  [[repository]]
  name = \"local\"
  url = \"file:///var/backups/pgcairn\"";

/// The configuration file
#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLE)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_configuration_to_begin_with_is_usable() {
        let (_, text) = EXAMPLE.split_once(".toml:\n").unwrap();
        let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("main.toml");
        std::fs::write(&file, text.replace("age1...", recipient)).unwrap();
        assert_eq!(Config::read(&file).unwrap().recipients.len(), 1);
    }
}
