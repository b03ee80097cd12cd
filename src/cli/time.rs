//! Moments as people write them: RFC 3339, civil time with a zone, `10 minutes ago`.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

use crate::model::error::{Code, Error, Result};

/// The moment that `text` means at `now`. A civil time without a zone is refused: in an incident the
/// server's zone and the person's are easily two.
pub fn resolve(text: &str, now: Timestamp) -> Result<Timestamp> {
    let text = text.trim();
    if text.ends_with("ago") {
        return relative(text, now);
    }
    match rfc3339(text).or_else(|| with_zone(text)) {
        Some(moment) => moment.and_then(|moment| whole_microseconds(text, moment)),
        None => Err(not_a_time(text)),
    }
}

/// The same of what is to come, and `30d` or `2 weeks` for a time from now.
pub fn resolve_ahead(text: &str, now: Timestamp) -> Result<Timestamp> {
    let ahead = text.trim();
    match ahead.parse::<Span>() {
        Ok(span) if span.is_positive() => relative(ahead, now),
        _ => resolve(text, now),
    }
    .map_err(|error| match ahead.parse::<DateTime>() {
        Err(_) if error.hint.as_deref() == Some(PAST) => error.hint(FUTURE),
        _ => error,
    })
}

const PAST: &str = "such as \"2026-11-20T14:05:00Z\", \"2026-11-20 14:05 Europe/Berlin\" or \"10 minutes ago\"";
const FUTURE: &str = "such as \"2027-06-30T00:00:00Z\", \"2027-06-30 18:00 Europe/Berlin\" or \"30d\"";

fn relative(text: &str, now: Timestamp) -> Result<Timestamp> {
    let span: Option<Span> = text.parse().ok();
    let moment = span.and_then(|span| now.to_zoned(TimeZone::system()).checked_add(span).ok());
    // Whole seconds are what is meant.
    moment.map(|m| Timestamp::from_second(m.timestamp().as_second()).unwrap_or(now)).ok_or_else(|| not_a_time(text))
}

fn rfc3339(text: &str) -> Option<Result<Timestamp>> {
    text.parse().ok().map(Ok)
}

/// `2026-11-20 14:05[:06] Europe/Berlin`, `… UTC`, `…[Europe/Berlin]`.
fn with_zone(text: &str) -> Option<Result<Timestamp>> {
    let (civil, zone) = match text.strip_suffix(']') {
        Some(open) => open.rsplit_once('[')?,
        None => text.rsplit_once(' ')?,
    };
    let civil: DateTime = civil.trim_end().parse().ok()?;
    let zone = TimeZone::get(zone).ok()?;
    Some(match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).map_err(|_| not_a_time(text)),
        AmbiguousOffset::Fold { before, after } => {
            let both = [before, after].map(|offset| format!("\"{civil}{offset}\"")).join(" or ");
            Err(usage(format!("\"{text}\" happened twice, when the clocks went back"))
                .hint(format!("say which: {both}")))
        }
        AmbiguousOffset::Gap { .. } => {
            Err(usage(format!("\"{text}\" never happened, the clocks went forward over it"))
                .hint("choose another time"))
        }
    })
}

/// PostgreSQL knows microseconds; what is finer would be cut off in silence.
fn whole_microseconds(text: &str, moment: Timestamp) -> Result<Timestamp> {
    if moment.subsec_nanosecond() % 1000 == 0 {
        return Ok(moment);
    }
    Err(usage(format!("\"{text}\" is finer than the microseconds PostgreSQL knows")).hint("give six decimals at most"))
}

fn not_a_time(text: &str) -> Error {
    let error = usage(format!("\"{text}\" is not a time with a zone"));
    match text.parse::<DateTime>() {
        Ok(_) => {
            let zone = TimeZone::system();
            let here = zone.iana_name().filter(|name| *name != "UTC").map(|name| format!("\"{text} {name}\" or "));
            error.hint(format!("add the zone: {}\"{text}Z\"", here.unwrap_or_default()))
        }
        Err(_) => error.hint(PAST),
    }
}

fn usage(message: String) -> Error {
    Error::new(Code::Usage, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> std::result::Result<String, String> {
        let now = "2026-11-20T12:00:00.5Z".parse().unwrap();
        resolve(text, now).map(|moment| moment.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_way_to_say_a_moment() {
        for (text, moment) in [
            ("2026-11-20T14:05:00Z", "2026-11-20T14:05:00Z"),
            ("2026-11-20 14:05:00.123456+01", "2026-11-20T13:05:00.123456Z"),
            ("2026-11-20 14:05Z", "2026-11-20T14:05:00Z"),
            ("2026-11-20T14:05:00 Europe/Berlin", "2026-11-20T13:05:00Z"),
            ("2026-11-20 14:05 Europe/Berlin", "2026-11-20T13:05:00Z"),
            ("2026-07-20 14:05[Europe/Berlin]", "2026-07-20T12:05:00Z"),
            ("2026-11-20 14:05 UTC", "2026-11-20T14:05:00Z"),
            ("2026-11-20T14:05:00+01:00[Europe/Berlin]", "2026-11-20T13:05:00Z"),
            ("10 minutes ago", "2026-11-20T11:50:00Z"),
            ("1h 30m ago", "2026-11-20T10:30:00Z"),
            ("2 days ago", "2026-11-18T12:00:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(moment), "{text}");
        }
    }

    #[test]
    fn what_is_to_come() {
        let now = "2026-11-20T12:00:00.5Z".parse().unwrap();
        let at = |text: &str| resolve_ahead(text, now).map(|moment| moment.to_string()).map_err(|e| e.to_string());
        for (text, moment) in [
            ("30d", "2026-12-20T12:00:00Z"),
            ("2 weeks", "2026-12-04T12:00:00Z"),
            (" 1y 6mo ", "2028-05-20T12:00:00Z"),
            ("2027-06-30T00:00:00Z", "2027-06-30T00:00:00Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(moment), "{text}");
        }
        for text in ["yesterday", "30", "d", "-30d", ""] {
            let said = at(text).unwrap_err();
            assert!(said.contains("\"30d\"") && !said.contains("ago"), "{text}: {said}");
        }
    }

    #[test]
    fn what_may_mean_two_moments_is_refused() {
        let twice = at("2026-10-25 02:30 Europe/Berlin").unwrap_err();
        assert!(
            twice.contains("happened twice") && twice.contains("2026-10-25T02:30:00+02\" or \"2026-10-25T02:30:00+01"),
            "{twice}"
        );
        assert!(at("2026-03-29 02:30 Europe/Berlin").unwrap_err().contains("never happened"));
        assert!(at("2026-11-20 14:05").unwrap_err().contains("\"2026-11-20 14:05Z\""));
        assert!(at("2026-11-20T14:05:00.1234567Z").unwrap_err().contains("microseconds"));
        for text in ["", "yesterday", "now", "14:05", "ago", "2026-13-01T00:00:00Z", "2026-11-20 14:05 Mars/Base"] {
            assert!(at(text).is_err(), "{text}");
        }
    }
}
