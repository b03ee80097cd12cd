//! What the objects of a backup hold: read as a restore reads it, with the key, to nowhere.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::object;
use super::tally::Tally;
use crate::codec::Opener;
use crate::flow::inward::{Inward, InwardError, PartRead};
use crate::flow::workers;
use crate::model::catalog::{FlaggedPage, ObjectLine, ObjectList, Summary};
use crate::model::control_file::DataChecksums;
use crate::model::error::{Code, Error, Result};
use crate::model::key::Key;
use crate::model::manifest::Part;
use crate::operation::Context;
use crate::operation::repository::Opened;
use crate::operation::restore::{Sliced, agree, judge_control_file, judge_label, refuse_foreign};
use crate::report::verify::{BadPage, Damage};
use crate::sink::comparison::PageRule;
use crate::sink::target_directory::CONTROL_FILE;
use crate::store::Reader;

/// The files of every backup that `pg_control` and `backup_label` are.
const LABEL: &str = "backup_label";

/// What is read, and with what.
pub struct Source<'s> {
    pub context: &'s Context,
    pub opened: &'s Opened,
    pub opener: &'s Opener,
    pub jobs: usize,
    /// Bytes of files compared so far, for progress.
    pub compared: &'s AtomicU64,
}

/// One backup on its way through.
struct Reading<'r> {
    source: &'r Source<'r>,
    reader: Reader,
    backup: &'r Summary,
    list: &'r ObjectList,
    tally: &'r Tally,
    /// By the places in the list: those that were read whole, or found damaged.
    looked_at: Vec<AtomicBool>,
    /// Those of which a whole part was sound.
    sound: Vec<AtomicBool>,
    /// Told of each of these as soon as it is known.
    told: &'r (dyn Fn(&Key) + Sync),
    /// Bad pages that the backup has counted and not named.
    unnamed: AtomicU64,
    contradicted: AtomicBool,
    described: Mutex<Described>,
}

/// What all parts add up to.
#[derive(Default)]
struct Described {
    sliced: Sliced,
    files: u64,
    data_bytes: u64,
    directories: u64,
    parts: u32,
}

/// What became of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    NotRead,
    Sound,
    Unproven,
}

pub struct Judgement {
    /// For each line of the list.
    pub objects: Vec<Judged>,
    /// The commit marker says nothing else than what was read.
    pub agreed: bool,
}

/// Everything that these parts need.
pub fn verify(
    source: &Source<'_>,
    backup: &Summary,
    list: &ObjectList,
    parts: &[u32],
    tally: &Tally,
    sound: &(dyn Fn(&Key) + Sync),
) -> Result<Judgement> {
    let none = || list.lines().iter().map(|_| AtomicBool::new(false)).collect();
    let reading = Reading {
        source,
        reader: source.opened.repository.reader(),
        backup,
        list,
        tally,
        looked_at: none(),
        sound: none(),
        told: sound,
        unnamed: AtomicU64::new(backup.flagged.count.saturating_sub(backup.flagged.pages.len() as u64)),
        contradicted: AtomicBool::new(false),
        described: Mutex::default(),
    };
    let inward = Inward {
        reader: &reading.reader,
        opener: source.opener,
        keys: &source.opened.keys,
        objects: list,
        backup: &backup.id,
        parts: backup.parts,
        jobs: source.jobs,
        interrupt: &source.context.interrupt,
        written: source.compared,
    };
    if !parts.is_empty() {
        let rule = reading.labels(&inward)?;
        workers::each(source.jobs, parts.iter(), |number| {
            source.context.interrupt.check()?;
            reading.note(*number, inward.compare(*number, rule.as_ref())?)
        })?;
        reading.totals()?;
    }
    Ok(reading.judgement())
}

impl Reading<'_> {
    /// What a restore would refuse of control file and label. Gives the rule for pages, where the cluster has checksums.
    fn labels(&self, inward: &Inward<'_>) -> Result<Option<PageRule>> {
        let keys = &self.source.opened.keys;
        // They lie in the last part.
        for number in (1..=self.backup.parts).rev() {
            let Some(part) = readable(inward.manifest(number))? else { continue };
            if let Some(Some(label)) = readable(inward.small_file(&part, LABEL))? {
                self.judge(judge_label(keys, &label, self.backup))?;
            }
            let Some(Some(control)) = readable(inward.small_file(&part, CONTROL_FILE))? else { continue };
            let Some(control) = self.judge(judge_control_file(keys, &control, self.backup))? else { break };
            let are_on = self.backup.postgresql.data_checksums && control.data_checksums == DataChecksums::On;
            return Ok(are_on.then(|| PageRule {
                page_size: control.page_size as usize,
                pages_per_segment: control.pages_per_segment,
                start: self.backup.start_lsn,
                version_directory: control.version_directory(),
            }));
        }
        Ok(None)
    }

    fn note(&self, number: u32, read: PartRead) -> Result<()> {
        let keys = &self.source.opened.keys;
        let mut is_sound = read.is_sound();
        read.sound.iter().filter_map(|key| self.first_look(key)).for_each(|line| self.tally.sound(line.size));
        read.damaged.into_iter().try_for_each(|error| self.damage(error))?;
        let Some(part) = read.part else { return Ok(()) };
        let path = |file: usize| part.files.get(file).map(|file| file.path.to_string()).unwrap_or_default();
        for (file, other) in read.compared.other {
            let (path, from, to) = (path(file), other.from, other.to);
            let blocks = if other.blocks > 1 { format!(", and {} blocks in all", other.blocks) } else { String::new() };
            let reason = format!("{path}: bytes {from} to {to} are not what was backed up{blocks}");
            self.tell(keys.digests(&self.backup.id, number).to_string(), reason);
        }
        for page in read.compared.bad_pages {
            is_sound &= self.bad_page(FlaggedPage { path: path(page.file), block: page.block });
        }
        self.tally.more_bad_pages(read.compared.more_bad_pages);
        self.describe(&part)?;
        // The manifest stands for its part: one that is not sound is read again each time.
        if is_sound && read.compared.more_bad_pages == 0 {
            read.sound.iter().for_each(|key| self.prove(key));
        }
        Ok(())
    }

    fn prove(&self, key: &Key) {
        if let Some(sound) = self.list.place(key).and_then(|place| self.sound.get(place)) {
            sound.store(true, Ordering::Relaxed);
            (self.told)(key);
        }
    }

    fn judgement(self) -> Judgement {
        let judge = |(looked_at, sound): (AtomicBool, AtomicBool)| match (looked_at.into_inner(), sound.into_inner()) {
            (_, true) => Judged::Sound,
            (true, false) => Judged::Unproven,
            (false, false) => Judged::NotRead,
        };
        let objects = self.looked_at.into_iter().zip(self.sound).map(judge).collect();
        Judgement { objects, agreed: !self.contradicted.into_inner() }
    }

    /// What the list says of an object that nobody has looked at yet.
    fn first_look(&self, key: &Key) -> Option<&ObjectLine> {
        let place = self.list.place(key)?;
        let is_first = !self.looked_at.get(place)?.swap(true, Ordering::Relaxed);
        self.list.lines().get(place).filter(|_| is_first)
    }

    fn damage(&self, error: InwardError) -> Result<()> {
        let Some(key) = error.about().cloned() else { return Err(error.into()) };
        let (line, reason) = (self.list.get(&key), reason(&error));
        self.first_look(&key);
        let ours = Error::from(error);
        let reason = match (ours.code, line) {
            // Damage in what is for the recipients looks like a wrong key.
            (Code::Identity, Some(line)) => {
                let encryption = self.source.opened.repository.encryption();
                object::flaw(&self.reader, encryption, line)?.ok_or(ours)?
            }
            (Code::Damaged, _) => reason,
            _ => return Err(ours),
        };
        self.tell(key.to_string(), reason);
        Ok(())
    }

    fn tell(&self, object: String, reason: String) {
        self.tally.damage(Damage { object, reason, hurts: vec![self.backup.id.clone()] });
    }

    /// Whether the backup has told of it.
    fn bad_page(&self, page: FlaggedPage) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        let is_known = self.backup.flagged.pages.contains(&page)
            || self.unnamed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        match is_known {
            true => self.tally.known_bad_page(),
            false => {
                self.tally.bad_page(BadPage { backup: self.backup.id.clone(), path: page.path, block: page.block })
            }
        }
        is_known
    }

    fn describe(&self, part: &Part) -> Result<()> {
        self.judge(refuse_foreign(part, self.backup))?;
        let mut described = self.described();
        described.sliced.add(part);
        described.files += part.files.iter().filter(|file| file.range().offset == 0).count() as u64;
        described.data_bytes += part.files.iter().map(|file| file.range().length).sum::<u64>();
        described.directories += (part.directories.len() + part.links.len()) as u64;
        described.parts += 1;
        Ok(())
    }

    fn described(&self) -> MutexGuard<'_, Described> {
        self.described.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Damage that is no single object's stands beside the commit marker.
    fn judge<T>(&self, judged: Result<T>) -> Result<Option<T>> {
        match judged {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.code == Code::Damaged => {
                self.contradicted.store(true, Ordering::Relaxed);
                self.tell(self.source.opened.keys.backup(&self.backup.id).to_string(), error.message);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Nothing is told of a backup of which a part is damaged: that is known.
    fn totals(&self) -> Result<()> {
        let described = std::mem::take(&mut *self.described());
        if described.parts < self.backup.parts {
            return Ok(());
        }
        let totals = &self.backup.totals;
        let facts = [
            ("files", totals.files, described.files),
            ("bytes", totals.data_bytes, described.data_bytes),
            ("directories", totals.directories, described.directories),
        ];
        self.judge(agree(&self.source.opened.keys, self.backup, "the manifest", facts))?;
        self.judge(described.sliced.check(self.backup)).map(drop)
    }
}

/// What is damaged is told where all of it is read.
fn readable<T>(read: std::result::Result<T, InwardError>) -> Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.about().is_some() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Without the key, which stands before it.
fn reason(error: &InwardError) -> String {
    match error {
        InwardError::Store(_) => "it does not exist".to_owned(),
        InwardError::Codec { source, .. } => source.to_string(),
        InwardError::Manifest { source, .. } => source.to_string(),
        InwardError::Digests { source, .. } => source.to_string(),
        InwardError::OtherObject { found, recorded, .. } => {
            format!("it has SHA-256 {found} and must have {recorded}")
        }
        InwardError::NotListed { .. } => {
            "a part of the backup needs it, and the list of objects does not name it".to_owned()
        }
        other => other.to_string(),
    }
}
