//! WAL must arrive in the repository: the first segment soon after the start, so that a broken
//! archive_command is found in a minute and not after hours; all of it before the backup counts.

use std::time::{Duration, Instant};

use super::Prepared;
use crate::codec::{MAX_HEADER, peek};
use crate::model::error::{Code, Error, Result};
use crate::model::lsn::Lsn;
use crate::model::wal_name::{Segment, WalName};
use crate::operation::{Context, failure, required};
use crate::postgres::{BackupSession, Connection, Start};
use crate::report::Listener;

/// From the moment that a segment is complete to its arrival in the repository.
const ARRIVAL: Duration = Duration::from_secs(60);

/// For a primary without archive_timeout to end the segment that a backup of its standby ends in.
const WITHOUT_TIMEOUT: Duration = Duration::from_secs(600);

const POLL: Duration = Duration::from_millis(100);
/// While the copy runs there is no hurry.
const SLOW_POLL: Duration = Duration::from_secs(1);

/// A segment on its way into the repository. On a primary it was ended before it is waited for. A standby cannot end
/// one, and an idle primary does so when its archive_timeout is over, or not at all.
struct Arrival {
    segment: Segment,
    complete: bool,
    /// Since when it is complete, or waited for.
    since: Instant,
}

impl Arrival {
    fn new(start: Start, segment: Segment) -> Arrival {
        Arrival { segment, complete: !start.in_recovery, since: Instant::now() }
    }

    fn is_over(&mut self, connection: &mut Connection, prepared: &Prepared) -> Result<bool> {
        if has_arrived(prepared, self.segment)? {
            return Ok(true);
        }
        let end = self.segment.end(prepared.settings.wal_segment_size);
        if !self.complete && connection.wal_position()? >= end {
            (self.complete, self.since) = (true, Instant::now());
        }
        Ok(false)
    }

    fn limit(&self, prepared: &Prepared) -> Duration {
        match prepared.settings.archive_timeout {
            _ if self.complete => ARRIVAL,
            Some(timeout) => timeout + ARRIVAL,
            None => WITHOUT_TIMEOUT,
        }
    }

    fn refuse_late(&self, connection: &mut Connection, context: &Context, prepared: &Prepared) -> Result<()> {
        let limit = self.limit(prepared);
        match self.since.elapsed() < limit {
            true => Ok(()),
            false if self.complete => Err(stalled(context, prepared, connection, self.segment)),
            false => Err(unfinished(prepared, self.segment, limit)),
        }
    }
}

/// The segment that the backup begins in.
pub struct FirstSegment<'a> {
    prepared: &'a Prepared,
    /// `None` once it arrived.
    wanted: Option<Arrival>,
    looked: Instant,
}

impl<'a> FirstSegment<'a> {
    /// An idle primary finishes no segment by a switch alone, so something is written first.
    pub fn request(session: &mut BackupSession, prepared: &'a Prepared) -> Result<FirstSegment<'a>> {
        let start = session.started();
        if !start.in_recovery {
            session.connection().create_restore_point(&format!("pgcairn {}", prepared.id))?;
            session.connection().switch_wal()?;
        }
        let segment = Segment::containing(start.timeline, start.lsn, prepared.settings.wal_segment_size);
        Ok(FirstSegment { prepared, wanted: Some(Arrival::new(start, segment)), looked: Instant::now() })
    }

    /// Fails a minute after the segment was complete if it has not arrived.
    pub fn check(&mut self, session: &mut BackupSession, context: &Context) -> Result<()> {
        let Some(arrival) = &mut self.wanted else { return Ok(()) };
        if self.looked.elapsed() < SLOW_POLL {
            return Ok(());
        }
        self.looked = Instant::now();
        if arrival.is_over(session.connection(), self.prepared)? {
            self.wanted = None;
            return Ok(());
        }
        // That the primary ends it is waited for at the end.
        if arrival.complete { arrival.refuse_late(session.connection(), context, self.prepared) } else { Ok(()) }
    }
}

/// Waits for every segment from start to stop, and for the history of the timeline. Returns where the
/// chain of records is known to break, if it does before the stop.
pub fn wait(
    connection: &mut Connection,
    context: &Context,
    prepared: &Prepared,
    (start, stop): (Start, Lsn),
    listener: &dyn Listener,
) -> Result<Option<Lsn>> {
    let size = prepared.settings.wal_segment_size;
    let mut segment = Segment::containing(start.timeline, start.lsn, size);
    let last = Segment::before(start.timeline, stop, size);
    let mut broken = None;
    while segment.number <= last.number {
        wait_for(connection, context, prepared, Arrival::new(start, segment), listener)?;
        let from = invalid_from(prepared, segment)?;
        broken = broken.or(from.filter(|lsn| *lsn < stop));
        segment = segment.next();
    }
    if start.timeline > 1 {
        check_history(prepared, start)?;
    }
    Ok(broken)
}

fn wait_for(
    connection: &mut Connection,
    context: &Context,
    prepared: &Prepared,
    mut arrival: Arrival,
    listener: &dyn Listener,
) -> Result<()> {
    let mut said = false;
    while !arrival.is_over(connection, prepared)? {
        context.interrupt.check()?;
        arrival.refuse_late(connection, context, prepared)?;
        if !arrival.complete && !said {
            said = true;
            listener.notice(waited_for(prepared, arrival.segment, arrival.limit(prepared)));
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

const SWITCH: &str = "SELECT pg_switch_wal()";

fn waited_for(prepared: &Prepared, segment: Segment, limit: Duration) -> String {
    let (name, seconds) = (segment.name(prepared.settings.wal_segment_size), limit.as_secs());
    format!(
        "the backup needs segment {name}, which the primary has not ended: waiting for {seconds} s at most, {}; \
         {SWITCH} on the primary ends the wait",
        timeout(prepared)
    )
}

/// Where the limit comes from: the standby knows its own setting alone.
fn timeout(prepared: &Prepared) -> String {
    match prepared.settings.archive_timeout {
        Some(timeout) => {
            format!("a minute longer than archive_timeout, which is {} s on this standby", timeout.as_secs())
        }
        None => "as archive_timeout is 0 on this standby".to_owned(),
    }
}

fn unfinished(prepared: &Prepared, segment: Segment, limit: Duration) -> Error {
    let (name, seconds) = (segment.name(prepared.settings.wal_segment_size), limit.as_secs());
    let message = format!(
        "the primary has not ended segment {name}, which the backup needs, within {seconds} s: {}",
        timeout(prepared)
    );
    Error::new(Code::ArchiveStalled, message)
        .hint(format!("{SWITCH} on the primary while pgcairn backup waits, or set archive_timeout there"))
}

fn stalled(context: &Context, prepared: &Prepared, connection: &mut Connection, segment: Segment) -> Error {
    let name = segment.name(prepared.settings.wal_segment_size);
    let last_words = match prepared.settings.in_recovery {
        true => "the primary has ended it, and its log says why".to_owned(),
        false => required::last_words(connection),
    };
    required::stalled(&context.config, prepared.settings.system_identifier, name, ARRIVAL, &last_words)
}
