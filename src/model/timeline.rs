//! Timelines: which one a WAL position belongs to, and where recovery looks for it (`readTimeLineHistory`
//! and `tliOfPointInHistory` in timeline.c, `XLogFileReadAnyTLI` in xlogrecovery.c).

use serde::{Deserialize, Serialize};

use super::lsn::Lsn;
use super::wal_name::{Segment, TimelineId};

/// A timeline and those it came from. Timeline 1 has no ancestors and no history file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    pub id: TimelineId,
    /// Oldest first, ids strictly rising. Switch points may fall: a recovery that is told to follow a
    /// timeline and stops before it began names that timeline as its parent all the same.
    pub ancestors: Vec<Ancestor>,
}

/// One line of a history file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    pub timeline: TimelineId,
    /// Where the next timeline begins: this one's last byte lies before it.
    pub switch_lsn: Lsn,
    /// What the server says of it: for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTimeline {
    #[error("line \"{0}\" of the timeline history is not a timeline and its switch point")]
    Line(String),
    #[error("timeline {second} follows {first} in the history of timeline {id}")]
    Order { id: TimelineId, first: TimelineId, second: TimelineId },
    #[error("the history of timeline {0} names no ancestor")]
    NoAncestor(TimelineId),
    #[error("not a timeline.json: {0}")]
    Json(String),
    #[error("it is of timeline {found}, not {expected}")]
    OfAnother { found: TimelineId, expected: TimelineId },
}

impl Timeline {
    /// A timeline without a history, such as 1.
    pub fn root(id: TimelineId) -> Timeline {
        Timeline { id, ancestors: Vec::new() }
    }

    /// Reads a history file. Comments and blank lines are allowed, as PostgreSQL does.
    pub fn parse(id: TimelineId, bytes: &[u8]) -> Result<Timeline, InvalidTimeline> {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let ancestors = lines.map(parse_line).collect::<Result<_, _>>()?;
        Timeline::checked(id, ancestors)
    }

    fn checked(id: TimelineId, ancestors: Vec<Ancestor>) -> Result<Timeline, InvalidTimeline> {
        let ids: Vec<_> = ancestors.iter().map(|ancestor| ancestor.timeline).chain([id]).collect();
        match ids.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(InvalidTimeline::Order { id, first: pair[0], second: pair[1] }),
            None if ancestors.is_empty() => Err(InvalidTimeline::NoAncestor(id)),
            None => Ok(Timeline { id, ancestors }),
        }
    }

    /// The history file that PostgreSQL would have to read to know the same.
    pub fn history_file(&self) -> String {
        let line = |a: &Ancestor| format!("{}\t{}\t{}\n", a.timeline, a.switch_lsn, a.reason);
        self.ancestors.iter().map(line).collect()
    }

    pub fn parent(&self) -> Option<&Ancestor> {
        self.ancestors.last()
    }

    /// Where this timeline's own WAL begins; 0/0 without a history.
    pub fn begin(&self) -> Lsn {
        self.parent().map_or(Lsn::INVALID, |parent| parent.switch_lsn)
    }

    /// Every timeline of the history with where it begins and ends, newest first.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let begins = std::iter::once(Lsn::INVALID).chain(self.ancestors.iter().map(|a| a.switch_lsn));
        let begins: Vec<_> = begins.collect();
        let ends = self.ancestors.iter().map(|a| (a.timeline, Some(a.switch_lsn))).chain([(self.id, None)]);
        let entries: Vec<_> = ends.zip(begins).map(|((timeline, end), begin)| Entry { timeline, begin, end }).collect();
        entries.into_iter().rev()
    }

    /// The timeline that the byte at `lsn` belongs to, seen from this one.
    pub fn owner(&self, lsn: Lsn) -> TimelineId {
        let holds = |entry: &Entry| entry.begin <= lsn && entry.end.is_none_or(|end| lsn < end);
        // Without an answer the history is not contiguous; then the oldest timeline is as good as any.
        self.entries().find(holds).map_or(self.id, |entry| entry.timeline)
    }

    /// Whether WAL of `timeline` up to `end` is part of this timeline's past: a backup that stopped there
    /// can be recovered to a target on this timeline.
    pub fn descends_from(&self, timeline: TimelineId, end: Lsn) -> bool {
        self.owner(Lsn(end.0.saturating_sub(1))) == timeline
    }

    /// The names under which recovery looks for segment `number`, in its order: newest timeline first,
    /// none that began in a later segment, and none older than `floor`, the timeline of the segment read
    /// before (0 for the first one).
    pub fn candidates(&self, number: u64, segment_size: u64, floor: TimelineId) -> Vec<Segment> {
        let began = |entry: &Entry| !entry.begin.is_valid() || number >= entry.begin.0 / segment_size;
        let entries = self.entries().take_while(|entry| entry.timeline >= floor).filter(began);
        entries.map(|entry| Segment { timeline: entry.timeline, number }).collect()
    }

    /// The segments that recovery from `from` to `to` reads when all of them are there: for each number the
    /// newest timeline that has it.
    pub fn segments(&self, from: Lsn, to: Lsn, segment_size: u64) -> impl Iterator<Item = Segment> {
        let last = Segment::before(self.id, to, segment_size).number;
        (from.0 / segment_size..=last).map(move |number| {
            let newest = self.candidates(number, segment_size, 0).first().copied();
            newest.unwrap_or(Segment { timeline: self.id, number })
        })
    }
}

struct Entry {
    timeline: TimelineId,
    /// Invalid for the oldest one.
    begin: Lsn,
    /// `None` for the timeline itself.
    end: Option<Lsn>,
}

fn parse_line(line: &str) -> Result<Ancestor, InvalidTimeline> {
    let parse = || {
        let (timeline, rest) = line.split_once(char::is_whitespace)?;
        let rest = rest.trim_start();
        let (lsn, reason) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let timeline = timeline.parse().ok().filter(|timeline| *timeline > 0)?;
        Some(Ancestor { timeline, switch_lsn: lsn.parse().ok()?, reason: reason.trim().to_owned() })
    };
    parse().ok_or_else(|| InvalidTimeline::Line(line.to_owned()))
}

/// `wal/<TLI>.timeline.json`: a timeline's descent in plaintext, so that gaps and what may be deleted are
/// known without a key. The reasons are left out: an administrator may have written anything there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineJson {
    pub timeline: TimelineId,
    pub parent: TimelineId,
    pub switch_lsn: Lsn,
    /// Oldest first; the last one is the parent.
    pub ancestors: Vec<Ancestor>,
}

impl From<&Timeline> for TimelineJson {
    fn from(timeline: &Timeline) -> TimelineJson {
        let parent = timeline.parent().map_or(0, |parent| parent.timeline);
        let plain = |ancestor: &Ancestor| Ancestor { reason: String::new(), ..ancestor.clone() };
        let ancestors = timeline.ancestors.iter().map(plain).collect();
        TimelineJson { timeline: timeline.id, parent, switch_lsn: timeline.begin(), ancestors }
    }
}

impl TimelineJson {
    /// One line; the same for the same descent.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Numbers and strings alone: serialising them cannot fail.
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads and checks what lies under the key of timeline `id`.
    pub fn parse(id: TimelineId, bytes: &[u8]) -> Result<TimelineJson, InvalidTimeline> {
        let json: TimelineJson = serde_json::from_slice(bytes).map_err(|e| InvalidTimeline::Json(e.to_string()))?;
        if json.timeline != id {
            return Err(InvalidTimeline::OfAnother { found: json.timeline, expected: id });
        }
        let timeline = json.timeline()?;
        match timeline.parent() {
            Some(parent) if (parent.timeline, parent.switch_lsn) == (json.parent, json.switch_lsn) => Ok(json),
            _ => Err(InvalidTimeline::Json("parent and switch_lsn are not the last ancestor's".to_owned())),
        }
    }

    pub fn timeline(&self) -> Result<Timeline, InvalidTimeline> {
        Timeline::checked(self.timeline, self.ancestors.clone())
    }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
