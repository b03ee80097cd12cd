//! Why a backup is kept, in the words of the report.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A calendar's unit, in UTC: the same wherever expiry runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    /// With how many of each count.
    pub fn each(counts: [u32; 4]) -> [(Period, u32); 4] {
        let [daily, weekly, monthly, yearly] = counts;
        [(Period::Day, daily), (Period::Week, weekly), (Period::Month, monthly), (Period::Year, yearly)]
    }

    /// `2026-11-20`, `2026-W47`, `2026-11`, `2026`.
    pub fn of(self, moment: Timestamp) -> String {
        let date = moment.to_zoned(TimeZone::UTC).date();
        match self {
            Period::Day => date.to_string(),
            Period::Week => {
                let week = date.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Period::Month => format!("{:04}-{:02}", date.year(), date.month()),
            Period::Year => format!("{:04}", date.year()),
        }
    }

    pub fn most_days(self) -> u64 {
        match self {
            Period::Day => 1,
            Period::Week => 7,
            Period::Month => 31,
            Period::Year => 366,
        }
    }

    pub fn adverb(self) -> &'static str {
        match self {
            Period::Day => "daily",
            Period::Week => "weekly",
            Period::Month => "monthly",
            Period::Year => "yearly",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    Hold {
        reason: String,
        until: Option<Timestamp>,
    },
    /// It was made within the window.
    Window,
    /// Of a dump: it is young.
    Within,
    /// The window's first moments are restored from it.
    WindowRestsOnIt,
    Period {
        period: Period,
        name: String,
    },
    Minimum,
    /// Of a dump: one of the newest that has this database, or one that its marker does not name.
    MinimumOf {
        database: Option<String>,
    },
    /// The newest that a drill restored.
    Proven,
    /// The last one that is good.
    LastGood,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Hold { reason, until: None } => write!(f, "hold: {reason}"),
            Rule::Hold { reason, until: Some(until) } => write!(f, "hold: {reason} until {until}"),
            Rule::Window => f.write_str("window"),
            Rule::Within => f.write_str("within"),
            Rule::WindowRestsOnIt => f.write_str("window rests on it"),
            Rule::Period { period, name } => write!(f, "{} {name}", period.adverb()),
            Rule::Minimum | Rule::MinimumOf { database: None } => f.write_str("minimum"),
            Rule::MinimumOf { database: Some(database) } => write!(f, "minimum of {database}"),
            Rule::Proven => f.write_str("newest proven by a drill"),
            Rule::LastGood => f.write_str("last good one"),
        }
    }
}
