//! Repositories that are read as one must hold one history. Two servers may have archived under the same names, each
//! into a repository of its own: a clone, or an old primary that went on. Where reading goes over from one repository
//! to the other, both must have the same content in a file that both have.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::{archived, fetch};
use crate::codec::Opener;
use crate::model::error::{Code, Error, Result};
use crate::model::sha256::Sha256Sum;
use crate::model::timeline::Timeline;
use crate::model::wal_name::{SegmentName, TimelineId, WalName};
use crate::operation::repository::Opened;

/// Files of which one copy cannot be read are passed over, so many and no more.
const TRIES: usize = 8;

/// Two repositories between which reading goes over.
pub struct Pair<'a> {
    pub a: &'a Opened,
    pub b: &'a Opened,
    /// `None` without a key: then what is rotten inside of a file is not told from another content.
    pub opener: Option<&'a Opener>,
}

impl Pair<'_> {
    /// Whether the first of the files, the nearest, that both can show has the same content; refused where it has not.
    pub fn agree(&self, names: impl IntoIterator<Item = WalName>) -> Result<bool> {
        for name in names.into_iter().take(TRIES) {
            if self.same(&name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// By their envelopes, two small reads. A rotten one is no other history, so a difference is looked into.
    fn same(&self, name: &WalName) -> Result<bool> {
        let (Some(a), Some(b)) = (digest(self.a, name)?, digest(self.b, name)?) else { return Ok(false) };
        if a == b {
            return Ok(true);
        }
        match self.is_sound(self.a, name)? && self.is_sound(self.b, name)? {
            true => {
                let (a, b) = ((self.a.repository.name(), a), (self.b.repository.name(), b));
                Err(two_histories(name, a, b)
                    .hint(format!("take everything from the one that you want: {}", self.one_of_both())))
            }
            false => Ok(false),
        }
    }

    fn is_sound(&self, opened: &Opened, name: &WalName) -> Result<bool> {
        let Some(opener) = self.opener else { return has_its_size(opened, name) };
        unless_interrupted(fetch::read(opened, opener, name, &mut |_| Ok(()))).map(|found| found.flatten().is_some())
    }

    /// As a hint.
    pub fn one_of_both(&self) -> String {
        format!("--repository {} or --repository {}", self.a.repository.name(), self.b.repository.name())
    }

    /// Whether `a`, which does not have the segment, is proven to have been on the same way: by what lies there before and
    /// after it. Without a doubt where there is nothing to compare.
    pub fn agree_around(&self, name: SegmentName) -> Result<bool> {
        let Some(there) = unless_interrupted(segments(self.a, name.timeline))? else { return Ok(false) };
        let before = there.range(..name).rev();
        let after = there.range((Bound::Excluded(name), Bound::Unbounded));
        let mut proven = self.agree(before.copied().map(WalName::Segment))?;
        proven |= self.agree(after.copied().map(WalName::Segment))?;
        if there.is_empty() {
            proven = self.agree(self.past(name)?.into_iter().map(WalName::Segment))?;
        }
        Ok(proven)
    }

    /// Segments in `a` of the timelines that this one came from, the newest first: only what lies before it.
    fn past(&self, name: SegmentName) -> Result<Vec<SegmentName>> {
        let Some(timeline) = unless_interrupted(self.history(name.timeline))?.flatten() else { return Ok(Vec::new()) };
        let size = unless_interrupted(archived::envelope(self.b, &WalName::Segment(name)))?;
        let size = size.map_or(0, |(facts, _)| facts.length);
        for ancestor in timeline.ancestors.iter().rev() {
            let there = unless_interrupted(segments(self.a, ancestor.timeline))?.unwrap_or_default();
            let ends = |name: &SegmentName| name.to_segment(size).map(|segment| segment.end(size));
            let shared = |name: &SegmentName| ends(name).is_some_and(|end| end <= ancestor.switch_lsn);
            let shared: Vec<SegmentName> = there.into_iter().rev().filter(shared).collect();
            if !shared.is_empty() {
                return Ok(shared);
            }
        }
        Ok(Vec::new())
    }

    fn history(&self, timeline: TimelineId) -> Result<Option<Timeline>> {
        let Some(opener) = self.opener else { return Ok(None) };
        let mut bytes = Vec::new();
        let found = fetch::read(self.b, opener, &WalName::History(timeline), &mut |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(found.and_then(|_| Timeline::parse(timeline, &bytes).ok()))
    }
}

/// Two repositories, and what each has of one file.
pub fn two_histories(name: &WalName, (a, a_has): (&str, Sha256Sum), (b, b_has): (&str, Sha256Sum)) -> Error {
    let message = format!("{a} and {b} hold two histories: {name} has SHA-256 {a_has} in {a}, SHA-256 {b_has} in {b}");
    Error::new(Code::Conflict, message)
}

fn segments(opened: &Opened, timeline: TimelineId) -> Result<BTreeSet<SegmentName>> {
    let names =
        archived::names(&opened.repository.reader(), &opened.keys, &opened.keys.wal_timeline(timeline))?.into_iter();
    Ok(names.filter_map(|name| if let WalName::Segment(segment) = name { Some(segment) } else { None }).collect())
}

/// What the envelope says; `None` where it cannot be read.
fn digest(opened: &Opened, name: &WalName) -> Result<Option<Sha256Sum>> {
    Ok(unless_interrupted(archived::facts(opened, name))?.map(|(facts, _)| facts.sha256))
}

/// As its envelope tells it.
fn has_its_size(opened: &Opened, name: &WalName) -> Result<bool> {
    let due = unless_interrupted(archived::facts(opened, name))?.map(|(_, due)| due);
    let found = opened.repository.reader().stat(&opened.keys.wal_file(name)).map_err(Error::from);
    Ok(due.is_some() && due == unless_interrupted(found)?.map(|stat| stat.size))
}

/// What cannot be read here proves nothing, and another one is asked.
fn unless_interrupted<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.code == Code::Interrupted => Err(error),
        other => Ok(other.ok()),
    }
}
