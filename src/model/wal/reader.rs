//! Reads records off consecutive pages, as `XLogDecodeNextRecord` in `xlogreader.c` would.

use super::broken::{Break, End, Reason, Tail};
use super::bytes::all_zero;
use super::chain::Chain;
use super::event::{self, Event};
use super::page::{PageError, PageHeader, WalIdentity, check_timeline};
use super::pending::Pending;
use super::record::{RecordHeader, crc_of};
use super::{MAX_ALIGN, max_align};
use crate::model::lsn::Lsn;
use crate::model::wal_name::{Segment, TimelineId};

/// Assumed until the first page has told; every released package uses it.
const DEFAULT_BLOCK_SIZE: usize = 8192;

/// One complete record whose checksum and links are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it begins (`ReadRecPtr`).
    pub lsn: Lsn,
    /// Where the next one can begin at the earliest (`EndRecPtr`); after a switch the end of the segment.
    pub end: Lsn,
    pub prev: Lsn,
    pub xid: u32,
    pub rmid: u8,
    pub info: u8,
    pub total_length: u32,
    pub event: Option<Event>,
}

#[derive(Debug)]
enum State {
    /// Pages before the one with this record are passed over.
    Before(Lsn),
    /// At the beginning of a segment: the rest of an earlier record may come first.
    SegmentStart,
    /// Still in the rest of that record.
    Continuation {
        missing: u32,
    },
    /// A record begins next.
    Records,
    Pending(Box<Pending>),
    /// Unused pages after a switch.
    Switched {
        until: Lsn,
    },
    Zeroes {
        at: Lsn,
    },
}

/// Checks WAL page by page and hands out its records. Holds no more than one record's header and, of the few
/// records that are opened, the bytes that have arrived.
#[derive(Debug)]
pub struct WalReader {
    identity: WalIdentity,
    block_size: Option<usize>,
    /// Address of the next page.
    address: Lsn,
    state: State,
    chain: Chain,
    valid_to: Lsn,
    page_timeline: TimelineId,
    continuation: u32,
    residue_after_switch: bool,
    broken: Option<Break>,
}

impl WalReader {
    /// Begins at the record at `lsn`, which belongs to `timeline`. The pages fed begin with the first of its segment.
    pub fn at_record(identity: WalIdentity, timeline: TimelineId, lsn: Lsn) -> WalReader {
        let segment = Segment::containing(timeline, lsn, identity.segment_size);
        let chain = Chain::at_record(identity.format, timeline, lsn);
        let start = segment.start(identity.segment_size);
        WalReader { valid_to: lsn, ..WalReader::new(identity, start, State::Before(lsn), chain) }
    }

    /// Begins at the first record that begins in `segment`; the rest of an earlier one is passed over.
    pub fn at_segment(identity: WalIdentity, segment: Segment) -> WalReader {
        let start = segment.start(identity.segment_size);
        WalReader::new(identity, start, State::SegmentStart, Chain::anywhere(identity.format, start))
    }

    /// Begins at the record at `lsn`, of which nothing else is known. The pages fed begin with the one it lies on.
    pub(super) fn at_page_of(identity: WalIdentity, block_size: u32, lsn: Lsn) -> WalReader {
        let page = Lsn(lsn.0 - lsn.0 % u64::from(block_size));
        let chain = Chain::anywhere(identity.format, lsn);
        let reader = WalReader::new(identity, page, State::Before(lsn), chain);
        WalReader { block_size: Some(block_size as usize), valid_to: lsn, ..reader }
    }

    fn new(identity: WalIdentity, address: Lsn, state: State, chain: Chain) -> WalReader {
        WalReader {
            identity,
            block_size: None,
            address,
            state,
            chain,
            valid_to: address,
            page_timeline: 1,
            continuation: 0,
            residue_after_switch: false,
            broken: None,
        }
    }

    /// Address of the next page it wants.
    pub fn position(&self) -> Lsn {
        self.address
    }

    /// Length of the rest of an earlier record that the segment began with, as far as seen.
    pub fn continuation(&self) -> u32 {
        self.continuation
    }

    /// Reads whole pages from one file of `timeline`, and calls `visit` for each record that they complete.
    /// Once broken it stays so.
    pub fn feed(&mut self, timeline: TimelineId, pages: &[u8], visit: &mut impl FnMut(&Record)) -> Result<(), Break> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        self.feed_pages(timeline, pages, visit).inspect_err(|broken| self.broken = Some(broken.clone()))
    }

    /// How far it came: also after a break, and also to be continued.
    pub fn end(&self) -> End {
        let tail = match &self.state {
            State::Before(_) | State::SegmentStart => Tail::NotBegun,
            State::Continuation { missing } => Tail::Continuation { missing: *missing },
            State::Pending(pending) => Tail::Incomplete { lsn: pending.lsn, missing: pending.missing() },
            State::Zeroes { at } => Tail::Zeroes { at: *at },
            State::Records | State::Switched { .. } => Tail::Complete,
        };
        let (valid_to, last_record) = (self.valid_to, self.chain.last_record);
        End { valid_to, last_record, tail, residue_after_switch: self.residue_after_switch }
    }

    fn feed_pages(
        &mut self,
        timeline: TimelineId,
        mut pages: &[u8],
        visit: &mut impl FnMut(&Record),
    ) -> Result<(), Break> {
        let size = self.learn_block_size(pages);
        while !pages.is_empty() {
            let (page, rest) =
                pages.split_at_checked(size).ok_or_else(|| self.broken_page(PageError::Short(pages.len())))?;
            self.page(timeline, page, visit)?;
            self.address.0 += size as u64;
            pages = rest;
        }
        Ok(())
    }

    fn learn_block_size(&mut self, pages: &[u8]) -> usize {
        let told = || self.identity.check_page(pages, self.address).ok()?.long.map(|long| long.block_size as usize);
        self.block_size = self.block_size.or_else(told);
        self.block_size.unwrap_or(DEFAULT_BLOCK_SIZE)
    }

    fn page(&mut self, timeline: TimelineId, page: &[u8], visit: &mut impl FnMut(&Record)) -> Result<(), Break> {
        if self.passes_over(page)? {
            return Ok(());
        }
        let header = self.check_header(timeline, page)?;
        if let Some(offset) = self.first_record(&header, page, visit)? {
            self.records(page, offset, visit)?;
        }
        Ok(())
    }

    /// Whether the page needs no reading: it lies before the start, after a switch, or is zero.
    fn passes_over(&mut self, page: &[u8]) -> Result<bool, Break> {
        let end = Lsn(self.address.0 + page.len() as u64);
        match self.state {
            // As PostgreSQL does, look at the first page of a segment even if nothing is read there.
            State::Before(start) if end <= start => {
                if self.address.offset_in_segment(self.identity.segment_size) == 0 {
                    self.identity.check_page(page, self.address).map_err(|error| self.broken_page(error))?;
                }
                return Ok(true);
            }
            State::Switched { until } if self.address < until => {
                self.residue_after_switch |= !all_zero(page);
                return Ok(true);
            }
            State::Switched { .. } => self.state = State::Records,
            State::Zeroes { at } if !all_zero(page) => return Err(Break { at, reason: Reason::Zeroes }),
            State::Zeroes { .. } => return Ok(true),
            _ => {}
        }
        let zero = page.starts_with(&[0; MAX_ALIGN]) && all_zero(page);
        if zero {
            self.state = State::Zeroes { at: self.next_record() };
        }
        Ok(zero)
    }

    fn check_header(&mut self, timeline: TimelineId, page: &[u8]) -> Result<PageHeader, Break> {
        let checked = self.identity.check_page(page, self.address).and_then(|header| {
            check_timeline(&header, self.page_timeline, timeline)?;
            let (found, expected) = (header.long.map(|long| long.block_size), page.len() as u32);
            match found.filter(|found| *found != expected) {
                Some(found) => Err(PageError::BlockSize { found, expected }),
                None => Ok(header),
            }
        });
        let header = checked.map_err(|error| self.broken_page(error))?;
        self.page_timeline = header.timeline;
        Ok(header)
    }

    /// Deals with the rest of an earlier record, and says where on the page the first record begins.
    fn first_record(
        &mut self,
        header: &PageHeader,
        page: &[u8],
        visit: &mut impl FnMut(&Record),
    ) -> Result<Option<usize>, Break> {
        match std::mem::replace(&mut self.state, State::Records) {
            State::Before(start) => self.start_offset(header, start).map(Some),
            State::SegmentStart if header.begins_with_continuation() => {
                self.continuation = header.remaining;
                self.pass_continuation(header, page, header.remaining)
            }
            State::Continuation { missing } if !header.overwrites_continuation(&self.identity.format) => {
                self.pass_continuation(header, page, missing)
            }
            State::Pending(pending) if header.overwrites_continuation(&self.identity.format) => {
                self.chain.give_up(pending.lsn);
                Ok(Some(header.length()))
            }
            State::Pending(pending) => self.continue_record(*pending, header, page, visit),
            _ if header.begins_with_continuation() => Err(self.broken_here(Reason::UnexpectedContinuation)),
            _ => Ok(Some(header.length())),
        }
    }

    fn start_offset(&mut self, header: &PageHeader, start: Lsn) -> Result<usize, Break> {
        let failed = |reason| Err(Break { at: start, reason });
        match (start.0 - self.address.0) as usize {
            offset if offset % MAX_ALIGN != 0 => failed(Reason::NotARecordStart),
            offset if offset != 0 && offset < header.length() => failed(Reason::NotARecordStart),
            offset if offset <= header.length() && header.begins_with_continuation() => {
                failed(Reason::UnexpectedContinuation)
            }
            offset => Ok(offset.max(header.length())),
        }
    }

    fn pass_continuation(&mut self, header: &PageHeader, page: &[u8], missing: u32) -> Result<Option<usize>, Break> {
        self.check_continuation(header, missing).map_err(|reason| self.broken_here(reason))?;
        let space = page.len() - header.length();
        if missing as usize > space {
            self.state = State::Continuation { missing: missing - space as u32 };
            return Ok(None);
        }
        Ok(Some(header.length() + max_align(missing as usize)))
    }

    fn check_continuation(&self, header: &PageHeader, missing: u32) -> Result<(), Reason> {
        if !header.begins_with_continuation() {
            return Err(Reason::NoContinuation);
        }
        if header.remaining == 0 || header.remaining != missing {
            return Err(Reason::ContinuationLength { found: header.remaining, expected: missing });
        }
        Ok(())
    }

    /// Adds what this page holds of the record; says where the next one begins if that completes it.
    fn continue_record(
        &mut self,
        mut pending: Pending,
        header: &PageHeader,
        page: &[u8],
        visit: &mut impl FnMut(&Record),
    ) -> Result<Option<usize>, Break> {
        let at = pending.lsn;
        let failed = |reason| Break { at, reason };
        let missing = pending.missing();
        self.check_continuation(header, missing).map_err(failed)?;
        let length = (missing as usize).min(page.len() - header.length());
        self.add_piece(&mut pending, &page[header.length()..header.length() + length]).map_err(failed)?;
        if pending.missing() > 0 {
            self.state = State::Pending(Box::new(pending));
            return Ok(None);
        }
        let next = header.length() + max_align(length);
        let record_header = pending.header().ok_or(failed(Reason::Malformed))?;
        check_crc(&record_header, pending.computed_crc()).map_err(failed)?;
        let end = Lsn(self.address.0 + next as u64);
        self.complete(at, end, &record_header, pending.bytes().unwrap_or_default(), visit)?;
        Ok(if self.switched(&page[next..]) { None } else { Some(next) })
    }

    /// Checks a record's header as soon as all of it is there.
    fn add_piece(&self, pending: &mut Pending, mut piece: &[u8]) -> Result<(), Reason> {
        if pending.push_header(&mut piece)
            && let Some(header) = pending.header()
        {
            self.chain.check_header(&header, pending.lsn)?;
            if event::is_event(&header) {
                pending.keep();
            }
        }
        pending.push_data(piece);
        Ok(())
    }

    /// All records that begin on the page at or behind `offset`.
    fn records(&mut self, page: &[u8], mut offset: usize, visit: &mut impl FnMut(&Record)) -> Result<(), Break> {
        while let Some((length, _)) = page[offset..].split_first_chunk::<4>() {
            let rest = &page[offset..];
            let lsn = Lsn(self.address.0 + offset as u64);
            let total = u32::from_le_bytes(*length);
            if total == 0 {
                return self.zeroes(lsn, rest);
            }
            if let Some(record) = rest.get(..total as usize)
                && let Some(header) = RecordHeader::parse(record)
            {
                self.check_whole(&header, lsn, record).map_err(|reason| self.broken_record(lsn, reason))?;
                offset += max_align(record.len());
                self.complete(lsn, Lsn(self.address.0 + offset as u64), &header, record, visit)?;
                if self.switched(&page[offset..]) {
                    return Ok(());
                }
            } else {
                return self.begin_record(lsn, total, rest).map_err(|reason| self.broken_record(lsn, reason));
            }
        }
        Ok(())
    }

    fn check_whole(&self, header: &RecordHeader, lsn: Lsn, record: &[u8]) -> Result<(), Reason> {
        self.chain.check_header(header, lsn)?;
        check_crc(header, crc_of(record))
    }

    fn begin_record(&mut self, lsn: Lsn, total: u32, piece: &[u8]) -> Result<(), Reason> {
        self.chain.check_length(total)?;
        let mut pending = Pending::new(lsn, total);
        self.add_piece(&mut pending, piece)?;
        self.state = State::Pending(Box::new(pending));
        Ok(())
    }

    fn zeroes(&mut self, lsn: Lsn, rest: &[u8]) -> Result<(), Break> {
        if !all_zero(rest) {
            return Err(self.broken_record(lsn, Reason::Zeroes));
        }
        self.state = State::Zeroes { at: self.chain.given_up_or(lsn) };
        Ok(())
    }

    /// Takes a good record into the chain and hands it out. `bytes` is needed only where it is an event.
    fn complete(
        &mut self,
        lsn: Lsn,
        end: Lsn,
        header: &RecordHeader,
        bytes: &[u8],
        visit: &mut impl FnMut(&Record),
    ) -> Result<(), Break> {
        let mut record = Record {
            lsn,
            end,
            prev: header.prev,
            xid: header.xid,
            rmid: header.rmid,
            info: header.info,
            total_length: header.total_length,
            event: None,
        };
        if event::is_event(header) {
            let failed = |reason| Break { at: lsn, reason };
            let event = event::decode(&self.identity.format, header, bytes).ok_or(failed(Reason::Malformed))?;
            self.chain.heed(&event).map_err(failed)?;
            if event == Event::Switch {
                record.end = Lsn(end.0.next_multiple_of(self.identity.segment_size));
                self.state = State::Switched { until: record.end };
            }
            record.event = Some(event);
        }
        self.chain.follow(lsn);
        self.valid_to = record.end;
        visit(&record);
        Ok(())
    }

    /// After a switch record: looks over the rest of its page.
    fn switched(&mut self, rest: &[u8]) -> bool {
        let switched = matches!(self.state, State::Switched { .. });
        if switched {
            self.residue_after_switch |= !all_zero(rest);
        }
        switched
    }

    /// Where the next record begins, or the unfinished one.
    fn next_record(&self) -> Lsn {
        match &self.state {
            State::Before(start) => *start,
            State::Pending(pending) => pending.lsn,
            _ => self.chain.given_up_or(self.valid_to),
        }
    }

    fn broken_here(&self, reason: Reason) -> Break {
        Break { at: self.next_record(), reason }
    }

    fn broken_page(&self, error: PageError) -> Break {
        self.broken_here(Reason::Page(error))
    }

    fn broken_record(&self, lsn: Lsn, reason: Reason) -> Break {
        Break { at: self.chain.given_up_or(lsn), reason }
    }
}

fn check_crc(header: &RecordHeader, computed: u32) -> Result<(), Reason> {
    let stored = header.crc;
    if computed == stored { Ok(()) } else { Err(Reason::Checksum { stored, computed }) }
}
