//! What is dropped here and another repository was still to get: it is told while it can be brought back.

use std::collections::BTreeSet;

use crate::model::error::{Code, Error};
use crate::model::key::BackupId;
use crate::model::shell_word::shell_word;
use crate::operation::{Context, copy};
use crate::report::Listener;
use crate::report::expire::Expire;

/// Which these are; nobody is asked where nothing is dropped.
pub fn tell(context: &Context, planned: &Expire, listener: &dyn Listener) -> Vec<BackupId> {
    let backups = planned.backups.iter().filter(|row| !row.kept).map(|row| &row.id);
    let dumps = planned.dumps.iter().filter(|row| !row.kept).map(|row| &row.id);
    let dropped: BTreeSet<&BackupId> = backups.chain(dumps).collect();
    let mut missed = BTreeSet::new();
    for other in context.config.others.iter().filter(|_| !dropped.is_empty()) {
        match copy::wanted(context, other) {
            Ok(wanted) => {
                for id in wanted.into_iter().filter(|id| dropped.contains(id)) {
                    listener.warning(told(context, &id, &other.name));
                    missed.insert(id);
                }
            }
            Err(error) => listener.notice(format!(
                "repository {} cannot be asked whether it has all that is dropped here: {}",
                other.name, error.message
            )),
        }
    }
    missed.into_iter().collect()
}

fn told(context: &Context, id: &BackupId, name: &str) -> Error {
    let message = format!("{} {id} is dropped here, and repository {name} has not got it yet", id.noun());
    let (undelete, copy) = (format!("undelete {id}"), format!("copy {id} --to {}", shell_word(name)));
    let hint = format!("if it is to have it: {}, then {}", context.command(&undelete), context.command(&copy));
    Error::new(Code::Flagged, message).hint(hint)
}
