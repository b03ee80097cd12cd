//! One file per verb, each a readable checklist.

pub mod backup;
mod bucket_findings;
pub mod catalog;
pub mod check;
mod chosen;
pub mod commit_in_time;
pub mod config;
pub mod copy;
pub mod demo;
pub mod drill;
mod drills;
pub mod dump;
mod encryption_findings;
pub mod expire;
pub mod failure;
mod healed;
mod held_elsewhere;
pub mod hold;
pub mod incident;
pub mod init;
pub mod key;
pub mod key_check;
mod last_runs;
mod legal_hold;
pub mod list;
pub mod metrics;
pub mod notify;
mod objects_list;
mod own_directory;
mod own_program;
mod records;
pub mod recovery_sheet;
mod recovery_sheets;
pub mod repository;
mod required;
pub mod restore;
pub mod restore_table;
pub mod schedule;
pub mod scratch;
mod server_findings;
mod set_up;
pub mod show;
pub mod signing_key;
mod state_directory;
pub mod status;
mod store_findings;
mod this_host;
mod trust;
mod verifications;
pub mod verify;
pub mod wal;
mod watched;

use jiff::Timestamp;

use crate::codec::Identities;
use crate::config::Config;
use crate::model::error::{Code, Error, Result};
use crate::model::interrupt::Interrupt;
use crate::model::shell_word::command_setting_word;
use crate::model::signature::PublicKey;
use crate::report::check::Finding;

/// Ends waits for a store when the run is asked to end. Said once, where signals are watched.
pub fn end_waits_at(interrupt: &Interrupt) {
    crate::store::end_waits_at(interrupt);
}

/// What every operation stands on. Made once by the command line, after root was given up.
#[derive(Clone)]
pub struct Context {
    pub config: Config,
    /// The keys, where a file with them was given: read before root was given up.
    pub identities: Option<Identities>,
    /// Whose backups are restored here, for commands that look at signatures; read likewise.
    pub trusted: Vec<PublicKey>,
    /// When the command was started.
    pub now: Timestamp,
    pub interrupt: Interrupt,
}

impl Context {
    /// A command line that finds the same configuration: the last line a person sees. It is part of a result, which
    /// is printed as it is; hints are spelled out when they are said.
    pub fn command(&self, arguments: &str) -> String {
        self.config.command_line().spell_out(&format!("pgcairn {arguments}"))
    }

    /// What was found, with hints that lead to this configuration.
    fn addressed(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let commands = self.config.command_line();
        let spelled_out = |finding: &Finding| finding.hint.as_ref().map(|hint| commands.spell_out(hint));
        findings.into_iter().map(|finding| Finding { hint: spelled_out(&finding), ..finding }).collect()
    }

    /// A failure that is part of a result.
    fn addressed_error(&self, error: Error) -> Error {
        let commands = self.config.command_line();
        Error { hint: error.hint.as_ref().map(|hint| commands.spell_out(hint)), ..error }
    }

    /// What PostgreSQL's `archive_command` must be for this configuration.
    pub fn archive_command(&self) -> String {
        let program = std::env::current_exe().unwrap_or_else(|_| "pgcairn".into());
        let word = |path: &std::path::Path| command_setting_word(&path.to_string_lossy());
        match &self.config.file {
            // PostgreSQL runs it in the data directory.
            Some(file) => {
                let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
                format!("{} -c {} wal push %p", word(&program), word(&file))
            }
            None => format!("{} wal push %p", word(&program)),
        }
    }

    /// The keys, for what cannot be done without it.
    pub fn identities(&self) -> Result<&Identities> {
        self.identities.as_ref().ok_or_else(|| {
            Error::new(Code::Identity, "the repository is encrypted and no identity was given")
                .hint("add --identity FILE, the file that `pgcairn key generate` wrote")
        })
    }
}
