//! What must be ready before it is needed: a key that was tried on another host, and a recovery sheet.

use super::repository::Opened;
use super::{Context, key_checks, records, recovery_sheets, this_host};
use crate::model::error::Result;
use crate::model::verdict::{self, Facts, ServerState, Thresholds, Told};
use crate::report::check::Finding;
use crate::report::status::{KeyCheck, RecoverySheet};
use crate::report::verdict::Verdict;

/// The last check that counts, else the last at all; and the last sheet.
pub fn read(context: &Context, opened: &Opened) -> Result<(Option<KeyCheck>, Option<RecoverySheet>)> {
    let reader = opened.repository.reader();
    let recipients: Vec<String> = context.config.recipients.iter().map(ToString::to_string).collect();
    let host = this_host::mark(opened.repository.id());
    let mut check = None;
    for record in key_checks::newest(&reader, &opened.keys)? {
        let record = record?;
        let found = KeyCheck { checked: record.checked, counts: record.counts(&recipients, &host) };
        if found.counts {
            check = Some(found);
            break;
        }
        check = check.or(Some(found));
    }
    let sheet = records::latest(recovery_sheets::newest(&reader, &opened.keys)?, |sheet| sheet.made)?;
    let says = recovery_sheets::says(&context.config, &context.trusted);
    // What arguments name is not what the sheet was made of.
    let is_current =
        |sheet: &crate::model::recovery_sheet::Record| sheet.says == says || context.config.repository_is_an_argument();
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
    let repository = verdict::Repository {
        name: context.config.repository.name.clone(),
        url: context.config.repository.url.to_string(),
        required: true,
        told: Some(told),
        missing: None,
        stored_bytes: None,
        free_bytes: None,
        full_in_days: None,
        behind: None,
    };
    let facts = Facts {
        server: Some(ServerState::Running),
        needs_key: !context.config.recipients.is_empty(),
        repositories: vec![repository],
        ..Facts::default()
    };
    let judged = verdict::judge(&facts, &Thresholds::default());
    let advice = Verdict::of(&judged, false).reasons.into_iter().filter(|told| told.advice);
    advice.map(|told| Finding::advice("set-up", told.message, told.remedy)).collect()
}
