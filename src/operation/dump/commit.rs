//! The end of a dump, as that of a backup: contents, the list of objects, then the marker, in every repository.

use std::io::{Cursor, Write};

use jiff::Timestamp;

use super::{Dumped, Prepared, Request};
use crate::codec::{CodecError, Envelope, FrameWriter};
use crate::model::catalog::{FORMAT, ObjectLine, ObjectsDigest};
use crate::model::dump::{Summary, Totals, format_marker, named};
use crate::model::error::{Code, Error, Result};
use crate::model::key::Kind;
use crate::model::sha256::Sha256Sum;
use crate::operation::{Context, objects_list};

/// What lies in the repositories by now.
pub struct Written {
    pub dumped: Dumped,
    pub objects: Vec<ObjectLine>,
    pub pieces: u32,
    pub finished: Timestamp,
}

pub fn commit(context: &Context, request: &Request, prepared: &Prepared, mut written: Written) -> Result<Summary> {
    let (keys, id) = (&prepared.opened.keys, &prepared.id);
    let contents = contents(context, prepared, &written.dumped)?;
    let line = |bytes: &[u8], key| ObjectLine { key, size: bytes.len() as u64, sha256: Sha256Sum::of(bytes) };
    written.objects.push(line(&contents, keys.dump_contents(id)));
    let list = objects_list::format(&written.objects, context.config.backup.compression)?;
    let objects = ObjectsDigest { size: list.len() as u64, sha256: Sha256Sum::of(&list) };
    let summary = summary(context, request, prepared, &written, objects);
    let marker = format_marker(&summary, prepared.signing_key.as_ref());
    let marker = marker.map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    // Nowhere is there a dump before all of it is everywhere.
    for (key, bytes) in [(keys.dump_contents(id), &contents), (keys.dump_objects(id), &list), (keys.dump(id), &marker)]
    {
        for destination in &prepared.destinations {
            destination.repository.creator().create(&key, &mut Cursor::new(bytes))?;
        }
    }
    Ok(summary)
}

fn contents(context: &Context, prepared: &Prepared, dumped: &Dumped) -> Result<Vec<u8>> {
    let text = dumped.contents.format(&prepared.id, dumped.passwords);
    let text = text.map_err(|e| Error::new(Code::Internal, e.to_string()))?;
    let envelope = Envelope::new(prepared.opened.keys.dump_contents(&prepared.id), Kind::DumpContents);
    let sealed = prepared.sealer.seal(&envelope, Vec::new())?;
    let mut frames = FrameWriter::new(sealed, context.config.backup.compression)?;
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
    let parts = &written.dumped.contents.databases;
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
            data_bytes: written.dumped.contents.streams().map(|stream| stream.bytes).sum(),
            stored_bytes: written.objects.iter().map(|object| object.size).sum::<u64>() + objects.size,
            pieces: written.pieces,
        },
        objects,
        recipients: context.config.recipients.iter().map(ToString::to_string).collect(),
        pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
