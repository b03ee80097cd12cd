//! `pgcairn dump restore`

use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::session::{IdentityArguments, RepositoryArguments, Session, TrustArguments};
use crate::cli::{Status, argument};
use crate::model::dump::selection::{Pattern, TablePattern, Wish};
use crate::model::selector::Selector;
use crate::operation::{self, dump::restore::Incomplete, dump::restore::Owners};

/// Load databases of a dump, or parts of one, into a server: a database gets its name when all of it is there
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn dump restore latest --into 'host=/var/run/postgresql user=postgres' --plan
  pgcairn dump restore latest --into 'host=/run/postgresql user=postgres' --globals
  pgcairn dump restore 20261120T03 --into 'host=/run/postgresql' --database shop=shop_yesterday
  pgcairn dump restore latest --into 'host=/run/postgresql' --database shop --replace --yes
  pgcairn dump restore 20261120T03 --into 'host=/run/postgresql' --database shop=shop_yesterday --resume
  pgcairn dump restore latest --into 'host=/run/postgresql' --database shop=look --table public.orders
  pgcairn dump restore latest --into 'host=/run/postgresql' --database shop --existing --table 'public.order*' --clean --yes
  pgcairn dump restore latest --into 'host=/run/postgresql' --database shop --existing --schema crm --data-only")]
pub struct Arguments {
    /// Beginning of an id, "latest", or "latest~1" for the one before
    #[arg(value_name = "ID", value_parser = argument::selector)]
    dump: Selector,
    /// The server, in libpq's words; a password comes from passfile=, ~/.pgpass or a service
    #[arg(long, value_name = "CONNECTION")]
    into: String,
    /// Only this database, under another name after "="; may be repeated [default: all]
    #[arg(long = "database", value_name = "NAME[=NEW]", value_parser = argument::renamed)]
    databases: Vec<(String, String)>,
    /// Only what is in schemas of this name; * and ? stand for others; may be repeated
    #[arg(long = "schema", value_name = "PATTERN")]
    schemas: Vec<Pattern>,
    /// Only this table, with its indexes, constraints, sequences, triggers, comments and partitions; may be repeated
    #[arg(long = "table", value_name = "SCHEMA.TABLE")]
    tables: Vec<TablePattern>,
    /// Only rows and the state of sequences, into tables that are there and empty; takes --existing
    #[arg(long, requires = "existing", conflicts_with = "schema_only")]
    data_only: bool,
    /// No rows
    #[arg(long)]
    schema_only: bool,
    /// Into the database of that name, which is there, in one transaction; nothing in it is touched without --clean
    #[arg(long, conflicts_with = "replace")]
    existing: bool,
    /// Drop what has the name of something that is restored, in the same transaction; with --data-only empty the tables; takes --yes
    #[arg(long, requires = "existing")]
    clean: bool,
    /// Roles and tablespaces first: those that the server has not
    #[arg(long)]
    globals: bool,
    /// Everything belongs to the role that restores
    #[arg(long)]
    no_owner: bool,
    /// No GRANT and REVOKE
    #[arg(long)]
    no_privileges: bool,
    /// All tables in the database's own tablespace
    #[arg(long)]
    no_tablespaces: bool,
    /// Put it in the place of a database of that name, which is kept under another one; takes --yes
    #[arg(long)]
    replace: bool,
    /// Go on where a run of the same command was killed or lost its way; begin where none has left anything. Keep what is loaded if this run fails
    #[arg(long, conflicts_with = "existing")]
    resume: bool,
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
        // A password would stand in the list of processes, and in what is printed.
        let into = argument::connection("--into", &self.into)?;
        let request = operation::dump::restore::Request {
            dump: self.dump,
            into,
            databases: self.databases,
            globals: self.globals,
            tablespaces_below: None,
            owners: Owners {
                no_owner: self.no_owner,
                no_privileges: self.no_privileges,
                no_tablespaces: self.no_tablespaces,
            },
            wish: Wish {
                schemas: self.schemas,
                tables: self.tables,
                data_only: self.data_only,
                schema_only: self.schema_only,
            },
            existing: self.existing,
            clean: self.clean,
            replace: self.replace,
            agreed: session.agreed(),
            incomplete: if self.resume { Incomplete::GoneOnWith } else { Incomplete::Kept },
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
