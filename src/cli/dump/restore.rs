//! `pgcairn dump restore`

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::session::{IdentityArguments, RepositoryArguments, Session, TrustArguments};
use crate::cli::{Status, argument};
use crate::model::selector::Selector;
use crate::operation::{self, dump::restore::Owners};

/// Load databases of a dump into a server, each under its name only when all of it is there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn dump restore latest --into 'host=/var/run/postgresql user=postgres' --plan
  pgcairn dump restore latest --into 'host=db2 user=postgres' --globals
  pgcairn dump restore 20261120T03 --into 'host=/run/postgresql' --database shop=shop_yesterday
  pgcairn dump restore latest --into 'host=/run/postgresql' --database shop --replace --yes")]
pub struct Arguments {
    /// Beginning of an id, "latest", or "latest~1" for the one before
    #[arg(value_name = "ID", value_parser = argument::selector)]
    dump: Selector,
    /// The server, in libpq's words; its password is best in ~/.pgpass
    #[arg(long, value_name = "CONNECTION")]
    into: String,
    /// Only this database, under another name after "="; may be repeated [default: all]
    #[arg(long = "database", value_name = "NAME[=NEW]", value_parser = argument::renamed)]
    databases: Vec<(String, String)>,
    /// Roles and tablespaces first
    #[arg(long)]
    globals: bool,
    /// Everything belongs to the role that restores
    #[arg(long)]
    no_owner: bool,
    /// No GRANT and REVOKE
    #[arg(long)]
    no_privileges: bool,
    /// Put it in the place of a database of that name, which is kept under another one; takes --yes
    #[arg(long)]
    replace: bool,
    /// Load a dump that nobody has signed, though a key is trusted
    #[arg(long)]
    accept_unsigned: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    plan: bool,
    /// Sessions at once [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroU16>,
    /// Where pg_restore is [default: PATH and where packages put it]
    #[arg(long, value_name = "DIR")]
    bindir: Option<PathBuf>,
    #[command(flatten)]
    key: IdentityArguments,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    place: RepositoryArguments,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let context = session.copying_out_context(&self.place, &self.key, &self.trust)?;
        let request = operation::dump::restore::Request {
            dump: self.dump,
            into: self.into,
            databases: self.databases,
            globals: self.globals,
            owners: Owners { no_owner: self.no_owner, no_privileges: self.no_privileges },
            replace: self.replace,
            agreed: session.agreed(),
            accept_unsigned: self.accept_unsigned,
            plan: self.plan,
            jobs: self.jobs.map(|jobs| usize::from(jobs.get())),
            bindir: self.bindir,
            identity: self.key.file().map(Path::to_owned),
        };
        let outcome = operation::dump::restore::run(&context, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
