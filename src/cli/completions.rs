//! `pgcairn completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::session::Session;
use super::{Ending, Status};
use crate::report::output::to_stdout;

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn completions bash > /etc/bash_completion.d/pgcairn
  pgcairn completions zsh > /usr/local/share/zsh/site-functions/_pgcairn
  pgcairn completions fish > ~/.config/fish/completions/pgcairn.fish")]
pub struct Arguments {
    #[arg(value_enum)]
    shell: Shell,
}

impl Arguments {
    pub fn run(self, _: &Session) -> Status {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::Arguments::command(), "pgcairn", &mut script);
        to_stdout(&String::from_utf8_lossy(&script));
        Ok(Ending::with(0))
    }
}
