//! What expiry does not do, or not without `--yes`.

use jiff::Timestamp;

use super::Request;
use crate::model::error::{Code, Error, Result};
use crate::model::key::BackupId;
use crate::model::plan::retention::Plan;
use crate::operation::catalog::{GIVE_UP, Unreadable};

pub fn unconfirmed(request: &Request) -> Result<()> {
    if !request.now || request.agreed || request.dry_run {
        return Ok(());
    }
    let message = "--now deletes at once, and what it deletes cannot be brought back";
    Err(Error::new(Code::Refused, message).hint("see what that is: pgcairn expire --dry-run --now, then add --yes"))
}

pub fn more_than_half(plans: &[Plan]) -> Result<()> {
    let all: usize = plans.iter().map(|plan| plan.verdicts.len()).sum();
    let dropped: usize = plans.iter().map(|plan| plan.dropped().count()).sum();
    if 2 * dropped <= all {
        return Ok(());
    }
    let message = format!("{dropped} of {all} backups would be dropped, more than half");
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
