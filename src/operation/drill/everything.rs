//! What a drill without a name covers: the backups, and where there are dumps the newest of them too.

use super::target;
use super::{Subject, Target, What, Which};
use crate::model::error::{Code, Error, Result};
use crate::model::selector::Selector;
use crate::operation::Context;
use crate::operation::catalog::generations;
use crate::operation::repository;
use crate::report::drill::Drill;

/// In their order; at least one.
pub fn subjects(context: &Context, what: &What) -> Result<Vec<Subject>> {
    let backup = |asked, backup: Option<Selector>| -> Result<Subject> {
        let target = target::choose(context, asked)?;
        Ok(Subject::Backup { asked, target, backup })
    };
    match what {
        What::Backup { target, backup: named } => Ok(vec![backup(*target, named.clone())?]),
        What::Dump(which) => Ok(vec![Subject::Dump(which.clone())]),
        What::Everything => {
            let dump = Subject::Dump(Which::Named(Selector::Latest(0)));
            Ok(match held(context) {
                Held { backups: false, dumps: true } => vec![dump],
                Held { dumps: true, .. } => vec![backup(Target::Latest, None)?, dump],
                Held { dumps: false, .. } => vec![backup(Target::Latest, None)?],
            })
        }
    }
}

struct Held {
    backups: bool,
    dumps: bool,
}

/// What is not known is tried: the drill says why it cannot be had.
fn held(context: &Context) -> Held {
    let mut held = Held { backups: false, dumps: false };
    let opened = repository::open(&context.config);
    let Ok(all) = opened.and_then(|repository| generations(&repository, context.config.name.as_ref())) else {
        return Held { backups: true, dumps: false };
    };
    for opened in all {
        let (reader, keys) = (opened.repository.reader(), &opened.keys);
        held.backups |= reader.list(&keys.backups()).map_or(true, |entries| !entries.is_empty());
        let dumps = reader.list(&keys.dumps());
        held.dumps |= dumps.map_or(true, |entries| entries.iter().any(|entry| keys.dump_id_of(&entry.key).is_some()));
    }
    held
}

/// One result, which has passed where each has.
pub fn together(reports: Vec<Drill>) -> Result<Drill> {
    let mut reports = reports.into_iter();
    let nothing = || Error::new(Code::Internal, "nothing was drilled");
    let mut first = reports.next().ok_or_else(nothing)?;
    if let Some(second) = reports.next() {
        if first.passed {
            first.next.clone_from(&second.next);
        }
        first.passed &= second.passed;
        first.newest_dump = Some(Box::new(second));
    }
    Ok(first)
}
