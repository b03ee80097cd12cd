//! Targets as a person would say them.

use crate::model::plan::target::Target;
use crate::model::timestamp::TimestampTz;

pub fn words(target: &Target) -> String {
    let side = |inclusive: &bool| if *inclusive { "" } else { "just before " };
    match target {
        Target::Immediate => "the end of the backup".to_owned(),
        Target::Latest => "the end of the archive".to_owned(),
        Target::Time { at, inclusive } => format!("{}{}", side(inclusive), moment(*at)),
        Target::Lsn { at, inclusive } => format!("{}LSN {at}", side(inclusive)),
        Target::Xid { xid, inclusive } => format!("{}transaction {xid}", side(inclusive)),
        Target::Name(name) => format!("restore point \"{name}\""),
    }
}

/// As `--to` takes it.
pub fn moment(time: TimestampTz) -> String {
    time.to_jiff().map_or_else(|| time.to_string(), |time| time.to_string())
}
