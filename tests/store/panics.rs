//! A bug that panics in one thread of a pipe must end the whole operation, and soon: the other threads must not
//! wait for one that is no more.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use pgcairn::codec::{Opener, Sealer};
use pgcairn::flow::inward::Inward;
use pgcairn::flow::outward::Outward;
use pgcairn::flow::part_writer::{Numbers, PartContext};
use pgcairn::flow::throttle::Throttle;
use pgcairn::model::catalog::{ObjectLine, ObjectList};
use pgcairn::model::error::{Code, Error};
use pgcairn::model::interrupt::Interrupt;
use pgcairn::model::key::{BackupId, ClusterKeys, ClusterName, Encryption};
use pgcairn::model::lsn::Lsn;
use pgcairn::model::manifest::MAX_PACK;
use pgcairn::model::sha256::Sha256Sum;
use pgcairn::sink;
use pgcairn::source::PageChecks;
use pgcairn::source::data_directory::DataDirectory;
use pgcairn::store::{Backend, Entry, Repository, Result};

use crate::layers::{Layer, On};
use crate::memory::Memory;

const CONTROL_FILE: &[u8] = include_bytes!("../../fixtures/control_file/15.bin");
const CONTROL_FILE_SIZE: usize = 8192;

const JOBS: usize = 2;
/// Each is a batch of its own for the workers; many more than the queue and the workers hold.
const FILES: usize = 8 * JOBS;
const FILE_SIZE: u64 = 16 * 1024 * 1024;

/// It takes a moment where nothing waits in vain.
const BOUND: Duration = Duration::from_secs(60);

/// What a working operation makes of the store below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Panics {
    Never,
    /// In the threads that put objects.
    AtCreate,
    /// In the threads that restore.
    AtGet,
}

#[derive(Debug)]
struct Panicking(Arc<dyn Backend>, Panics);

impl Layer for Panicking {
    fn below(&self) -> &dyn Backend {
        self.0.as_ref()
    }

    fn run<T>(&self, operation: &'static str, name: &str, call: impl FnOnce(&dyn Backend) -> Result<T>) -> Result<T> {
        let panics = match self.1 {
            Panics::Never => false,
            Panics::AtCreate => operation == "create",
            Panics::AtGet => operation == "get" && name.contains("/packs/"),
        };
        assert!(!panics, "a bug, for this test");
        call(self.below())
    }
}

struct Place {
    temporary: tempfile::TempDir,
    store: Arc<dyn Backend>,
    backup: BackupId,
    keys: ClusterKeys,
}

impl Place {
    /// A data directory with files that take no space and hardly any time, but for a page in each.
    fn new() -> Place {
        let temporary = tempfile::tempdir().unwrap();
        let data = temporary.path().join("data");
        for directory in ["base/5", "global"] {
            fs::create_dir_all(data.join(directory)).unwrap();
        }
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        let mut control_file = CONTROL_FILE.to_vec();
        control_file.resize(CONTROL_FILE_SIZE, 0);
        fs::write(data.join("global/pg_control"), control_file).unwrap();
        for number in 0..FILES {
            let path = data.join(format!("base/5/file-{number}"));
            fs::write(&path, [1; 512]).unwrap();
            fs::File::options().write(true).open(&path).unwrap().set_len(FILE_SIZE).unwrap();
        }
        let store: Arc<dyn Backend> = Arc::new(Memory::default());
        Repository::create_on(store.clone(), Encryption::None).unwrap();
        let keys = ClusterKeys::new(&ClusterName::new("main").unwrap(), 1, Encryption::None);
        Place { temporary, store, backup: BackupId::new("20261120T030000Z", "full", 1).unwrap(), keys }
    }

    fn repository(&self, panics: Panics) -> Repository {
        Repository::open_on(Arc::new(On(Panicking(self.store.clone(), panics))), None).unwrap()
    }

    /// How many parts the copy has.
    fn copy(&self, panics: Panics, pack_limit: u64) -> std::result::Result<u32, Error> {
        let directory = DataDirectory::open(&self.temporary.path().join("data")).unwrap();
        let (sealer, numbers) = (Sealer::plain(), Numbers::default());
        let (backup, keys) = (&self.backup, &self.keys);
        let context = PartContext { backup, keys, sealer: &sealer, numbers: &numbers, seed: 1, level: 1, pack_limit };
        let outward = Outward {
            context,
            creator: &self.repository(panics).creator(),
            directory: &directory,
            checks: PageChecks::new(directory.control_file(), Lsn(0)),
            jobs: JOBS,
            interrupt: &Interrupt::default(),
            read: &AtomicU64::new(0),
            throttle: &Throttle::new(None),
        };
        outward.directory()?;
        Ok(numbers.parts())
    }

    /// As the backup would list them.
    fn objects(&self) -> ObjectList {
        let reader = self.repository(Panics::Never).reader();
        let line = |Entry { key, size, .. }: Entry| {
            let mut content = Vec::new();
            reader.get(&key).unwrap().read_to_end(&mut content).unwrap();
            ObjectLine { key, size, sha256: Sha256Sum::of(&content) }
        };
        ObjectList::new(reader.list("clusters/").unwrap().into_iter().map(line).collect())
    }

    fn restore(&self, panics: Panics, parts: u32) -> std::result::Result<(), Error> {
        let target = self.temporary.path().join("restored");
        fs::create_dir_all(target.join("base/5")).unwrap();
        fs::create_dir_all(target.join("global")).unwrap();
        let inward = Inward {
            objects: &self.objects(),
            reader: &self.repository(panics).reader(),
            opener: &Opener::plain(),
            keys: &self.keys,
            backup: &self.backup,
            parts,
            jobs: JOBS,
            interrupt: &Interrupt::default(),
            written: &AtomicU64::new(0),
        };
        Ok(inward.files(&sink::TargetDirectory::open(&target).unwrap())?)
    }
}

/// What `work` on a fresh place comes to within the bound.
fn ends<T: Send + 'static>(work: impl FnOnce(&Place) -> std::result::Result<T, Error> + Send + 'static) -> Code {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(work(&Place::new()).err()));
    let ended = receiver.recv_timeout(BOUND).expect("the operation ends, and returns");
    ended.expect("a panic is no success").code
}

#[test]
fn workers_that_panic_end_a_backup() {
    // No pack can be as large as this.
    assert_eq!(ends(|place| place.copy(Panics::Never, u64::MAX)), Code::Internal);
}

#[test]
fn putters_that_panic_end_a_backup() {
    assert_eq!(ends(|place| place.copy(Panics::AtCreate, MAX_PACK)), Code::Internal);
}

#[test]
fn workers_that_panic_end_a_restore() {
    let restored = |place: &Place| {
        let parts = place.copy(Panics::Never, MAX_PACK)?;
        place.restore(Panics::AtGet, parts)
    };
    assert_eq!(ends(restored), Code::Internal);
}

#[test]
fn without_a_panic_it_all_works() {
    let place = Place::new();
    let parts = place.copy(Panics::Never, MAX_PACK).unwrap();
    place.restore(Panics::Never, parts).unwrap();
    let same = |path: &Path| {
        fs::read(place.temporary.path().join("data").join(path)).unwrap()
            == fs::read(place.temporary.path().join("restored").join(path)).unwrap()
    };
    assert!((0..FILES).all(|number| same(Path::new(&format!("base/5/file-{number}")))));
}
