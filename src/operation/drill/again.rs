//! The next command: a drill that has failed is worth a look at the copy.

use std::path::Path;

use super::{Request, Subject, Target};
use crate::model::shell_word::shell_word;
use crate::model::timestamp::TimestampTz;
use crate::operation::Context;
use crate::operation::restore::moment;
use crate::report::drill::Drill;

pub fn next(context: &Context, request: &Request, subject: &Subject, report: &Drill, needs_key: bool) -> String {
    if report.passed || report.kept.is_some() {
        return "status".to_owned();
    }
    let path = |path: &Path| shell_word(&path.to_string_lossy());
    let mut words = vec!["drill".to_owned()];
    words.extend(what(subject, report));
    if context.config.drill.scratch.as_ref() != Some(&request.scratch) && request.scratch != std::env::temp_dir() {
        words.push(format!("--scratch {}", path(&request.scratch)));
    }
    words.extend(request.start.bindir.iter().map(|directory| format!("--bindir {}", path(directory))));
    words.extend(request.accept_unsigned.then(|| "--accept-unsigned".to_owned()));
    match &request.identity {
        // What was tried opens nothing.
        _ if needs_key => words.push("--identity FILE".to_owned()),
        file => words.extend(file.iter().map(|file| format!("--identity {}", path(file)))),
    }
    // Before there is a copy there is nothing to be kept.
    let is_copied =
        report.restored.is_some() || report.loaded.as_ref().is_some_and(|loaded| loaded.postgresql.is_some());
    words.extend(is_copied.then(|| "--keep".to_owned()));
    words.join(" ")
}

/// The moment and the dump that were chosen, rather than others.
fn what(subject: &Subject, report: &Drill) -> Vec<String> {
    match subject {
        Subject::Backup { asked, backup, .. } => {
            let backup = backup.as_ref().map(|backup| format!("--backup {backup}"));
            target(*asked, backup.is_some(), report).into_iter().chain(backup).collect()
        }
        Subject::Dump(which) => {
            let loaded = report.loaded.as_ref().map(|loaded| loaded.dump.to_string());
            vec![format!("--dump {}", loaded.unwrap_or_else(|| which.to_string()))]
        }
    }
}

fn target(asked: Target, names_backup: bool, report: &Drill) -> Option<String> {
    match asked {
        Target::Latest => names_backup.then(|| "--to latest".to_owned()),
        Target::Backup => None,
        Target::At(at) => Some(format!("--to {}", shell_word(&moment(at)))),
        Target::Random => {
            let chosen = report.restored.as_ref().and_then(|restored| restored.target_time);
            Some(chosen.map_or_else(
                || "--to random".to_owned(),
                |at| format!("--to {}", shell_word(&moment(TimestampTz::from_jiff(at)))),
            ))
        }
    }
}
