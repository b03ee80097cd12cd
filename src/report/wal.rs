//! What the `wal` commands found. `wal push` and `wal fetch` are silent where all went well: their
//! standard error is the server's log.

use serde::Serialize;

use super::Report;
use super::text::{bytes, count, seconds, table};
use crate::model::error::Code;
use crate::model::lsn::Lsn;
use crate::model::wal_name::TimelineId;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Push {
    pub name: String,
    /// `false` where the same content was there already.
    pub stored: bool,
    /// From where on the segment's records do not hold together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<Lsn>,
}

impl Report for Push {
    const NAME: &'static str = "wal-push";

    fn human(&self) -> String {
        String::new()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fetch {
    pub name: String,
    /// `false` only where the repository proved that it holds no such file.
    pub delivered: bool,
}

impl Report for Fetch {
    const NAME: &'static str = "wal-fetch";

    fn human(&self) -> String {
        String::new()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WalList {
    pub repository: String,
    pub cluster: String,
    pub timelines: Vec<Timeline>,
    pub damaged: Vec<Flaw>,
    #[serde(skip)]
    pub shown: Shown,
}

/// What of the archive was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shown {
    pub gaps_only: bool,
    pub timeline: Option<TimelineId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Timeline {
    pub timeline: TimelineId,
    pub parent: Option<TimelineId>,
    /// Where it left its parent.
    pub switched_at: Option<Lsn>,
    /// Runs of segments without a hole, in order; between two of them lies a gap.
    pub ranges: Vec<Range>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Range {
    pub first: String,
    pub last: String,
    pub segments: u64,
    pub stored_bytes: u64,
    /// Segments that are missing before this run; those that expiry has taken are not.
    pub missing_before: u64,
}

/// A segment that no recovery passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Flaw {
    pub segment: String,
    /// Where the chain of records breaks, in an object that is as it was archived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_from: Option<Lsn>,
    pub reason: String,
}

/// A person is shown so many damaged segments; `--json` has them all.
const FLAWS_SHOWN: usize = 20;

impl WalList {
    fn damage(&self) -> String {
        let line = |flaw: &Flaw| format!("DAMAGED {}: {}; no recovery passes it\n", flaw.segment, flaw.reason);
        let shown: String = self.damaged.iter().take(FLAWS_SHOWN).map(line).collect();
        match self.damaged.len().saturating_sub(FLAWS_SHOWN) {
            0 => shown,
            hidden => shown + &format!("  and {}\n", count(hidden as u64, "more damaged segment")),
        }
    }

    /// Why there is no row: with `--gaps` that is the good case, unless no WAL is there at all.
    fn nothing(&self) -> String {
        let Shown { gaps_only, timeline } = self.shown;
        let what = if gaps_only && !self.timelines.is_empty() { "no gap in the WAL" } else { "no WAL" };
        let on = timeline.map(|timeline| format!(" on timeline {timeline}")).unwrap_or_default();
        format!("{} holds {what} of {}{on}\n", self.repository, self.cluster)
    }

    fn missing(&self) -> u64 {
        self.timelines.iter().flat_map(|t| &t.ranges).map(|range| range.missing_before).sum()
    }
}

impl Report for WalList {
    const NAME: &'static str = "wal-list";

    fn human(&self) -> String {
        let row = |timeline: &Timeline, range: &Range| {
            let from = timeline.parent.map(|parent| format!("from {parent}")).unwrap_or_default();
            let at = timeline.switched_at.map(|lsn| format!(" at {lsn}")).unwrap_or_default();
            let gap = match range.missing_before {
                0 => String::new(),
                missing => format!("GAP: {} missing before", count(missing, "segment")),
            };
            vec![
                timeline.timeline.to_string(),
                range.first.clone(),
                range.last.clone(),
                range.segments.to_string(),
                bytes(range.stored_bytes),
                format!("{from}{at}"),
                gap,
            ]
        };
        let rows: Vec<_> =
            self.timelines.iter().flat_map(|t| t.ranges.iter().map(move |range| row(t, range))).collect();
        let gaps = match self.missing() {
            0 => String::new(),
            missing => format!("{} missing: no recovery passes a gap\n", count(missing, "segment")),
        };
        if rows.is_empty() {
            return self.nothing() + &self.damage();
        }
        table(&["tli", "first", "last", "segments", "stored", "branched", "gap"], &rows) + &gaps + &self.damage()
    }

    fn flaw(&self) -> Option<Code> {
        (self.missing() > 0 || !self.damaged.is_empty()).then_some(Code::WalGap)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flush {
    pub cluster: String,
    pub repository: String,
    /// All WAL before this position is in the repository.
    pub flushed_to: Lsn,
    pub last_segment: String,
    pub seconds: f64,
}

impl Report for Flush {
    const NAME: &'static str = "wal-flush";

    fn human(&self) -> String {
        let (lsn, segment) = (self.flushed_to, &self.last_segment);
        format!("all WAL before {lsn} (up to {segment}) is in {} after {}\n", self.repository, seconds(self.seconds))
    }
}
