//! The same below the program's own seam: every call on the store is made to fail, once before anything was
//! done and once with the answer lost.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pgcairn::codec::{FrameReader, Opener, Sealer};
use pgcairn::config::Config;
use pgcairn::flow::inward::Inward;
use pgcairn::flow::outward::{Content, Outward};
use pgcairn::flow::part_writer::{Numbers, PartContext};
use pgcairn::flow::throttle::Throttle;
use pgcairn::model::catalog::{ObjectLine, ObjectList};
use pgcairn::model::interrupt::Interrupt;
use pgcairn::model::key::{BackupId, ClusterKeys, ClusterName, Encryption};
use pgcairn::model::lsn::Lsn;
use pgcairn::model::manifest::MAX_PACK;
use pgcairn::model::path::RelPath;
use pgcairn::model::sha256::Sha256Sum;
use pgcairn::model::wal_name::WalName;
use pgcairn::operation::repository::Opened;
use pgcairn::operation::wal::fetch;
use pgcairn::operation::wal::push::{Archive, Pushed};
use pgcairn::source::PageChecks;
use pgcairn::source::data_directory::DataDirectory;
use pgcairn::store::{Backend, Reader, Repository};

use super::Tally;
use super::memory::Memory;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::layers::{Faulty, When};
use crate::support::majors::Installation;
use crate::support::scratch::{self, Scratch};
use crate::support::server::{Server, run};
use crate::support::site::Site;

/// More calls than any of these runs makes.
const ENOUGH: usize = 1000;
const HISTORY: &str = "1\t0/180000\tno recovery target specified\n";

struct Place {
    config: Config,
    keys: ClusterKeys,
    system_identifier: u64,
    /// A data directory of few files.
    data: PathBuf,
    scratch: Scratch,
    segment: PathBuf,
    _server: Server,
}

type Work<'w> = dyn Fn(&Repository) -> Outcome + 'w;

pub fn faults(install: &'static Installation, tally: &Tally) -> Outcome {
    let place = Place::new(install)?;
    let wal = |repository: &Repository| place.push(repository);
    each(tally, &wal, &|repository| place.push(repository).and_then(|()| place.fetch(repository)))?;
    let id = |n: u32| BackupId::new("20261120T030000Z", "full", n).map_err(|e| e.to_string());
    let (first, second) = (id(1)?, id(2)?);
    let copy = |repository: &Repository| place.copy(repository, &first).map(drop);
    each(tally, &copy, &|repository| {
        place.all_complete(repository)?;
        let parts = place.copy(repository, &second)?;
        place.restore(repository, &second, parts)
    })?;

    let below = repository_in_memory()?;
    let parts = place.copy(&Repository::open_on(below.clone(), None)?, &first)?;
    let restore = |repository: &Repository| place.restore(repository, &first, parts);
    each_on(tally, &|| Ok(below.clone()), &restore, &restore)?;
    let fetch = |repository: &Repository| place.fetch(repository);
    place.push(&Repository::open_on(below.clone(), None)?)?;
    each_on(tally, &|| Ok(below.clone()), &fetch, &fetch)
}

fn repository_in_memory() -> Outcome<Arc<dyn Backend>> {
    let memory: Arc<dyn Backend> = Arc::new(Memory::default());
    Repository::create_on(memory.clone(), Encryption::None)?;
    Ok(memory)
}

fn each(tally: &Tally, work: &Work<'_>, afterwards: &Work<'_>) -> Outcome {
    each_on(tally, &repository_in_memory, work, afterwards)
}

/// Lets every call of `work` fail in turn; it must fail then, and `afterwards` must succeed.
fn each_on(
    tally: &Tally,
    store: &dyn Fn() -> Outcome<Arc<dyn Backend>>,
    work: &Work<'_>,
    afterwards: &Work<'_>,
) -> Outcome {
    let count = Faulty::new(store()?, ENOUGH, When::Before);
    work(&Repository::open_on(count.clone(), None)?)?;
    for (call, when) in (0..count.calls()).flat_map(|call| [(call, When::Before), (call, When::After)]) {
        let below = store()?;
        let faulty = Faulty::new(below.clone(), call, when);
        let worked = Repository::open_on(faulty, None).map_err(Into::into).and_then(|repository| work(&repository));
        if worked.is_ok() {
            return Err(format!("call {call} failed ({when:?}), and success was said").into());
        }
        tally.in_process.fetch_add(1, Ordering::Relaxed);
        let next = afterwards(&Repository::open_on(below, None)?);
        next.map_err(|stop| format!("after call {call} failed ({when:?}): {stop:?}"))?;
    }
    Ok(())
}

impl Place {
    fn new(install: &'static Installation) -> Outcome<Place> {
        let server = Server::builder(install).segment_mib(1).create()?;
        let scratch = Scratch::new()?;
        let data = scratch.join("data");
        fs::create_dir_all(data.join("base"))?;
        for name in ["PG_VERSION", "global"] {
            run(account().command("/bin/cp").arg("-r").arg(server.data().join(name)).arg(scratch.path()))?;
            fs::rename(scratch.join(name), data.join(name))?;
        }
        let history = server.data().join("pg_wal/00000002.history");
        account().write(&history, HISTORY, 0o600)?;
        let config = Config::read(&Site::unencrypted(&server)?.config()).map_err(|e| e.to_string())?;
        let system_identifier = DataDirectory::open(&data)?.control_file().system_identifier;
        let keys = ClusterKeys::new(&cluster()?, system_identifier, Encryption::None);
        let segment = server.data().join("pg_wal").join(server.control("Latest checkpoint's REDO WAL file")?);
        Ok(Place { config, keys, system_identifier, data, scratch, segment, _server: server })
    }

    fn opened(&self, repository: &Repository) -> Outcome<Opened> {
        Ok(Opened::new(repository.clone(), cluster()?, self.system_identifier))
    }

    fn push(&self, repository: &Repository) -> Outcome {
        let archive = Archive { opened: self.opened(repository)?, sealer: Sealer::plain(), level: 1 };
        archive.push(&Pushed::locate(&self.config, &self.segment)?)?;
        Ok(archive.push_histories(&self.config)?)
    }

    fn fetch(&self, repository: &Repository) -> Outcome {
        let mut content = Vec::new();
        let found = fetch::read(&self.opened(repository)?, &Opener::plain(), &WalName::History(2), &mut |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })?;
        // A fault must not look like an absent file, so that is no error here.
        if found.is_some() && content != HISTORY.as_bytes() {
            return Err("another content was delivered".into());
        }
        Ok(())
    }

    /// The copy of a backup without its commit; how many parts it has.
    fn copy(&self, repository: &Repository, backup: &BackupId) -> Outcome<u32> {
        let directory = DataDirectory::open(&self.data)?;
        let (sealer, numbers, interrupt) = (Sealer::plain(), Numbers::default(), Interrupt::default());
        let keys = &self.keys;
        let outward = Outward {
            context: PartContext {
                backup,
                keys,
                sealer: &sealer,
                numbers: &numbers,
                seed: 1,
                level: 1,
                pack_limit: MAX_PACK,
            },
            creator: &repository.creator(),
            directory: &directory,
            checks: PageChecks::new(directory.control_file(), Lsn(0)),
            jobs: 1,
            interrupt: &interrupt,
            read: &AtomicU64::new(0),
            throttle: &Throttle::new(None),
        };
        outward.directory()?;
        let label = RelPath::new("backup_label").map_err(|e| e.to_string())?;
        outward.contents(Vec::new(), vec![Content { path: label, bytes: vec![b'x'; 100], mode: 0o600, mtime: 0 }])?;
        Ok(numbers.parts())
    }

    /// Whatever a failed copy has left can be read to its end.
    fn all_complete(&self, repository: &Repository) -> Outcome {
        let reader = repository.reader();
        for entry in reader.list("clusters/")? {
            let (_, body) = Opener::plain().open(&entry.key, reader.get(&entry.key)?)?;
            std::io::copy(&mut FrameReader::new(body)?, &mut std::io::sink())?;
        }
        Ok(())
    }

    fn restore(&self, repository: &Repository, backup: &BackupId, parts: u32) -> Outcome {
        let target = self.scratch.join("restored");
        scratch::remove(&target);
        fs::create_dir(&target)?;
        let sink = pgcairn::sink::TargetDirectory::open(&target)?;
        let (opener, interrupt, reader) = (Opener::plain(), Interrupt::default(), repository.reader());
        let (keys, written) = (&self.keys, AtomicU64::new(0));
        let objects = objects(&reader, backup)?;
        let inward = Inward {
            objects: &objects,
            reader: &reader,
            opener: &opener,
            keys,
            backup,
            parts,
            jobs: 1,
            interrupt: &interrupt,
            written: &written,
        };
        let mut directories = Vec::new();
        inward.each_manifest(|part| {
            directories.extend(part.directories.iter().cloned());
            Ok(())
        })?;
        directories.sort_by(|a, b| a.path.cmp(&b.path));
        directories.iter().try_for_each(|directory| sink.directory(&directory.path, directory.mode.0))?;
        inward.files(&sink)?;
        same_files(&self.data.join("global"), &target.join("global"))
    }
}

/// As the commit would list them.
fn objects(reader: &Reader, backup: &BackupId) -> Outcome<ObjectList> {
    let mut lines = Vec::new();
    for entry in reader.list("clusters/")?.into_iter().filter(|entry| entry.key.as_str().contains(backup.as_str())) {
        let mut content = Vec::new();
        reader.get(&entry.key)?.read_to_end(&mut content)?;
        lines.push(ObjectLine { key: entry.key, size: entry.size, sha256: Sha256Sum::of(&content) });
    }
    Ok(ObjectList::new(lines))
}

fn cluster() -> Outcome<ClusterName> {
    Ok(ClusterName::new("main").map_err(|e| e.to_string())?)
}

/// The control file is not copied here.
fn same_files(there: &Path, here: &Path) -> Outcome {
    for entry in fs::read_dir(there)? {
        let name = entry?.file_name();
        if name != "pg_control" && fs::read(there.join(&name))? != fs::read(here.join(&name))? {
            return Err(format!("{} differs", name.display()).into());
        }
    }
    Ok(())
}
