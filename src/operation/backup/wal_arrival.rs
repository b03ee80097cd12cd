//! WAL must arrive in the repository: the first segment soon after the start, so that a broken
//! archive_command is found in a minute and not after hours; all of it before the backup counts.

use std::time::{Duration, Instant};

use super::Prepared;
use crate::codec::{MAX_HEADER, peek};
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;
use crate::model::wal_name::{Segment, WalName};
use crate::operation::{Context, failure};
use crate::postgres::{BackupSession, Connection, Start};

/// From the start of the backup to its first segment in the repository, and from one segment that the
/// backup needs to the next.
const ARRIVAL: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(100);
/// While the copy runs there is no hurry.
const SLOW_POLL: Duration = Duration::from_secs(1);

/// The segment that the backup begins in, on its way into the repository.
pub struct FirstSegment<'a> {
    prepared: &'a Prepared,
    /// `None` once it arrived, and on a standby, which makes no segments.
    wanted: Option<Segment>,
    since: Instant,
    looked: Instant,
}

impl<'a> FirstSegment<'a> {
    /// An idle primary finishes no segment by a switch alone, so something is written first.
    pub fn request(session: &mut BackupSession, prepared: &'a Prepared) -> Result<FirstSegment<'a>> {
        let start = session.started();
        let now = Instant::now();
        let mut first = FirstSegment { prepared, wanted: None, since: now, looked: now };
        if !start.in_recovery {
            session.connection().create_restore_point(&format!("pgcairn {}", prepared.id))?;
            session.connection().switch_wal()?;
            first.wanted = Some(Segment::containing(start.timeline, start.lsn, prepared.settings.wal_segment_size));
        }
        Ok(first)
    }

    /// Fails a minute after the start if the segment has not arrived.
    pub fn check(&mut self, session: &mut BackupSession) -> Result<()> {
        let Some(segment) = self.wanted else { return Ok(()) };
        if self.looked.elapsed() < SLOW_POLL {
            return Ok(());
        }
        self.looked = Instant::now();
        if has_arrived(self.prepared, segment)? {
            self.wanted = None;
            return Ok(());
        }
        if self.since.elapsed() < ARRIVAL { Ok(()) } else { Err(stalled(self.prepared, session.connection(), segment)) }
    }
}

/// Waits for every segment from start to stop, and for the history of the timeline. Returns where the
/// chain of records is known to break, if it does before the stop.
pub fn wait(
    connection: &mut Connection,
    context: &Context,
    prepared: &Prepared,
    start: Start,
    stop: Lsn,
) -> Result<Option<Lsn>> {
    let size = prepared.settings.wal_segment_size;
    let mut segment = Segment::containing(start.timeline, start.lsn, size);
    let last = Segment::before(start.timeline, stop, size);
    let mut broken = None;
    while segment.number <= last.number {
        wait_for(connection, context, prepared, segment)?;
        let from = invalid_from(prepared, segment)?;
        broken = broken.or(from.filter(|lsn| *lsn < stop));
        segment = segment.next();
    }
    if start.timeline > 1 {
        check_history(prepared, start)?;
    }
    Ok(broken)
}

fn wait_for(connection: &mut Connection, context: &Context, prepared: &Prepared, segment: Segment) -> Result<()> {
    let since = Instant::now();
    while !has_arrived(prepared, segment)? {
        context.interrupt.check()?;
        if since.elapsed() >= ARRIVAL {
            return Err(stalled(prepared, connection, segment));
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// An object of this name may be another server's, a clone's: what this one has still to archive
/// (`XLogArchiveNotify` leaves a `.ready` file) has not arrived.
fn has_arrived(prepared: &Prepared, segment: Segment) -> Result<bool> {
    let name = segment.name(prepared.settings.wal_segment_size);
    let waiting = prepared.directory.path().join(format!("pg_wal/archive_status/{name}.ready"));
    match prepared.opened.repository.reader().stat(&prepared.opened.keys.segment(name)) {
        Ok(_) => Ok(!waiting.exists()),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What `wal push` found out about the segment.
fn invalid_from(prepared: &Prepared, segment: Segment) -> Result<Option<Lsn>> {
    let key = prepared.opened.keys.segment(segment.name(prepared.settings.wal_segment_size));
    let start = prepared.opened.repository.reader().get_range(&key, 0..MAX_HEADER as u64)?;
    let peeked = peek(&start, prepared.opened.repository.encryption()).map_err(|e| failure::object(&key, e))?;
    Ok(peeked.envelope.wal.and_then(|wal| wal.invalid_from))
}

/// Without it no recovery finds the way to this timeline.
fn check_history(prepared: &Prepared, start: Start) -> Result<()> {
    let name = WalName::History(start.timeline);
    let key = prepared.opened.keys.wal_file(&name);
    match prepared.opened.repository.reader().stat(&key) {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Err(Error::new(
            Code::WalGap,
            format!(
                "{name} is neither in the repository nor in pg_wal, and the backup lies on timeline {}",
                start.timeline
            ),
        )
        .hint(format!("copy {name} from another server of this cluster into pg_wal, then pgcairn backup"))),
        Err(error) => Err(error.into()),
    }
}

fn stalled(prepared: &Prepared, connection: &mut Connection, segment: Segment) -> Error {
    let name = segment.name(prepared.settings.wal_segment_size);
    let seconds = ARRIVAL.as_secs();
    let cause = match connection.archiver_failure() {
        Ok(Some(failure)) => format!("archive_command last failed for {} at {}", failure.segment, failure.at),
        Ok(None) => "archive_command has not failed".to_owned(),
        Err(_) => "the server does not say why".to_owned(),
    };
    Error::new(
        Code::ArchiveStalled,
        format!("segment {name} did not arrive in {} within {seconds} s: {cause}", prepared.opened.repository.url()),
    )
    .hint("the server's log says what archive_command answered; pgcairn check tries it")
}
