//! `pgcairn wal fetch`

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::{DELIVERED, PROVEN_ABSENT, Protocol};
use crate::cli::ownership::Belongings;
use crate::cli::session::{IdentityArguments, RepositoryArguments, Session};
use crate::cli::{Ending, Status, argument};
use crate::model::wal_name::WalName;
use crate::operation::wal::fetch;

/// Fetch one WAL file (restore_command)
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  restore_command = 'pgcairn wal fetch %f %p'
  restore_command = 'pgcairn wal fetch --standby %f %p'
  restore_command = 'pgcairn wal fetch --from /srv/restored/pgcairn_wal %f %p'

Exit status: 0 is delivered and verified; 1 is proven to be absent; 126 is everything else,
and makes PostgreSQL stop instead of opening a truncated database. With --standby it is 125,
and the standby asks again.")]
pub struct Arguments {
    /// The file's name, %f of restore_command
    #[arg(value_name = "%f", value_parser = argument::wal_name)]
    name: WalName,
    /// Where to put it, %p of restore_command
    #[arg(value_name = "%p")]
    path: PathBuf,
    /// Let the server ask again after a failure, as a standby does, instead of stopping it
    #[arg(long)]
    standby: bool,
    /// Take it from the WAL that a restore laid beside the data; needs neither key nor configuration
    #[arg(long, value_name = "DIR", conflicts_with_all = ["repository", "cluster", "identity", "oldest_versions"])]
    from: Option<PathBuf>,
    #[command(flatten)]
    key: IdentityArguments,
    #[command(flatten)]
    place: RepositoryArguments,
}

impl Arguments {
    pub fn protocol(&self) -> Protocol {
        Protocol::Fetch { standby: self.standby }
    }

    pub fn run(self, session: &Session) -> Status {
        let request = fetch::Request { name: self.name, path: self.path, standby: self.standby };
        let outcome = match &self.from {
            Some(directory) => {
                session.take_over(&Belongings { owned: vec![directory.clone()], ..Belongings::default() })?;
                fetch::run_from(directory, &request)?
            }
            None => {
                let context = session.fetching_context(&self.place, &self.key, &request.path)?;
                fetch::run(&context, &request)?
            }
        };
        session.output.result(&outcome);
        Ok(Ending::with(if outcome.delivered { DELIVERED } else { PROVEN_ABSENT }))
    }
}
