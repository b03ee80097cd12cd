//! The end of a dump, as that of a backup: contents, the list of objects, then the marker, in every repository.

use std::io::{Cursor, Write};

use jiff::Timestamp;

use super::{Prepared, Request};
use crate::codec::{CodecError, Envelope, FrameWriter};
use crate::model::catalog::{FORMAT, ObjectLine, ObjectsDigest};
use crate::model::dump::{Contents, MAX_CONTENTS, Summary, Totals, format_marker, named};
use crate::model::error::{Code, Error, Result};
use crate::model::key::Kind;
use crate::model::sha256::Sha256Sum;
use crate::operation::repository::Opened;
use crate::operation::{Context, commit_in_time, hold, objects_list};

/// What lies in the repositories by now.
pub struct Written {
    pub contents: Contents,
    pub objects: Vec<ObjectLine>,
    pub pieces: u32,
    pub finished: Timestamp,
}

pub fn commit(context: &Context, request: &Request, prepared: &Prepared, mut written: Written) -> Result<Summary> {
    let (keys, id) = (&prepared.opened.keys, &prepared.id);
    let contents = contents(context, prepared, &written.contents)?;
    let line = |bytes: &[u8], key| ObjectLine { key, size: bytes.len() as u64, sha256: Sha256Sum::of(bytes) };
    written.objects.push(line(&contents, keys.dump_contents(id)));
    let list = objects_list::format(&written.objects, context.config.dump_compression())?;
    let objects = ObjectsDigest { size: list.len() as u64, sha256: Sha256Sum::of(&list) };
    let summary = summary(context, request, prepared, &written, objects);
    let marker = format_marker(&summary, prepared.signing_key.as_ref());
    let marker = marker.map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    let listed = Timestamp::now();
    // Nowhere is there a dump before all of it is everywhere.
    for (key, bytes) in [(keys.dump_contents(id), &contents), (keys.dump_objects(id), &list)] {
        for destination in &prepared.destinations {
            destination.repository.creator().create(&key, &mut Cursor::new(bytes))?;
        }
    }
    for destination in &prepared.destinations {
        commit_in_time::still_there(&destination.repository.reader(), keys, id, &written.objects)?;
    }
    for (number, destination) in prepared.destinations.iter().enumerate() {
        let placed = place(context, request, prepared, destination, &marker, listed);
        placed.map_err(|error| match number {
            0 => error,
            _ => error.hint(format!("where it could be it is complete; bring it to the others: pgcairn copy {id}")),
        })?;
        if commit_in_time::not_overdue(id, listed, Timestamp::now()).is_err() {
            // This host slept while it created the marker.
            commit_in_time::still_there(&destination.repository.reader(), keys, id, &written.objects)?;
        }
    }
    Ok(summary)
}

/// The marker; a hold before it, so that no expiry comes between.
fn place(
    context: &Context,
    request: &Request,
    prepared: &Prepared,
    destination: &Opened,
    marker: &[u8],
    listed: Timestamp,
) -> Result<()> {
    let (keys, id, creator) = (&prepared.opened.keys, &prepared.id, destination.repository.creator());
    if let Some(reason) = &request.hold {
        hold::create(&creator, keys, &hold::new(id, reason, None, context.now))?;
    }
    commit_in_time::not_overdue(id, listed, Timestamp::now())?;
    Ok(creator.create(&keys.dump(id), &mut Cursor::new(marker))?)
}

fn contents(context: &Context, prepared: &Prepared, contents: &Contents) -> Result<Vec<u8>> {
    let text = contents.format(&prepared.id).map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    if text.len() as u64 > MAX_CONTENTS {
        let message = format!("what it consists of takes {} bytes to say, more than {MAX_CONTENTS}", text.len());
        return Err(Error::new(Code::Dump, message).hint("dump fewer databases at once"));
    }
    let envelope = Envelope::new(prepared.opened.keys.dump_contents(&prepared.id), Kind::DumpContents);
    let sealed = prepared.sealer.seal(&envelope, Vec::new())?;
    let mut frames = FrameWriter::new(sealed, context.config.dump_compression())?;
    frames.write_all(&text).map_err(CodecError::from)?;
    Ok(frames.finish().and_then(|sealed| sealed.finish()).map_err(CodecError::from)?)
}

fn summary(
    context: &Context,
    request: &Request,
    prepared: &Prepared,
    written: &Written,
    objects: ObjectsDigest,
) -> Summary {
    let parts = &written.contents.databases;
    let tables = parts.iter().map(|part| part.rows.len() + part.large.len()).sum::<usize>() as u64;
    let small: u64 = parts.iter().flat_map(|part| &part.rows).map(|table| table.rows).sum();
    let large: u64 = parts.iter().flat_map(|part| &part.large).map(|table| table.rows).sum();
    Summary {
        format: FORMAT,
        minimum_reader: FORMAT,
        id: prepared.id.clone(),
        cluster: prepared.opened.cluster.clone(),
        system_identifier: prepared.opened.system_identifier,
        labels: request.labels.clone(),
        server_version: prepared.server.version.0,
        pg_dump_major: prepared.programs.major,
        started: prepared.server.now,
        finished: written.finished,
        standby: prepared.server.in_recovery,
        schema_only: request.schema_only,
        databases: named(parts.iter().map(|part| part.database.name.as_str())),
        totals: Totals {
            databases: parts.len() as u64,
            tables,
            rows: small + large,
            data_bytes: written.contents.streams().map(|stream| stream.bytes).sum(),
            stored_bytes: written.objects.iter().map(|object| object.size).sum::<u64>() + objects.size,
            pieces: written.pieces,
        },
        objects,
        recipients: context.config.recipients.iter().map(ToString::to_string).collect(),
        pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
        lacks_objects: false,
    }
}
