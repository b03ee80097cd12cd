//! What expiry does not do, or not without `--yes`.

use jiff::Timestamp;

use super::{Planned, Request};
use crate::model::error::{Code, Error, Result};
use crate::model::key::BackupId;
use crate::model::plan::retention::Verdict;
use crate::operation::catalog::{GIVE_UP, Unreadable};

pub fn unconfirmed(request: &Request) -> Result<()> {
    if !request.now || request.agreed || request.dry_run {
        return Ok(());
    }
    let message = "--now deletes at once, and what it deletes cannot be brought back";
    Err(Error::new(Code::Refused, message).hint("see what that is: pgcairn expire --dry-run --now, then add --yes"))
}

pub(super) fn more_than_half(all: &[Planned]) -> Result<()> {
    let backups = all.iter().filter_map(|planned| planned.backups.as_ref()).flat_map(|plan| &plan.verdicts);
    few_dropped("backups", backups)?;
    few_dropped("dumps", all.iter().flat_map(|planned| &planned.dump_verdicts))
}

fn few_dropped<'v>(noun: &str, verdicts: impl Iterator<Item = &'v Verdict>) -> Result<()> {
    let (dropped, kept): (Vec<&Verdict>, Vec<&Verdict>) = verdicts.partition(|verdict| verdict.rule.is_none());
    let (dropped, all) = (dropped.len(), dropped.len() + kept.len());
    if 2 * dropped <= all {
        return Ok(());
    }
    let message = format!("{dropped} of {all} {noun} would be dropped, more than half");
    Err(Error::new(Code::Refused, message)
        .hint("see which: pgcairn expire --dry-run; if that is meant: pgcairn expire --yes"))
}

/// Trash and `condemned/` need room.
pub fn full(error: Error, request: &Request) -> Error {
    match error.code {
        Code::DiskSpace if !request.now => {
            error.hint("delete at once, which needs no space: pgcairn expire --now --yes")
        }
        _ => error,
    }
}

pub fn clock_skew(store: Timestamp, host: Timestamp) -> Error {
    let message =
        format!("the repository's clock says {store}, this host's {host}: they differ by more than 5 minutes");
    Error::new(Code::Refused, message).hint("set the wrong one, or go by the earlier of both: pgcairn expire --yes")
}

pub fn unreadable(unreadable: &Unreadable) -> Error {
    let error = unreadable.as_error();
    let message = format!("{}, so what its backup needs is not known", error.message);
    match error.code {
        Code::Damaged => Error::new(error.code, message).hint(GIVE_UP),
        _ => Error { message, ..error },
    }
}

/// The list of a backup that is kept.
pub fn list_unreadable(error: Error, id: &BackupId) -> Error {
    match error.code {
        Code::Damaged => {
            error.hint(format!("put it back, or give backup {id} up by moving its commit marker out of the repository"))
        }
        _ => error,
    }
}
