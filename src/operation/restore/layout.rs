//! What the target will look like: directories, tablespaces, sizes, and whether it fits.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::choose::Chosen;
use super::words::words;
use super::{Request, Source, configuration};
use crate::model::catalog::{ObjectList, Summary};
use crate::model::error::{Code, Error, Result};
use crate::model::manifest::{Directory, Part, Slice};
use crate::model::path::RelPath;
use crate::model::plan::settings_file::line;
use crate::model::plan::target::Target;
use crate::operation::failure::{OTHER_BACKUP, cannot};
use crate::report::restore::{Plan, Tablespace};

/// Read off the manifest before anything is written.
pub struct Layout {
    /// What all of it is read from.
    pub objects: ObjectList,
    pub directories: Vec<Directory>,
    /// By oid.
    pub tablespaces: BTreeMap<u32, Moved>,
    pub files: u64,
    pub data_bytes: u64,
    pub wal_bytes: u64,
    /// By directory: the target and each tablespace.
    pub space: Vec<Space>,
}

/// A tablespace and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub was: PathBuf,
    pub becomes: PathBuf,
    /// Within the data directory at the origin, and again: no directory of its own is made for it.
    pub inside: bool,
    bytes: u64,
}

impl Moved {
    fn at(link: PathBuf) -> Moved {
        let inside = link.strip_prefix("..").ok().map(Path::to_owned);
        let (inside, was) = (inside.is_some(), inside.unwrap_or(link));
        Moved { becomes: was.clone(), was, inside, bytes: 0 }
    }

    /// Where the origin's data directory was, the backup does not say.
    fn is_called(&self, name: &Path) -> bool {
        self.was == name || (!self.was.is_absolute() && name.ends_with(&self.was))
    }
}

/// What one file system must take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    pub path: PathBuf,
    pub needed: u64,
    pub free: u64,
}

pub fn read(source: &Source<'_>, backup: &Summary, objects: ObjectList, request: &Request) -> Result<Layout> {
    let (written, reader) = (Default::default(), source.opened.repository.reader());
    let inward = source.inward(backup, &objects, request, &written, &reader);
    let mut layout = Layout {
        objects: ObjectList::default(),
        directories: Vec::new(),
        tablespaces: BTreeMap::new(),
        files: 0,
        data_bytes: 0,
        wal_bytes: 0,
        space: Vec::new(),
    };
    let (mut below, mut sliced) = (BTreeMap::new(), Sliced::default());
    let mut foreign = Ok(());
    inward.each_manifest(|part| {
        layout.add(part, &mut below);
        sliced.add(part);
        foreign = std::mem::replace(&mut foreign, Ok(())).and(refuse_foreign(part, backup));
        Ok(())
    })?;
    foreign?;
    sliced.check(backup)?;
    layout.directories.sort_by(|a, b| a.path.cmp(&b.path));
    for (oid, bytes) in below {
        if let Some(tablespace) = layout.tablespaces.get_mut(&oid) {
            tablespace.bytes = bytes;
        }
    }
    layout.move_tablespaces(backup, request)?;
    layout.objects = objects;
    Ok(layout)
}

impl Layout {
    fn add(&mut self, part: &Part, below: &mut BTreeMap<u32, u64>) {
        self.directories.extend(part.directories.iter().cloned());
        for link in &part.links {
            let oid = tablespace_oid(&link.path);
            let was = link.target.as_path().to_owned();
            self.tablespaces.extend(oid.map(|oid| (oid, Moved::at(was))));
        }
        for file in &part.files {
            self.files += u64::from(file.range().offset == 0);
            self.data_bytes += file.range().length;
            if let Some(oid) = tablespace_oid(&file.path) {
                *below.entry(oid).or_default() += file.range().length;
            }
        }
    }

    /// Those that do not lie in the data directory.
    pub fn outside(&self) -> impl Iterator<Item = &Moved> {
        self.tablespaces.values().filter(|tablespace| !tablespace.inside)
    }

    /// Every mapping must name a tablespace that is there: a typing error must not put data elsewhere. Without one a
    /// tablespace within the data directory stays within it.
    fn move_tablespaces(&mut self, backup: &Summary, request: &Request) -> Result<()> {
        for tablespace in self.tablespaces.values_mut().filter(|tablespace| tablespace.inside) {
            let below = RelPath::new(tablespace.was.as_os_str().as_bytes()).ok();
            if !below.is_some_and(|path| self.directories.iter().any(|directory| directory.path == path)) {
                let message = format!("the manifest of backup {} has no {}", backup.id, tablespace.was.display());
                return Err(Error::new(Code::Damaged, message).hint("restore another backup: pgcairn list"));
            }
            tablespace.becomes = request.target_dir.join(&tablespace.was);
        }
        for mapping in &request.tablespaces {
            let Some(tablespace) = self.tablespaces.values_mut().find(|t| t.is_called(&mapping.old)) else {
                let known: Vec<String> = self.tablespaces.values().map(|t| t.was.display().to_string()).collect();
                let known =
                    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
                return Err(Error::new(
                    Code::Usage,
                    format!("the backup has no tablespace at {}: {known}", mapping.old.display()),
                )
                .hint("--tablespace OLD=NEW with OLD as the origin had it"));
            };
            (tablespace.becomes, tablespace.inside) = (mapping.new.clone(), false);
        }
        let is_mapped = |t: &Moved| request.tablespaces.iter().any(|mapping| t.becomes == mapping.new);
        for (oid, tablespace) in self.tablespaces.iter_mut().filter(|(_, t)| !t.inside && !is_mapped(t)) {
            if let Some(below) = &request.tablespaces_below {
                tablespace.becomes = below.join(oid.to_string());
            }
        }
        Ok(())
    }

    /// Adds up what each file system must take, WAL included, and asks what is free.
    pub fn measure(&mut self, target: &Path, wal_bytes: u64) -> Result<()> {
        self.wal_bytes = wal_bytes;
        let outside: u64 = self.tablespaces.values().map(|t| t.bytes).sum();
        let mut needs = vec![(target.to_owned(), self.data_bytes - outside + wal_bytes)];
        needs.extend(self.tablespaces.values().map(|t| (t.becomes.clone(), t.bytes)));
        let mut by_device: BTreeMap<u64, Space> = BTreeMap::new();
        for (path, needed) in needs {
            let existing = existing_ancestor(&path);
            let failed = |e: std::io::Error| cannot("look at", existing.display(), e);
            let device = std::fs::metadata(&existing).map_err(failed)?.dev();
            let stat = rustix::fs::statvfs(&existing).map_err(|e| failed(e.into()))?;
            let free = stat.f_bavail * stat.f_frsize;
            by_device.entry(device).or_insert(Space { path, needed: 0, free }).needed += needed;
        }
        self.space = by_device.into_values().collect();
        Ok(())
    }
}

/// Files that several lines describe: the pieces seen, by path, and the file's size. A line that got lost
/// would read as zeros.
#[derive(Default)]
pub struct Sliced(BTreeMap<RelPath, (u64, Vec<Slice>)>);

impl Sliced {
    pub fn add(&mut self, part: &Part) {
        for (file, slice) in part.files.iter().filter_map(|file| Some((file, file.slice?))) {
            self.0.entry(file.path.clone()).or_insert((file.size, Vec::new())).1.push(slice);
        }
    }

    /// The pieces of each file must join from its beginning to its end.
    pub fn check(mut self, backup: &Summary) -> Result<()> {
        for (path, (size, slices)) in &mut self.0 {
            slices.sort_by_key(|slice| slice.offset);
            let end = slices.iter().try_fold(0, |end, slice| (slice.offset == end).then(|| slice.end()));
            if end != Some(*size) {
                let message = format!("the manifest of backup {} does not describe all of {path}", backup.id);
                return Err(Error::new(Code::Damaged, message).hint(OTHER_BACKUP));
            }
        }
        Ok(())
    }
}

/// Below a tablespace there is only what PostgreSQL has there, `PG_<major>_<catalog version>`
/// (`TABLESPACE_VERSION_DIRECTORY`): whoever forged a manifest must not write elsewhere.
pub fn refuse_foreign(part: &Part, backup: &Summary) -> Result<()> {
    let paths = part.files.iter().map(|file| &file.path).chain(part.directories.iter().map(|d| &d.path));
    let foreign = |path: &&RelPath| {
        tablespace_oid(path).is_some() && path.parts().nth(2).is_some_and(|name| !name.starts_with(b"PG_"))
    };
    match paths.into_iter().find(foreign) {
        None => Ok(()),
        Some(path) => {
            let message = format!("the manifest of backup {} holds {path}, which no tablespace has", backup.id);
            Err(Error::new(Code::Damaged, message).hint(OTHER_BACKUP))
        }
    }
}

/// The path itself, or the nearest directory above it that is there.
fn existing_ancestor(path: &Path) -> PathBuf {
    path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// `pg_tblspc/<oid>` and what is below it.
fn tablespace_oid(path: &RelPath) -> Option<u32> {
    let mut parts = path.parts();
    let first = parts.next()?;
    let oid = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    (first == b"pg_tblspc").then_some(oid)
}

/// The plan as it is shown.
pub fn plan(source: &Source<'_>, request: &Request, chosen: &Chosen, layout: &Layout) -> Plan {
    let tablespace =
        |(oid, t): (&u32, &Moved)| Tablespace { oid: *oid, was: t.was.clone(), becomes: t.becomes.clone() };
    let target_time = match request.target {
        Target::Time { at, .. } => at.to_jiff(),
        _ => None,
    };
    Plan {
        repository: source.opened.repository.url().to_owned(),
        cluster: source.opened.cluster.to_string(),
        backup: chosen.backup.id.clone(),
        signature: chosen.signature.clone(),
        target: words(&request.target),
        target_time,
        stops_at: chosen.stop.as_ref().map_or(chosen.scanned.reach.end, |stop| stop.applied_to),
        last_commit: chosen.scanned.last_commit.and_then(|time| time.to_jiff()),
        timeline: chosen.timeline.id,
        action: request.action.word().to_owned(),
        target_dir: request.target_dir.clone(),
        tablespaces: layout.tablespaces.iter().map(tablespace).collect(),
        files: layout.files,
        data_bytes: layout.data_bytes,
        wal_segments: chosen.scanned.segments.len() as u64,
        wal_bytes: layout.wal_bytes,
        bytes_needed: layout.space.iter().map(|space| space.needed).sum(),
        bytes_free: layout.space.iter().map(|space| space.free).sum(),
        settings: configuration::settings(request, chosen)
            .iter()
            .map(|(name, value)| line(name, value).trim_end().to_owned())
            .collect(),
    }
}
