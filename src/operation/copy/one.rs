//! One backup, with all that it needs, and its commit marker last.

use super::choose::Choice;
use super::parts;
use super::transfer::Transfer;
use super::wal;
use crate::model::catalog::{Summary, parse_commit_marker};
use crate::model::error::{Code, Error, Result};
use crate::operation::catalog::read_small;
use crate::operation::failure::damaged;
use crate::operation::healed::healed;
use crate::operation::legal_hold;
use crate::operation::objects_list::ListOf;

pub fn copy(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<()> {
    let marker = marker(transfer, backup)?;
    let of = ListOf::backup(transfer.keys, backup);
    let held = parts::hold(transfer, choice.holds.get(&backup.id))?;
    let (expiry, met) = parts::bring(transfer, &of)?;
    if wal::of_backup(transfer, backup, &choice.archive)? && !choice.is_newest(backup) {
        expiry.refuse(transfer, of.id)?;
    }
    parts::commit(transfer, &of, &marker, met)?;
    if held {
        hold(transfer, backup, choice)?;
    }
    Ok(())
}

/// Once more, now that it is there: an expiry may have taken an old hold of what was no backup yet. The store's own hold is put on
/// what is there.
fn hold(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<()> {
    match parts::hold(transfer, choice.holds.get(&backup.id))? {
        true => legal_hold::put(&transfer.route.to, transfer.keys, backup).map(drop),
        false => Ok(()),
    }
}

/// What a backup that is there has lost meanwhile. WAL that no repository has is missed by a restore, not here.
pub fn complete(transfer: &Transfer<'_>, backup: &Summary, choice: &Choice) -> Result<()> {
    let of = ListOf::backup(transfer.keys, backup);
    parts::bring_objects(transfer, &of)?;
    parts::bring_list(transfer, &of)?;
    hold(transfer, backup, choice)?;
    match choice.archive.is_complete(backup) {
        true => wal::of_backup(transfer, backup, &choice.archive).map(drop),
        false => Ok(()),
    }
}

/// Byte for byte: it is signed as it is.
fn marker(transfer: &Transfer<'_>, backup: &Summary) -> Result<Vec<u8>> {
    let key = transfer.keys.backup(&backup.id);
    let gone =
        || Error::new(Code::NotFound, format!("backup {} was dropped a moment ago", backup.id)).hint("pgcairn list");
    healed(&transfer.from, || {
        let bytes = read_small(&transfer.from, &key)?.ok_or_else(gone)?;
        match parse_commit_marker(&bytes, &key).map_err(|error| damaged(&key, error))?.summary.is_forged {
            true => Err(damaged(&key, "its signature is not one of this summary")),
            false => Ok(bytes),
        }
    })
}
