//! PostgreSQL's `TimestampTz`: microseconds since 2000-01-01 00:00:00 UTC, as WAL records hold them.

use std::fmt;

/// Microseconds between the Unix epoch and PostgreSQL's.
const POSTGRES_EPOCH_UNIX_MICROS: i64 = 946_684_800_000_000;

/// A moment as PostgreSQL stores it. Every 64-bit value is one; those beyond the calendar print as plain numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimestampTz(pub i64);

impl TimestampTz {
    pub fn from_unix_micros(micros: i64) -> TimestampTz {
        TimestampTz(micros.saturating_sub(POSTGRES_EPOCH_UNIX_MICROS))
    }

    /// Saturates near the ends of the 64-bit range, some 290 000 years from now.
    pub fn unix_micros(self) -> i64 {
        self.0.saturating_add(POSTGRES_EPOCH_UNIX_MICROS)
    }

    /// `None` beyond the years -9999 to 9999.
    pub fn to_jiff(self) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_microsecond(self.unix_micros()).ok()
    }

    /// Cuts off what is finer than a microsecond, towards the past.
    pub fn from_jiff(moment: jiff::Timestamp) -> TimestampTz {
        let micros = moment.as_nanosecond().div_euclid(1000);
        TimestampTz::from_unix_micros(micros.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }
}

/// `2026-11-20 03:00:00.000001+00`, the form in which `recovery_target_time` takes it.
impl fmt::Display for TimestampTz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_jiff() {
            Some(moment) => write!(f, "{}", moment.strftime("%Y-%m-%d %H:%M:%S.%6f+00")),
            None => write!(f, "{} us since 2000-01-01", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_year_2000() {
        assert_eq!(TimestampTz(0).to_string(), "2000-01-01 00:00:00.000000+00");
        assert_eq!(TimestampTz(-1).to_string(), "1999-12-31 23:59:59.999999+00");
        assert_eq!(TimestampTz::from_unix_micros(1_795_143_600_000_001).to_string(), "2026-11-20 03:00:00.000001+00");
        assert_eq!(TimestampTz(0).unix_micros(), POSTGRES_EPOCH_UNIX_MICROS);
    }

    #[test]
    fn goes_through_jiff_and_back() {
        let moment: jiff::Timestamp = "2026-11-20T03:00:00.123456789Z".parse().unwrap();
        let truncated: jiff::Timestamp = "2026-11-20T03:00:00.123456Z".parse().unwrap();
        assert_eq!(TimestampTz::from_jiff(moment).to_jiff(), Some(truncated));
    }

    #[test]
    fn any_value_prints() {
        for value in [i64::MIN, i64::MAX] {
            assert_eq!(TimestampTz(value).to_jiff(), None);
            assert!(TimestampTz(value).to_string().contains("since 2000-01-01"));
        }
    }
}
