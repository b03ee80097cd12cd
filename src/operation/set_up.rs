//! What must be ready before it is needed: a key that was tried on another host, and a recovery sheet.

use super::repository::Opened;
use super::{Context, records, recovery_sheets, this_host};
use crate::model::error::Result;
use crate::model::verdict::{self, Judged, Told};
use crate::model::{key_check, recovery_sheet};
use crate::report::check::Finding;
use crate::report::status::{KeyCheck, RecoverySheet};
use crate::report::verdict::Verdict;

/// The last check that counts, else the last at all; and the last sheet.
pub fn read(context: &Context, opened: &Opened) -> Result<(Option<KeyCheck>, Option<RecoverySheet>)> {
    let reader = opened.repository.reader();
    let recipients: Vec<String> = context.config.recipients.iter().map(ToString::to_string).collect();
    let host = this_host::mark(opened.repository.id());
    let mut check = None;
    for record in records::newest::<key_check::Record>(&reader, &opened.keys)? {
        let record = record?;
        let found = KeyCheck { checked: record.checked, counts: record.counts(&recipients, &host) };
        if found.counts {
            check = Some(found);
            break;
        }
        check = check.or(Some(found));
    }
    let sheet = records::latest(records::newest::<recovery_sheet::Record>(&reader, &opened.keys)?)?;
    let says = recovery_sheets::says(&context.config, &context.trusted);
    // What arguments name is not what the sheet was made of.
    let is_current = |sheet: &recovery_sheet::Record| sheet.says == says || context.config.repository_is_an_argument();
    Ok((check, sheet.map(|sheet| RecoverySheet { made: sheet.made, current: is_current(&sheet) })))
}

/// For `init`: what the verdict of `status` says of that, and nothing where it cannot be read.
pub fn findings(context: &Context, opened: &Opened) -> Vec<Finding> {
    let Ok((check, sheet)) = read(context, opened) else { return Vec::new() };
    let told = Told {
        key_checked: check.is_some_and(|check| check.counts),
        sheet_is_current: sheet.map(|sheet| sheet.current),
        ..Told::default()
    };
    let first = &context.config.repository;
    let reasons = verdict::set_up(first.url.as_str(), !context.config.recipients.is_empty(), &[told]).into_iter();
    let judged: Vec<Judged> = reasons.map(|(level, reason)| Judged { level, repository: None, reason }).collect();
    let advice = Verdict::of(&judged, false).reasons.into_iter();
    advice.map(|told| Finding::advice("set-up", told.message, told.remedy)).collect()
}
