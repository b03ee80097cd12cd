//! `pgcairn dump`

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::session::Session;
use super::{Status, argument};
use crate::operation;

/// Dump databases of the live server logically, each under one snapshot
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn dump                      every database, and the roles
  pgcairn dump shop 'crm_*' --exclude crm_test
  pgcairn dump --schema-only --label reason=\"before the migration\"")]
pub struct Arguments {
    /// Names of databases, or patterns with * and ? [default: all]
    #[arg(value_name = "DATABASE")]
    databases: Vec<String>,
    /// Leave out databases that fit; may be repeated
    #[arg(long, value_name = "PATTERN")]
    exclude: Vec<String>,
    /// No rows
    #[arg(long)]
    schema_only: bool,
    /// Remember a pair with the dump; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = argument::label)]
    labels: Vec<(String, String)>,
    /// How long to wait for a table that somebody else has locked
    #[arg(long, value_name = "TIME", value_parser = argument::duration, default_value = "5min")]
    lock_timeout: Duration,
    /// Where pg_dump is [default: PATH and where packages put it]
    #[arg(long, value_name = "DIR")]
    bindir: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let Arguments { databases, exclude, schema_only, labels, lock_timeout, bindir } = self;
        let labels: BTreeMap<String, String> = argument::distinct_labels(labels)?;
        let request = operation::dump::Request { databases, exclude, schema_only, labels, lock_timeout, bindir };
        let outcome = operation::dump::run(&session.context()?, &request, &session.output)?;
        session.output.done(&outcome)
    }
}
