//! `pgcairn schedule …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Status;
use super::session::Session;
use crate::operation;
use crate::operation::schedule::Request;

/// Timers of systemd for backup, dump, expire, copy, verify and drill
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  sudo pgcairn schedule install
  pgcairn -c staging schedule status")]
pub enum Command {
    Install(Install),
    Print(Print),
    Status(Asked),
}

/// Write what the units must know of this configuration, and start their timers
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo pgcairn schedule install         again after every change of the configuration
  sudo pgcairn schedule install --root /srv/image")]
pub struct Install {
    #[command(flatten)]
    place: Place,
}

/// Show what install would write
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn schedule print
  pgcairn schedule print --cron | sudo tee /etc/cron.d/pgcairn      where there is no systemd")]
pub struct Print {
    /// Lines for a file in /etc/cron.d instead
    #[arg(long)]
    cron: bool,
    #[command(flatten)]
    place: Place,
}

/// Compare what is installed with the configuration, and show last and next runs
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn schedule status
  pgcairn schedule status --json | jq '.jobs[] | {job, next}'")]
pub struct Asked {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Place {
    /// Of an image or a package: everything lies below it, and nothing is run
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    root: PathBuf,
}

impl Place {
    fn request(self) -> Request {
        Request { root: std::path::absolute(&self.root).unwrap_or(self.root) }
    }
}

impl Command {
    pub fn run(self, session: &Session) -> Status {
        let config = session.scheduled_config()?;
        match self {
            Command::Install(Install { place }) => {
                session.output.done(&operation::schedule::install(&config, &place.request())?)
            }
            Command::Print(Print { cron: true, place }) => {
                session.output.done(&operation::schedule::cron(&config, &place.request())?)
            }
            Command::Print(Print { cron: false, place }) => {
                session.output.done(&operation::schedule::print(&config, &place.request())?)
            }
            Command::Status(Asked { place }) => {
                session.output.done(&operation::schedule::status(&config, &place.request())?)
            }
        }
    }
}
