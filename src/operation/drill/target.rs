//! Which moment is drilled.

use jiff::{SignedDuration, Timestamp};

use super::Target as Wanted;
use crate::model::error::{Code, Error, Result};
use crate::model::plan::target::Target;
use crate::model::timestamp::TimestampTz;
use crate::operation::{Context, status};
use crate::report::status::Restorable;

pub fn choose(context: &Context, wanted: Wanted) -> Result<Target> {
    let time = |at| Target::Time { at, inclusive: true };
    match wanted {
        Wanted::Latest => Ok(Target::Latest),
        Wanted::Backup => Ok(Target::Immediate),
        Wanted::At(at) => Ok(time(at)),
        Wanted::Random => {
            let windows = status::restorable(context, &context.config.repository)?;
            let moments: Vec<(Timestamp, Timestamp)> =
                windows.iter().filter_map(|window: &Restorable| Some((window.from, window.to?))).collect();
            // The timeline that is written to, as a restore follows the latest.
            let (from, to) = moments.iter().max_by_key(|(_, to)| *to).copied().ok_or_else(nothing)?;
            Ok(time(TimestampTz::from_jiff(within(from, to, rand::random()))))
        }
    }
}

fn within(from: Timestamp, to: Timestamp, random: u64) -> Timestamp {
    let span = u64::try_from(to.duration_since(from).as_micros()).unwrap_or(0);
    let after = SignedDuration::from_micros(i64::try_from(random % (span + 1)).unwrap_or(0));
    from.checked_add(after).unwrap_or(to)
}

fn nothing() -> Error {
    Error::new(Code::NotFound, "there is no moment that can be restored to a time, so none can be chosen")
        .hint("drill the end of all WAL: pgcairn drill; what can be restored is told by: pgcairn status")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_moment_of_the_window_may_be_chosen_and_no_other() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(within(at(10), at(10), u64::MAX), at(10));
        assert_eq!(within(at(10), at(20), 0), at(10));
        assert_eq!(within(at(10), at(20), 10_000_000), at(20));
        assert_eq!(within(at(10), at(20), 10_000_001), at(10));
        assert_eq!(within(at(10), at(20), 3_500_000), Timestamp::from_millisecond(13_500).unwrap());
    }
}
