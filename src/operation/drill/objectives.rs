//! The time that it took and the age of the data, against `[objectives]`.

use super::check::Finding;
use crate::model::deletion::MAX_CLOCK_SKEW;
use crate::operation::Context;
use crate::operation::restore::Restored;
use crate::operation::status;
use crate::report::drill::Drill;
use crate::report::text::{age, seconds, utc};

/// Until the copy took sessions; what was looked at afterwards nobody waits for.
pub fn recovery_time(context: &Context, report: &Drill) -> Finding {
    let Some(took) = report.recovery_seconds() else { return Finding::not_checked("the copy never opened") };
    match context.config.objectives.rto {
        None => Finding::not_checked(format!("{}; the configuration has no rto in [objectives]", seconds(took))),
        Some(rto) => {
            let details = format!("took {}, and rto is {}", seconds(took), seconds(rto.as_secs_f64()));
            if took <= rto.as_secs_f64() { Finding::passed(details) } else { Finding::failed(details) }
        }
    }
}

/// A server that nobody writes to commits nothing, so an old commit alone proves no loss; WAL that waits does.
pub fn data_age(context: &Context, restored: &Restored) -> Finding {
    let Some(last) = restored.plan.last_commit else {
        return Finding::not_checked("the copy holds no commit after the backup");
    };
    // As old as anything, for all that is known.
    if last > context.now + MAX_CLOCK_SKEW {
        return Finding::not_checked(format!("the last commit says {}, which is to come: a clock is wrong", utc(last)));
    }
    let old = u64::try_from(context.now.duration_since(last).as_secs()).unwrap_or(0);
    let details = format!("the last commit was {} before the drill", age(old));
    let Some(rpo) = context.config.objectives.rpo else {
        return Finding::not_checked(format!("{details}; the configuration has no rpo in [objectives]"));
    };
    let waits = status::waiting(context).and_then(|waiting| waiting.oldest_seconds).unwrap_or(0);
    match rpo.as_secs() {
        rpo if old <= rpo => Finding::passed(details),
        rpo if waits > rpo => Finding::failed(format!("{details}, and WAL waits for {} to be archived", age(waits))),
        _ if restored.stop.is_some() => Finding::not_checked(format!("{details}: the target was in the past")),
        _ => Finding::not_checked(format!("{details}; nothing newer is known to wait")),
    }
}
