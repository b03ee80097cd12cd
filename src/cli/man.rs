//! `pgcairn man`

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};

use super::session::Session;
use super::{Ending, Status};
use crate::model::error::{Code, Error};
use crate::report::output::to_stdout;

/// Print the manual page, or write one for every command
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn man | man -l -
  pgcairn man --output /usr/local/share/man/man1")]
pub struct Arguments {
    /// Write pgcairn.1, pgcairn-backup.1 and so on into this directory
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self, _: &Session) -> Status {
        let command = super::Arguments::command();
        let done = match &self.output {
            Some(directory) => write_all(command, directory),
            None => print(command),
        };
        done.map(|()| Ending::with(0)).map_err(|error| {
            let place = self.output.unwrap_or_default();
            let code = if error.kind() == io::ErrorKind::PermissionDenied { Code::Permission } else { Code::Io };
            Error::new(code, format!("manual pages cannot be written to {}: {error}", place.display()))
                .hint("pgcairn man --output ANOTHER_DIRECTORY")
        })
    }
}

fn print(command: clap::Command) -> io::Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    to_stdout(&String::from_utf8_lossy(&page));
    Ok(())
}

fn write_all(command: clap::Command, directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command, directory)
}
