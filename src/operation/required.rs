//! The repositories that `archive_command` must reach, each of them: while one is away the archiver repeats its oldest
//! file, and no other repository gets anything newer. So it is looked for, and named.

use std::time::Duration;

use super::repository::{Opened, open_one};
use crate::config::{self, Config};
use crate::model::error::{Code, Error, Result};
use crate::model::wal_name::SegmentName;
use crate::postgres::Connection;

/// Before a backup whose WAL would not arrive. The first repository was opened already.
pub fn refuse_away(config: &Config) -> Result<()> {
    let mut others = config.others.iter().filter(|other| other.is_archived_to());
    others.try_for_each(|other| open_one(config, other).map(drop).map_err(|error| away(other, error)))
}

fn away(other: &config::Repository, error: Error) -> Error {
    let message = format!("archive_command waits for repository {}: {}", other.name, error.message);
    let hint = without(other, error.hint.as_deref().unwrap_or("pgcairn check"));
    Error { message, hint: Some(hint), ..error }
}

/// What else is possible than to bring it back.
fn without(other: &config::Repository, back: &str) -> String {
    format!(
        "{back}; or go on without it: required = false for {} in the configuration, and later pgcairn copy --all",
        other.name
    )
}

/// A segment that the archiver has not brought everywhere after this time. `last_words` are what the server knows.
pub fn stalled(
    config: &Config,
    system_identifier: u64,
    segment: SegmentName,
    waited: Duration,
    last_words: &str,
) -> Error {
    let seconds = waited.as_secs();
    let told = |place: &str, why: &str| {
        let message = format!("segment {segment} did not arrive in {place} within {seconds} s: {why}");
        Error::new(Code::ArchiveStalled, message)
            .hint("the server's log says what archive_command answered; pgcairn check tries it")
    };
    let due = || config.repositories().filter(|repository| repository.is_archived_to());
    if due().count() == 1 {
        return told(config.repository.url.as_str(), last_words);
    }
    let lacking: Vec<Lacking<'_>> =
        due().filter_map(|repository| lacks(config, repository, system_identifier, segment)).collect();
    let names: Vec<&str> = lacking.iter().map(|lacking| lacking.repository.name.as_str()).collect();
    match lacking.iter().find_map(|lacking| lacking.error.clone().map(|error| (lacking.repository, error))) {
        Some((repository, error)) => {
            let hint = without(repository, error.hint.as_deref().unwrap_or("pgcairn check"));
            told(&names.join(" and "), &format!("{}; {last_words}", error.message)).hint(hint)
        }
        // It came there meanwhile, and PostgreSQL does not know it yet.
        None if names.is_empty() => told("every repository", last_words),
        None => told(&names.join(" and "), last_words),
    }
}

/// A repository that has not got a segment, or that cannot be asked.
struct Lacking<'c> {
    repository: &'c config::Repository,
    error: Option<Error>,
}

fn lacks<'c>(
    config: &Config,
    repository: &'c config::Repository,
    system_identifier: u64,
    segment: SegmentName,
) -> Option<Lacking<'c>> {
    let found = Opened::of_cluster(config, repository, system_identifier)
        .and_then(|opened| Ok(opened.repository.reader().stat_if_there(&opened.keys.segment(segment))?));
    match found {
        Ok(Some(_)) => None,
        Ok(None) => Some(Lacking { repository, error: None }),
        Err(error) => Some(Lacking { repository, error: Some(error) }),
    }
}

/// What PostgreSQL remembers of `archive_command`.
pub fn last_words(connection: &mut Connection) -> String {
    match connection.archiver_failure() {
        Ok(Some(failure)) => format!("archive_command last failed for {} at {}", failure.segment, failure.at),
        Ok(None) => "archive_command has not failed".to_owned(),
        Err(_) => "the server does not say why".to_owned(),
    }
}
