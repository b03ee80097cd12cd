//! What ties each record to those before it: its link back, its timeline, and records given up after a crash.

use super::broken::Reason;
use super::event::Event;
use super::format::WalFormat;
use super::record::{RECORD_HEADER, RecordHeader};
use crate::model::lsn::Lsn;
use crate::model::wal_name::TimelineId;

#[derive(Debug)]
pub(super) struct Chain {
    format: WalFormat,
    prev: Prev,
    given_up: GivenUp,
    /// The timeline that recovery would be on; `None` until a record has told.
    timeline: Option<TimelineId>,
    /// Beginning of the last good record.
    pub last_record: Option<Lsn>,
}

/// What is known of the record before the next one.
#[derive(Debug, Clone, Copy)]
enum Prev {
    Exactly(Lsn),
    Before(Lsn),
}

/// What is known of a record that `XLOG_OVERWRITE_CONTRECORD` must name.
#[derive(Debug, Clone, Copy)]
enum GivenUp {
    Unknown,
    None,
    At(Lsn),
}

impl Chain {
    /// Begins with the record at `lsn`.
    pub fn at_record(format: WalFormat, timeline: TimelineId, lsn: Lsn) -> Chain {
        let timeline = Some(timeline);
        Chain { format, prev: Prev::Before(lsn), given_up: GivenUp::None, timeline, last_record: None }
    }

    /// Begins with a record that links back to one before `bound`, and of which nothing else is known.
    pub fn anywhere(format: WalFormat, bound: Lsn) -> Chain {
        Chain { format, prev: Prev::Before(bound), given_up: GivenUp::Unknown, timeline: None, last_record: None }
    }

    pub fn check_length(&self, found: u32) -> Result<(), Reason> {
        let greatest = self.format.greatest_record;
        let fits = (RECORD_HEADER as u32..=greatest).contains(&found);
        if fits { Ok(()) } else { Err(Reason::Length { found, greatest }) }
    }

    /// `ValidXLogRecordHeader`
    pub fn check_header(&self, header: &RecordHeader, lsn: Lsn) -> Result<(), Reason> {
        self.check_length(header.total_length)?;
        if !self.format.knows_resource_manager(header.rmid) {
            return Err(Reason::ResourceManager(header.rmid));
        }
        match self.prev {
            Prev::Exactly(expected) if header.prev != expected => {
                Err(Reason::PrevLink { found: header.prev, expected })
            }
            Prev::Before(bound) if header.prev >= bound.min(lsn) => Err(Reason::PrevNotBefore(header.prev)),
            _ => Ok(()),
        }
    }

    /// The record at `lsn` is good.
    pub fn follow(&mut self, lsn: Lsn) {
        self.prev = Prev::Exactly(lsn);
        self.last_record = Some(lsn);
    }

    /// The record at `lsn` ends in the middle, and the page after says that this is meant so.
    pub fn give_up(&mut self, lsn: Lsn) {
        self.given_up = GivenUp::At(lsn);
    }

    /// A record that was given up without its successor saying so is itself what cannot be read.
    pub fn given_up_or(&self, lsn: Lsn) -> Lsn {
        if let GivenUp::At(given_up) = self.given_up { given_up } else { lsn }
    }

    /// Checks what recovery would check of its own records (`checkTimeLineSwitch`, `xlogrecovery_redo`).
    pub fn heed(&mut self, event: &Event) -> Result<(), Reason> {
        match *event {
            Event::Checkpoint { shutdown: true, timeline, previous_timeline, .. }
            | Event::EndOfRecovery { timeline, previous_timeline, .. } => {
                self.change_timeline(timeline, previous_timeline)
            }
            Event::OverwriteContrecord { overwritten, .. } => self.overwrite(overwritten),
            _ => Ok(()),
        }
    }

    fn change_timeline(&mut self, timeline: TimelineId, previous: TimelineId) -> Result<(), Reason> {
        let expected = self.timeline.unwrap_or(previous);
        if timeline != expected && (previous != expected || timeline < expected) {
            return Err(Reason::TimelineSwitch { timeline, previous, expected });
        }
        self.timeline = Some(timeline);
        Ok(())
    }

    fn overwrite(&mut self, found: Lsn) -> Result<(), Reason> {
        let expected = match self.given_up {
            GivenUp::Unknown => found,
            GivenUp::None => Lsn::INVALID,
            GivenUp::At(lsn) => lsn,
        };
        if found != expected {
            return Err(Reason::Overwrite { found, expected });
        }
        self.given_up = GivenUp::None;
        Ok(())
    }
}
