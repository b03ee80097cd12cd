//! `wal flush`: everything committed so far is in the repository when it returns.

use std::time::{Duration, Instant};

use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;
use crate::model::wal_name::{Segment, SegmentName};
use crate::operation::repository::Opened;
use crate::operation::{Context, required};
use crate::postgres::{Connection, Settings};
use crate::report::wal::Flush;
use crate::report::{Listener, Phase};

const POLL: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// How long to wait for the archiver.
    pub timeout: Duration,
}

pub fn run(context: &Context, request: &Request, listener: &dyn Listener) -> Result<Flush> {
    let began = Instant::now();
    let mut connection = Connection::open(context.config.postgres()?.connection.as_str())?;
    let settings = Settings::read(&mut connection)?;
    let opened = Opened::for_cluster(&context.config, settings.system_identifier)?;
    let (flushed_to, segment) = finish_segment(&mut connection, &settings)?;
    listener.phase(Phase::WaitingForWal);
    wait(context, &opened, segment, request.timeout, &mut connection)?;
    Ok(Flush {
        cluster: opened.cluster.to_string(),
        repository: opened.repository.url().to_owned(),
        flushed_to,
        last_segment: segment.to_string(),
        seconds: began.elapsed().as_secs_f64(),
    })
}

/// Ends the current segment. A switch alone does nothing on an idle server whose last segment has just
/// begun, so a restore point is written first.
fn finish_segment(connection: &mut Connection, settings: &Settings) -> Result<(Lsn, SegmentName)> {
    if settings.in_recovery {
        return Err(Error::new(Code::Refused, "the server is a standby, which ends no WAL segments")
            .hint("run pgcairn wal flush on the primary"));
    }
    let written = connection.create_restore_point("pgcairn flush")?;
    connection.switch_wal()?;
    let segment = Segment::before(settings.timeline, written, settings.wal_segment_size);
    Ok((written, segment.name(settings.wal_segment_size)))
}

/// An object of this name may be a clone's, or not durable yet: what PostgreSQL has still to archive
/// (`XLogArchiveNotify` leaves a `.ready` file) has not arrived.
fn wait(
    context: &Context,
    opened: &Opened,
    segment: SegmentName,
    timeout: Duration,
    connection: &mut Connection,
) -> Result<()> {
    let since = Instant::now();
    let key = opened.keys.segment(segment);
    let waiting = context.config.postgres()?.data_dir.join(format!("pg_wal/archive_status/{segment}.ready"));
    loop {
        context.interrupt.check()?;
        match opened.repository.reader().stat(&key) {
            Ok(_) if !waiting.exists() => return Ok(()),
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        if since.elapsed() >= timeout {
            let last_words = required::last_words(connection);
            return Err(required::stalled(&context.config, opened.system_identifier, segment, timeout, &last_words));
        }
        std::thread::sleep(POLL);
    }
}
