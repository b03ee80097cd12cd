//! By what a recovery sheet is told to be out of date.

use crate::config::Config;
use crate::model::sha256::Sha256Sum;
use crate::model::signature::PublicKey;

/// Of what a sheet stands on: where the backups are, and whose keys open and sign them. The cluster itself is in the
/// name of the record.
pub fn says(config: &Config, trusted: &[PublicKey]) -> Sha256Sum {
    let repositories = config.repositories().map(|one| format!("repository {} {}\n", one.name, one.url));
    let recipients = config.recipients.iter().map(|recipient| format!("recipient {recipient}\n"));
    let trusted = trusted.iter().map(|key| format!("trusted {key}\n"));
    let mut lines: Vec<String> = repositories.chain(recipients).chain(trusted).collect();
    lines.sort();
    lines.dedup();
    Sha256Sum::of(lines.concat().as_bytes())
}
