//! Moments as PostgreSQL keeps them: microseconds.

/// As a recovery target is written: `2026-11-20 03:00:00.123456+00`.
pub fn utc(micros: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(micros).expect("a moment of a test lies within years 1 to 9999");
    at.strftime("%Y-%m-%d %H:%M:%S%.6f+00").to_string()
}
