//! What stays of a verification in the repository, for `status`.

use crate::config;
use crate::model::error::Result;
use crate::model::key::BackupId;
use crate::model::record::FORMAT;
use crate::model::verification::{self, Record, Unsettled};
use crate::operation::repository::Opened;
use crate::operation::{Context, records, verifications};
use crate::report::Listener;
use crate::report::verify::Repository;
use crate::store::RepositoryUrl;

/// Damage that was found here, by whoever it was, and is not proven to be gone.
pub fn unsettled(opened: &Opened) -> Result<Option<Unsettled>> {
    let last = verifications::last(&opened.repository.reader(), &opened.keys)?;
    Ok(verification::unsettled(&last))
}

/// What was read has been read, though whoever may only read leaves no record of it.
pub fn keep(
    (context, wanted): (&Context, &config::Repository),
    opened: &Opened,
    backup: Option<&BackupId>,
    verified: &Repository,
    listener: &dyn Listener,
) {
    // What somebody may have overwritten since says nothing of what is there.
    if matches!(wanted.url.place(), RepositoryUrl::S3(settings) if settings.oldest_versions) {
        return;
    }
    let record = of(context, backup, verified);
    // Somebody else may have found something meanwhile.
    let created = unsettled(opened).and_then(|open| {
        let open = open.filter(|open| backup.is_none() && !open.is_settled_by(&record));
        let record = Record { unsettled: open, ..record };
        records::create(opened, &record)
    });
    if let Err(error) = created {
        listener.notice(format!("no record of it is left in {}: {}", verified.name, error.message));
    }
}

fn of(context: &Context, backup: Option<&BackupId>, verified: &Repository) -> Record {
    Record {
        format: FORMAT,
        backup: backup.cloned(),
        proof: verified.proof,
        started: context.now,
        seconds: seconds_since(context),
        passed: verified.is_sound(),
        damaged: verified.damaged.len() as u64 + verified.bad_pages.len() as u64 + verified.more_bad_pages,
        missing_wal: verified.wal_gaps.iter().map(|gap| gap.segments).sum(),
        read_bytes: verified.bytes + verified.wal_bytes,
        covered: verified.covered,
        covered_since: verified.covered_since,
        unsettled: None,
        pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn seconds_since(context: &Context) -> f64 {
    jiff::Timestamp::now().duration_since(context.now).as_secs_f64().max(0.0)
}
