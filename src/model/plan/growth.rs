//! How fast a repository grows, and when it is full.

use std::time::Duration;

use jiff::Timestamp;

/// What is looked at: a week has every day of the week once.
pub const SPAN: Duration = Duration::from_secs(7 * DAY);

const DAY: u64 = 24 * 60 * 60;

/// Bytes a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// What was stored within the last week and is still there.
    pub added: u64,
    /// What expiry will drop within the next week.
    pub freed: u64,
}

impl Growth {
    /// `objects` are all there are, with the time when they were created; `freed` are bytes within [`SPAN`]. `None`
    /// for a repository that is less than a day old: a first backup is no growth.
    pub fn of(objects: impl Iterator<Item = (Timestamp, u64)>, freed: u64, now: Timestamp) -> Option<Growth> {
        let (mut oldest, mut added) = (now, 0u64);
        let edge = now.checked_sub(SPAN).unwrap_or(Timestamp::MIN);
        for (created, size) in objects {
            oldest = oldest.min(created);
            added += if created > edge { size } else { 0 };
        }
        let seconds = u64::try_from(now.duration_since(oldest.max(edge)).as_secs()).unwrap_or(0);
        let per_day = |bytes: u64, seconds: u64| (u128::from(bytes) * u128::from(DAY) / u128::from(seconds)) as u64;
        (seconds >= DAY).then(|| Growth { added: per_day(added, seconds), freed: per_day(freed, SPAN.as_secs()) })
    }

    /// Days until `free` bytes are used up; `None` where it does not grow.
    pub fn days_until_full(&self, free: u64) -> Option<u64> {
        let net = self.added.checked_sub(self.freed).filter(|net| *net > 0)?;
        Some(free / net)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_last_week_counts() {
        let now = at("2026-11-20T00:00:00Z");
        let objects = [(at("2026-10-01T00:00:00Z"), 1_000_000), (at("2026-11-14T00:00:00Z"), 700)];
        let growth = Growth::of(objects.into_iter(), 70, now).unwrap();
        assert_eq!(growth, Growth { added: 100, freed: 10 });
        assert_eq!(growth.days_until_full(899), Some(9));
        assert_eq!(Growth { added: 10, freed: 10 }.days_until_full(899), None);
        assert_eq!(Growth { added: 10, freed: 11 }.days_until_full(899), None);
    }

    #[test]
    fn a_young_repository_counts_from_its_beginning() {
        let now = at("2026-11-20T00:00:00Z");
        let objects = [(at("2026-11-18T00:00:00Z"), 500), (at("2026-11-19T00:00:00Z"), 100)];
        assert_eq!(Growth::of(objects.into_iter(), 0, now), Some(Growth { added: 300, freed: 0 }));
        assert_eq!(Growth::of([(at("2026-11-19T00:00:01Z"), 100)].into_iter(), 0, now), None);
        assert_eq!(Growth::of(std::iter::empty(), 0, now), None);
        // A store whose clock is ahead.
        assert_eq!(Growth::of([(at("2026-11-21T00:00:00Z"), 100)].into_iter(), 0, now), None);
    }
}
