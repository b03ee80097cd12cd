//! The end of a backup: the list of its objects, then the commit marker. Before the marker there is no
//! backup, after it there is a complete one.

use std::io::Cursor;

use jiff::Timestamp;

use super::{Prepared, Request};
use crate::flow::outward::Copied;
use crate::flow::part_writer::Numbers;
use crate::model::catalog::{
    Environment, FORMAT, Flagged, Method, ObjectsDigest, ServerFacts, Summary, Tolerated, Totals, format_commit_marker,
};
use crate::model::control_file::DataChecksums;
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;
use crate::model::sha256::Sha256Sum;
use crate::operation::{Context, commit_in_time, hold, objects_list};
use crate::postgres::Start;

/// What is known only at the end.
pub struct Facts<'a> {
    pub request: &'a Request,
    pub start: Start,
    pub stop_lsn: Lsn,
    pub stopped: Timestamp,
    pub wal_broken_at: Option<Lsn>,
}

pub fn commit(
    context: &Context,
    prepared: &Prepared,
    copied: &Copied,
    numbers: &Numbers,
    facts: Facts<'_>,
) -> Result<Summary> {
    let creator = prepared.opened.repository.creator();
    let list = objects_list::format(&copied.objects, context.config.backup.compression)?;
    let objects = ObjectsDigest { size: list.len() as u64, sha256: Sha256Sum::of(&list) };
    let listed = Timestamp::now();
    creator.create(&prepared.opened.keys.objects(&prepared.id), &mut Cursor::new(&list))?;
    let opened = &prepared.opened;
    commit_in_time::still_there(&opened.repository.reader(), &opened.keys, &prepared.id, &copied.objects)?;
    let hold_for = facts.request.hold.clone();
    let summary = summary(context, prepared, copied, numbers, facts, objects);
    let marker = format_commit_marker(&summary, prepared.signing_key.as_ref());
    let marker = marker.map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    if let Some(reason) = &hold_for {
        // Before there is a backup that expiry could drop.
        hold::create(&creator, &prepared.opened.keys, &hold::new(&prepared.id, reason, None, context.now))?;
    }
    commit_in_time::not_overdue(&prepared.id, listed, Timestamp::now())?;
    creator.create(&prepared.opened.keys.backup(&prepared.id), &mut Cursor::new(&marker))?;
    if commit_in_time::not_overdue(&prepared.id, listed, Timestamp::now()).is_err() {
        // This host slept while it created the marker.
        commit_in_time::still_there(&opened.repository.reader(), &opened.keys, &prepared.id, &copied.objects)?;
    }
    Ok(summary)
}

fn summary(
    context: &Context,
    prepared: &Prepared,
    copied: &Copied,
    numbers: &Numbers,
    facts: Facts<'_>,
    objects: ObjectsDigest,
) -> Summary {
    let settings = &prepared.settings;
    Summary {
        format: FORMAT,
        minimum_reader: FORMAT,
        id: prepared.id.clone(),
        cluster: prepared.opened.cluster.clone(),
        system_identifier: prepared.opened.system_identifier,
        method: Method::Full,
        labels: facts.request.labels.clone(),
        postgresql: ServerFacts {
            version: settings.version.0,
            catalog_version: prepared.directory.control_file().catalog_version_no,
            wal_segment_size: settings.wal_segment_size,
            block_size: settings.page_size,
            data_checksums: settings.data_checksums == DataChecksums::On,
        },
        timeline: facts.start.timeline,
        start_lsn: facts.start.lsn,
        stop_lsn: facts.stop_lsn,
        started: prepared.started,
        stopped: facts.stopped,
        standby: facts.start.in_recovery,
        parts: numbers.parts(),
        totals: Totals {
            files: copied.files,
            directories: copied.directories,
            data_bytes: copied.data_bytes,
            stored_bytes: copied.objects.iter().map(|object| object.size).sum::<u64>() + objects.size,
            packs: numbers.packs(),
        },
        objects,
        tolerated: Tolerated { vanished: copied.vanished, shrunk: copied.shrunk, skipped: copied.skipped },
        flagged: Flagged {
            count: copied.flagged_count,
            pages: copied.flagged.iter().map(|(_, page)| page.clone()).collect(),
        },
        wal_broken_at: facts.wal_broken_at,
        environment: Environment {
            architecture: prepared.environment.architecture.clone(),
            version: prepared.environment.version.clone(),
        },
        recipients: context.config.recipients.iter().map(ToString::to_string).collect(),
        pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
        is_forged: false,
        lacks_objects: false,
    }
}
