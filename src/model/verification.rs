//! `verifications/<time>-<random>.json`: what was read of the repository, how closely, and whether it was sound. Plain
//! text, so it tells no names of databases or tables.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::key::{BackupId, ClusterKeys};
use super::record::Recorded;

/// How much a sound result says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Every object is the one that was stored; takes no key.
    Object,
    /// And what is in it is what was backed up.
    Content,
}

impl Proof {
    pub fn word(self) -> &'static str {
        match self {
            Proof::Object => "object",
            Proof::Content => "content",
        }
    }
}

/// Damage that somebody has found, and that nobody has proven to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsettled {
    /// By a run that began then.
    pub since: Timestamp,
    pub proof: Proof,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    /// Where only this one was read; left out where all were, with all WAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupId>,
    pub proof: Proof,
    pub started: Timestamp,
    pub seconds: f64,
    /// Nothing is damaged and no WAL missing.
    pub passed: bool,
    /// Objects, and pages that are bad in sound ones.
    pub damaged: u64,
    /// Segments.
    pub missing_wal: u64,
    /// Stored bytes that this run read.
    pub read_bytes: u64,
    /// Of all stored bytes those that were found sound, by this run or an earlier one: 1 is all.
    pub covered: f64,
    /// Since when that was read; left out where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_since: Option<Timestamp>,
    /// What was found before, and what this run has not looked at since, or not as closely.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Unsettled>,
    pub pgcairn: String,
}

impl Recorded for Record {
    fn directory(keys: &ClusterKeys) -> String {
        keys.verifications()
    }

    fn began(&self) -> Timestamp {
        self.started
    }
}

impl Unsettled {
    /// All of it, read since and as closely, was sound.
    pub fn is_settled_by(&self, record: &Record) -> bool {
        let is_all = record.backup.is_none() && record.covered >= 1.0;
        let is_since = record.covered_since.is_none_or(|since| since >= self.since);
        record.passed && is_all && is_since && record.proof >= self.proof
    }

    /// Who settles this has settled both.
    fn and(self, other: Unsettled) -> Unsettled {
        Unsettled { since: self.since.max(other.since), proof: self.proof.max(other.proof) }
    }
}

/// What the last record of everything, and those of single backups after it, leave; newest first.
pub fn unsettled(records: &[Record]) -> Option<Unsettled> {
    let whole = records.iter().position(|record| record.backup.is_none());
    let alone = &records[..whole.unwrap_or(records.len())];
    let is_open = |(number, record): &(usize, &Record)| {
        let is_later = |later: &Record| later.passed && later.backup == record.backup && later.proof >= record.proof;
        !record.passed && !alone[..*number].iter().any(is_later)
    };
    let open = alone.iter().enumerate().filter(is_open).filter_map(|(_, record)| record.found());
    let before = whole.and_then(|place| records.get(place));
    open.chain(before.and_then(Record::found)).chain(before.and_then(|before| before.unsettled)).reduce(Unsettled::and)
}

impl Record {
    fn found(&self) -> Option<Unsettled> {
        // When something was read is remembered no more closely.
        let since = Timestamp::from_microsecond(self.started.as_microsecond()).unwrap_or(self.started);
        (!self.passed).then_some(Unsettled { since, proof: self.proof })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::parse;

    fn record(hour: i64, proof: Proof, passed: bool) -> Record {
        let started = Timestamp::from_second(1_800_000_000 + hour * 3600).unwrap();
        let text = format!(
            r#"{{"format":1,"proof":"{}","started":"{started}","seconds":1.0,"passed":{passed},"damaged":0,
            "missing_wal":0,"read_bytes":1,"covered":1.0,"covered_since":"{started}","pgcairn":"0.1.0"}}"#,
            proof.word()
        );
        parse(text.as_bytes()).unwrap()
    }

    fn of(id: &str, record: Record) -> Record {
        Record { backup: Some(id.parse().unwrap()), ..record }
    }

    #[test]
    fn damage_is_gone_when_all_was_read_since_as_closely() {
        use Proof::{Content, Object};
        let found = unsettled(&[record(5, Object, false)]).unwrap();
        assert_eq!(found, Unsettled { since: record(5, Object, false).started, proof: Object });
        let settles = |record: Record| found.is_settled_by(&record);
        assert!(settles(record(6, Object, true)) && settles(record(5, Content, true)));
        assert!(!settles(record(6, Object, false)) && !settles(record(4, Object, true)));
        assert!(!settles(Record { covered: 0.99, ..record(6, Object, true) }));
        assert!(!settles(of("20261120T030000Z-full-7k3f", record(6, Object, true))));
        assert!(!Unsettled { proof: Content, ..found }.is_settled_by(&record(6, Object, true)));
    }

    #[test]
    fn what_one_run_leaves_the_next_inherits() {
        use Proof::{Content, Object};
        let (one, other) = ("20261120T030000Z-full-7k3f", "20261121T030000Z-full-7k3f");
        let proof = |records: &[Record]| unsettled(records).map(|open| open.proof);
        assert_eq!(proof(&[]), None);
        assert_eq!(proof(&[record(2, Object, true), record(1, Object, false)]), None, "the newest has judged it");
        let open = Some(Unsettled { since: record(1, Content, true).started, proof: Content });
        let inherited = Record { unsettled: open, ..record(2, Object, true) };
        assert_eq!(unsettled(std::slice::from_ref(&inherited)), open);
        assert_eq!(proof(&[of(one, record(3, Content, true)), inherited]), Some(Content));
        let single = |later: Record| proof(&[later, of(one, record(3, Object, false)), record(2, Object, true)]);
        assert_eq!(single(of(one, record(4, Object, true))), None);
        assert_eq!(single(of(other, record(4, Content, true))), Some(Object));
        assert_eq!(proof(&[of(one, record(4, Object, true)), of(one, record(3, Content, false))]), Some(Content));
    }
}
