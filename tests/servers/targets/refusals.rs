//! Targets that cannot be reached: refused before anything is written, with the last moment that can be.

use crate::support::Outcome;
use crate::support::history::Target;
use crate::support::majors::Installation;
use crate::support::time;

use super::copy::{arguments, planned, writes_nothing};
use super::origin::{Origin, origin};

/// Exit status of a target that cannot be reached.
const UNREACHABLE: i32 = 12;

pub fn of_every_kind(install: &'static Installation) -> Outcome {
    let origin = origin(install)?;
    let [first, second] = &origin.backups[..] else { return Err("two backups".into()) };
    let refused = |words: &[&str], texts: &[&str]| -> Outcome<String> {
        for extra in [&["--plan"][..], &[]] {
            writes_nothing(&origin.site, &[words, extra].concat())?.status_is(UNREACHABLE)?.says(texts)?;
        }
        let run = writes_nothing(&origin.site, words)?;
        Ok(super::copy::last_object(&run)?["error"].to_string())
    };
    let before = "lies before the oldest backup";
    refused(&["--to", "2001-01-01T00:00:00Z"], &[before, &first.id])?;
    refused(&["--to-lsn", "0/1000028"], &[before, &first.id, &first.stop.to_string()])?;
    // Within the newer backup, which is not consistent there, or before it.
    refused(&["--backup", &second.id, "--to-lsn", &second.start.to_string()], &["lies before backup", &second.id])?;
    refused(&["--backup", &second.id, "--to-name", &origin.names[0]], &["is not before the end of the archive"])?;

    // Whatever lies beyond the end: the last moment is named.
    let greatest = origin.history.records.iter().map(|r| r.time).max().ok_or("a history")?;
    // In words and for `--to`.
    let last = moment(greatest)?;
    for words in [
        ["--to", &time::utc(greatest + 1)],
        ["--to", &*last],
        ["--to", "2100-01-01T00:00:00Z"],
        ["--to-lsn", "FF/0"],
        ["--to-xid", "4000000000"],
        ["--to-xid", &origin.running.to_string()],
        ["--before-xid", &origin.running.to_string()],
        ["--to-xid", &origin.prepared.to_string()],
        ["--to-xid", &origin.early.to_string()],
        ["--to-name", "never made"],
        ["--to-name", "left over"],
    ] {
        refused(&words, &[&last])?;
    }
    refused(&["--to-xid", &origin.running.to_string()], &["neither committed nor aborted"])?;
    refused(&["--to-xid", "4000000000"], &["no such transaction"])?;
    refused(&["--to-name", "never made"], &origin.names.last().map(|n| [n.as_str()]).ok_or("names")?)?;
    latest_time(&origin, greatest)
}

/// The latest time that the refusal offers can be reached, a microsecond more cannot.
fn latest_time(origin: &Origin, greatest: i64) -> Outcome {
    let offered = moment(greatest - 1)?;
    let words = ["--to", "2100-01-01T00:00:00Z"];
    writes_nothing(&origin.site, &words)?.status_is(UNREACHABLE)?.says(&[&offered])?;
    planned(&origin.site, &["--to", &offered])?;
    planned(&origin.site, &arguments(&Target::Time(greatest), false))?;
    let beyond = arguments(&Target::Time(greatest + 1), false);
    writes_nothing(&origin.site, &beyond)?.status_is(UNREACHABLE).map(drop)
}

fn moment(micros: i64) -> Outcome<String> {
    Ok(jiff::Timestamp::from_microsecond(micros)?.to_string())
}
