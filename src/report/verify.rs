//! What was read of the repositories, and what of it is damaged.

use jiff::Timestamp;
use serde::Serialize;

use super::Report;
use super::text::{bytes, count, percent};
use crate::model::error::Code;
use crate::model::key::BackupId;
use crate::model::verification::Proof;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verify {
    pub repositories: Vec<Repository>,
    pub next: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repository {
    pub name: String,
    pub url: String,
    /// How closely it was read.
    pub proof: Proof,
    pub backups: u64,
    pub dumps: u64,
    /// Of dumps too.
    pub backup_proofs: Vec<BackupProof>,
    /// Whose size, SHA-256 and name are as they must be.
    pub objects: u64,
    pub bytes: u64,
    /// Whose size is as their envelope says.
    pub wal_files: u64,
    /// Stored bytes of them that were read whole; without a key only their beginnings are.
    pub wal_bytes: u64,
    /// What was found sound not long ago and was not read again.
    pub remembered_objects: u64,
    pub remembered_bytes: u64,
    pub remembered_wal_files: u64,
    /// Of all stored bytes the share that was found sound, now or before; 1 is all.
    pub covered: f64,
    /// When the oldest of that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered_since: Option<Timestamp>,
    pub damaged: Vec<Damage>,
    /// Data pages whose checksum is wrong in objects that are sound, and of which their backup says nothing.
    pub bad_pages: Vec<BadPage>,
    /// Others that are not named.
    pub more_bad_pages: u64,
    /// Those that were found when they were backed up.
    pub known_bad_pages: u64,
    /// What brings back what was lost.
    pub remedies: Vec<String>,
    pub wal_gaps: Vec<Gap>,
    /// Backups that no trusted key has signed.
    pub unvouched: Vec<Unvouched>,
    /// What no backup or dump needs: of one under way, of one that was dropped, or left by a killed run.
    pub unreferenced_objects: u64,
    pub unreferenced_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    pub object: String,
    pub reason: String,
    /// The backups and dumps that cannot be restored from here without it; a segment between backups hurts recovery past it.
    pub hurts: Vec<BackupId>,
}

/// How closely one backup was read, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupProof {
    pub backup: BackupId,
    pub proof: Proof,
    pub sound: bool,
}

/// Of a relation's file; `block` within the relation, as PostgreSQL counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadPage {
    pub backup: BackupId,
    pub path: String,
    pub block: u64,
}

/// Segments that are missing and needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    pub before: String,
    pub segments: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unvouched {
    pub backup: BackupId,
    /// Who signed it; nobody where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A person is shown so many of a kind; `--json` has them all.
const SHOWN: usize = 20;

impl Repository {
    pub fn new(name: &str, url: &str) -> Repository {
        Repository {
            name: name.to_owned(),
            url: url.to_owned(),
            proof: Proof::Object,
            backups: 0,
            dumps: 0,
            backup_proofs: Vec::new(),
            objects: 0,
            bytes: 0,
            wal_files: 0,
            wal_bytes: 0,
            remembered_objects: 0,
            remembered_bytes: 0,
            remembered_wal_files: 0,
            covered: 1.0,
            covered_since: None,
            damaged: Vec::new(),
            bad_pages: Vec::new(),
            more_bad_pages: 0,
            known_bad_pages: 0,
            remedies: Vec::new(),
            wal_gaps: Vec::new(),
            unvouched: Vec::new(),
            unreferenced_objects: 0,
            unreferenced_bytes: 0,
        }
    }

    /// What lies in the same repository and was read in the same way.
    pub fn add(&mut self, other: Repository) {
        self.backups += other.backups;
        self.dumps += other.dumps;
        self.backup_proofs.extend(other.backup_proofs);
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.wal_files += other.wal_files;
        self.wal_bytes += other.wal_bytes;
        self.remembered_objects += other.remembered_objects;
        self.remembered_bytes += other.remembered_bytes;
        self.remembered_wal_files += other.remembered_wal_files;
        self.covered = self.covered.min(other.covered);
        self.covered_since = self.covered_since.into_iter().chain(other.covered_since).min();
        self.damaged.extend(other.damaged);
        self.bad_pages.extend(other.bad_pages);
        self.more_bad_pages += other.more_bad_pages;
        self.known_bad_pages += other.known_bad_pages;
        self.remedies.extend(other.remedies);
        self.wal_gaps.extend(other.wal_gaps);
        self.unvouched.extend(other.unvouched);
        self.unreferenced_objects += other.unreferenced_objects;
        self.unreferenced_bytes += other.unreferenced_bytes;
    }

    /// The backups that cannot be restored from here as they were.
    pub fn hurt(&self) -> impl Iterator<Item = &BackupId> {
        let by_objects = self.damaged.iter().flat_map(|damage| &damage.hurts);
        by_objects.chain(self.bad_pages.iter().map(|page| &page.backup))
    }

    /// Whether this backup was read here and found whole.
    pub fn has_sound(&self, id: &BackupId) -> bool {
        self.backup_proofs.iter().any(|proof| proof.backup == *id && proof.sound)
    }

    /// Nothing is damaged.
    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty() && self.bad_pages.is_empty() && self.more_bad_pages == 0
    }

    /// Nothing is damaged, and nothing missing.
    pub fn is_sound(&self) -> bool {
        self.is_whole() && self.wal_gaps.is_empty()
    }

    /// What this run relies on, and what no run has looked at.
    fn earlier(&self) -> String {
        let since = self.covered_since.map(|when| when.strftime("%Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default();
        let mut lines = String::new();
        if self.remembered_objects + self.remembered_wal_files > 0 {
            let (objects, size) = (count(self.remembered_objects, "object"), bytes(self.remembered_bytes));
            let wal = count(self.remembered_wal_files, "WAL file");
            lines += &format!("  {objects} ({size}) and {wal} were read on {since} or later, and not again\n");
        }
        if self.covered < 1.0 {
            let since = if since.is_empty() { since } else { format!(", the oldest of it read on {since}") };
            lines += &format!(
                "  {} of what is stored was found sound{since}; the rest was not read yet, or is not\n",
                percent(self.covered)
            );
        }
        lines
    }

    fn lines(&self) -> String {
        let (backups, objects) = (count(self.backups, "backup"), count(self.objects, "object"));
        let wal = count(self.wal_files, "WAL file");
        let proof = match self.proof {
            Proof::Object => "as stored",
            Proof::Content => "with what is in them",
        };
        let (name, size) = (&self.name, bytes(self.bytes));
        let dumps = if self.dumps > 0 { format!(" and {}", count(self.dumps, "dump")) } else { String::new() };
        let sound = format!("{name}: {backups}{dumps}; sound, {proof}, are {objects} ({size}) and {wal}\n");
        let unvouched = self.unvouched.iter().map(|unvouched| match &unvouched.key {
            Some(key) => format!("  NOT TRUSTED: {} is signed by {key}\n", unvouched.backup),
            None => format!("  NOT SIGNED: {}\n", unvouched.backup),
        });
        let gaps = self.wal_gaps.iter().map(|gap| {
            format!("  GAP: {} missing before {}; no recovery passes it\n", count(gap.segments, "segment"), gap.before)
        });
        let garbage = (self.unreferenced_objects > 0).then(|| {
            let (objects, size) = (count(self.unreferenced_objects, "object"), bytes(self.unreferenced_bytes));
            format!("  {objects} ({size}) that no backup needs; expire deletes what is no longer in use\n")
        });
        let sound = sound + &self.earlier();
        let damaged = self.damaged.iter().map(Damage::line);
        let pages = self.bad_pages.iter().map(BadPage::line);
        let mut lines = sound + &shown(damaged) + &shown_of(pages, self.more_bad_pages);
        if self.known_bad_pages > 0 {
            let pages = count(self.known_bad_pages, "page");
            lines += &format!("  {pages} with a wrong checksum, as found when they were backed up: pgcairn show\n");
        }
        lines += &(shown(gaps) + &shown(unvouched) + &garbage.unwrap_or_default());
        self.remedies.iter().fold(lines, |lines, remedy| lines + &format!("  {remedy}\n"))
    }
}

fn shown(lines: impl ExactSizeIterator<Item = String>) -> String {
    shown_of(lines, 0)
}

/// The same where there are more than lines.
fn shown_of(lines: impl ExactSizeIterator<Item = String>, more: u64) -> String {
    let hidden = lines.len().saturating_sub(SHOWN) as u64 + more;
    let text: String = lines.take(SHOWN).collect();
    if hidden > 0 { text + &format!("  and {hidden} more, see --json\n") } else { text }
}

impl BadPage {
    fn line(&self) -> String {
        let BadPage { backup, path, block } = self;
        format!("  BAD PAGE {path} block {block}: it was so when {backup} was made, which does not say it\n")
    }
}

impl Damage {
    fn line(&self) -> String {
        let hurts = match self.hurts.as_slice() {
            [] => String::new(),
            some => format!("; it hurts {}", some.iter().map(BackupId::as_str).collect::<Vec<_>>().join(", ")),
        };
        format!("  DAMAGED {}: {}{hurts}\n", self.object, self.reason)
    }
}

impl Report for Verify {
    const NAME: &'static str = "verify";

    fn human(&self) -> String {
        self.repositories.iter().map(Repository::lines).collect()
    }

    fn next(&self) -> Option<String> {
        Some(self.next.clone())
    }

    fn flaw(&self) -> Option<Code> {
        let any = |test: fn(&Repository) -> bool| self.repositories.iter().any(test);
        match () {
            () if any(|repository| !repository.is_whole()) => Some(Code::Damaged),
            () if any(|repository| !repository.wal_gaps.is_empty()) => Some(Code::WalGap),
            () if any(|repository| !repository.unvouched.is_empty()) => Some(Code::Flagged),
            () => None,
        }
    }
}
