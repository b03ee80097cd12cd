//! `pgcairn recovery-sheet`

use clap::Args;

use super::Status;
use super::session::Session;
use crate::operation;
use crate::report::recovery_sheet::{ByHand, Page};

/// Print one page from which a stranger restores when this host is gone
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pgcairn recovery-sheet --key-location 'safe of the Berlin office' | lp
  pgcairn recovery-sheet --html > sheet.html
  pgcairn recovery-sheet --by-hand > by-hand.sh     to restore without pgcairn; keep it beside the sheet

No secret is on it. That it was made is recorded in the repository, and status says when it is out of date.")]
pub struct Arguments {
    /// Where the keys are kept, in your words; else there is a line to write on
    #[arg(long, value_name = "TEXT")]
    key_location: Option<String>,
    /// As a page for a browser, to be printed
    #[arg(long)]
    html: bool,
    /// The script for a restore without pgcairn, with the names of this cluster in it
    #[arg(long, conflicts_with = "html")]
    by_hand: bool,
}

impl Arguments {
    pub fn run(self, session: &Session) -> Status {
        let context = session.sheet_context()?;
        let request = operation::recovery_sheet::Request { key_location: self.key_location, records: !self.by_hand };
        let sheet = operation::recovery_sheet::run(&context, &request, &session.output)?;
        match (self.html, self.by_hand) {
            (true, _) => session.output.done(&Page(sheet)),
            (_, true) => session.output.done(&ByHand(sheet)),
            _ => session.output.done(&sheet),
        }
    }
}
