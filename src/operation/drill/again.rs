//! The next command: a drill that has failed is worth a look at the copy.

use std::path::Path;

use super::{Request, Target};
use crate::model::shell_word::shell_word;
use crate::model::timestamp::TimestampTz;
use crate::operation::Context;
use crate::operation::restore::moment;
use crate::report::drill::Drill;

pub fn next(context: &Context, request: &Request, report: &Drill, needs_key: bool) -> String {
    if report.passed || report.kept.is_some() {
        return "status".to_owned();
    }
    let path = |path: &Path| shell_word(&path.to_string_lossy());
    let mut words = vec!["drill".to_owned()];
    words.extend(target(request, report));
    words.extend(request.backup.iter().map(|backup| format!("--backup {backup}")));
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
    words.extend(report.restored.is_some().then(|| "--keep".to_owned()));
    words.join(" ")
}

/// The moment that was chosen, rather than another one.
fn target(request: &Request, report: &Drill) -> Option<String> {
    match request.target {
        Target::Latest => request.backup.is_some().then(|| "--to latest".to_owned()),
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
