//! `pgcairn metrics`

use std::time::Duration;

use clap::Args;

use super::session::{LookingArguments, Session};
use super::{Status, argument};
use crate::operation;

/// Print how everything stands in the text format of Prometheus; needs no key
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn metrics                   also brings the file of [metrics] up to date
  pgcairn metrics | grep last_backup
  pgcairn metrics --json | jq '.metrics[].name'")]
pub struct Arguments {
    /// For how long answers are waited for
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = argument::duration)]
    wait: Duration,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let context = session.looking_context(&LookingArguments::default())?;
        let (metrics, unwritten) = operation::metrics::run(&context, self.wait)?;
        unwritten.iter().for_each(|warning| session.output.aside(warning));
        session.output.done(&metrics)
    }
}
