//! A request as a command line: what a plan ends with. A relative time is the moment that it meant.

use std::path::Path;

use super::words::moment;
use super::{Action, Request, TimelineChoice};
use crate::model::plan::target::Target;
use crate::model::shell_word::shell_word;
use crate::operation::Context;

/// Carries out what was planned.
pub fn command(context: &Context, request: &Request) -> String {
    context.command(&format!("restore {}", arguments(request)))
}

pub fn arguments(request: &Request) -> String {
    let path = |path: &Path| shell_word(&path.to_string_lossy());
    let mut words = vec![format!("--target-dir {}", path(&request.target_dir))];
    words.extend(beginning(request));
    if request.target != Target::Latest && request.action != Action::Pause {
        words.push(format!("--action {}", request.action.word()));
    }
    for mapping in &request.tablespaces {
        let side = |path: &Path| path.to_string_lossy().replace('=', "\\=");
        words.push(format!("--tablespace {}", shell_word(&format!("{}={}", side(&mapping.old), side(&mapping.new)))));
    }
    if let Some(start) = &request.start {
        words.push("--start".to_owned());
        words.extend(start.port.map(|port| format!("--port {port}")));
        words.extend(start.preload.iter().map(|library| format!("--preload {}", shell_word(library))));
        words.extend(start.bindir.iter().map(|directory| format!("--bindir {}", path(directory))));
    }
    words.extend(request.accept_unsigned.then(|| "--accept-unsigned".to_owned()));
    words.extend(request.jobs.map(|jobs| format!("--jobs {jobs}")));
    words.extend(request.identity.iter().map(|file| format!("--identity {}", path(file))));
    words.join(" ")
}

/// Which backup, and how far.
pub fn beginning(request: &Request) -> Vec<String> {
    let mut words: Vec<String> = request.backup.iter().map(|backup| format!("--backup {backup}")).collect();
    words.extend(target(&request.target));
    words.extend(timeline(request).map(|timeline| format!("--timeline {timeline}")));
    words
}

/// A backup alone means its own end.
fn target(target: &Target) -> Option<String> {
    let (words, inclusive) = match target {
        Target::Immediate => return None,
        Target::Latest => ("--to latest".to_owned(), true),
        Target::Time { at, inclusive } => (format!("--to {}", shell_word(&moment(*at))), *inclusive),
        Target::Lsn { at, inclusive } => (format!("--to-lsn {at}"), *inclusive),
        Target::Xid { xid, inclusive } => (format!("--to-xid {xid}"), *inclusive),
        Target::Name(name) => (format!("--to-name {}", shell_word(name)), true),
    };
    Some(if inclusive { words } else { words + " --exclusive" })
}

/// What is not the default.
fn timeline(request: &Request) -> Option<String> {
    match (&request.target, request.timeline) {
        (Target::Immediate, _) | (_, TimelineChoice::Latest) => None,
        (_, TimelineChoice::Current) => Some("current".to_owned()),
        (_, TimelineChoice::Id(id)) => Some(id.to_string()),
    }
}
