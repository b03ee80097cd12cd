//! An opened repository and the roles in which its objects are touched.

use std::io::{Cursor, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;

use super::backend::{Backend, ReadSeek, Space};
use super::bucket::Bucket;
use super::counted::Counter;
use super::error::{Error, Result};
use super::inspection::Inspection;
use super::local::LocalBackend;
use super::marker::{MAX_MARKER, Marker};
use super::reader::{Damaged, Reader};
use super::s3::S3Backend;
use super::url::RepositoryUrl;
use crate::model::key::{Encryption, Key};
use crate::model::sha256::Sha256Sum;

/// What a file system has in its root, made by itself.
const OF_A_FILE_SYSTEM: &str = "lost+found";

/// How many writers try at once to create the marker of a new repository.
pub const PROBES: usize = 16;

/// A repository whose marker was read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Repository {
    shared: Arc<Shared>,
    /// Further repositories that are read where this one does not have an object.
    besides: Vec<Arc<Shared>>,
    damaged: Damaged,
    read: Counter,
    /// Of all of them.
    urls: String,
    /// What people call each of them.
    names: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) marker: Marker,
    /// When the marker was read for the last time.
    seen: Mutex<Instant>,
}

impl Repository {
    /// Creates a repository, and with it a local root, but no bucket. [`Error::AlreadyExists`] where one is.
    pub fn create(url: &RepositoryUrl, encryption: Encryption) -> Result<Repository> {
        let backend: Arc<dyn Backend> = match url {
            RepositoryUrl::File(path) => Arc::new(LocalBackend::create_root(path)?),
            RepositoryUrl::S3(settings) => Arc::new(S3Backend::open(settings)?),
        };
        Repository::create_on(backend, encryption)
    }

    /// Opens the repository at `url`. With `expected_id` it must be that very one.
    pub fn open(url: &RepositoryUrl, expected_id: Option<&str>) -> Result<Repository> {
        let backend: Arc<dyn Backend> = match url {
            RepositoryUrl::File(path) => Arc::new(LocalBackend::open(path)?),
            RepositoryUrl::S3(settings) => Arc::new(S3Backend::open(settings)?),
        };
        Repository::open_on(backend, expected_id)
    }

    /// Something that lies at `url`, where no repository is.
    pub fn remains_at(url: &RepositoryUrl) -> Result<Option<String>> {
        match url {
            RepositoryUrl::File(path) => remains_in(path),
            RepositoryUrl::S3(settings) => {
                let backend = S3Backend::open(settings)?;
                // The levels below it first: there may be millions of objects.
                let below = backend.children("")?.into_iter().next();
                let beside = || Ok(backend.list("")?.into_iter().next().map(|entry| entry.key.as_str().to_owned()));
                below.map_or_else(beside, |directory| Ok(Some(directory)))
            }
        }
    }

    /// What the bucket at `url` does with objects, before anything is made in it.
    pub fn bucket_at(url: &RepositoryUrl) -> Result<Option<Bucket>> {
        match url {
            RepositoryUrl::File(_) => Ok(None),
            RepositoryUrl::S3(settings) => S3Backend::open(settings)?.bucket(),
        }
    }

    /// [`Repository::create`] on a backend at hand. Concurrent creates of the marker itself prove that
    /// the store honours create-only.
    pub fn create_on(backend: Arc<dyn Backend>, encryption: Encryption) -> Result<Repository> {
        if backend.stat(&Key::marker()).is_ok() {
            return Err(Error::AlreadyExists { key: Key::marker() });
        }
        let results = probe(backend.as_ref(), encryption)?;
        let winners = results.iter().filter(|result| result.is_ok()).count();
        let exists = |error: &Error| matches!(error, Error::AlreadyExists { .. });
        if let Some(failure) = results.into_iter().filter_map(Result::err).find(|error| !exists(error)) {
            return Err(failure);
        }
        if winners == 0 {
            return Err(Error::AlreadyExists { key: Key::marker() });
        }
        if winners != 1 {
            return Err(Error::NotCreateOnly { url: backend.url().to_owned(), winners, of: PROBES });
        }
        Repository::open_on(backend, None)
    }

    /// [`Repository::open`] on a backend at hand, such as one with layers.
    pub fn open_on(backend: Arc<dyn Backend>, expected_id: Option<&str>) -> Result<Repository> {
        // Before it is asked: what it says is no younger.
        let seen = Mutex::new(Instant::now());
        let marker = read_marker(backend.as_ref())?;
        if let Some(expected) = expected_id {
            same_id(backend.as_ref(), expected, &marker)?;
        }
        let shared = Arc::new(Shared { backend, marker, seen });
        let name = shared.backend.url().to_owned();
        Ok(Repository::alone(shared, name))
    }

    fn alone(shared: Arc<Shared>, name: String) -> Repository {
        let urls = shared.backend.url().to_owned();
        Repository {
            shared,
            besides: Vec::new(),
            damaged: Damaged::default(),
            read: Counter::default(),
            urls,
            names: vec![name],
        }
    }

    /// The same, by the name that people know it by.
    pub fn called(mut self, name: &str) -> Repository {
        self.names = vec![name.to_owned()];
        self
    }

    /// The same for writing; reads also look into `others`, which hold the same clusters under the same keys.
    pub fn besides(mut self, others: impl IntoIterator<Item = Repository>) -> Repository {
        for other in others {
            self.urls = format!("{}, {}", self.urls, other.urls);
            self.besides.push(other.shared);
            self.names.extend(other.names);
        }
        self
    }

    /// Each of them by itself, in the order in which they are read.
    pub fn each(&self) -> Vec<Repository> {
        let all = std::iter::once(&self.shared).chain(&self.besides).cloned();
        all.zip(self.names.iter().cloned()).map(|(shared, name)| Repository::alone(shared, name)).collect()
    }

    /// What people call it, or the first of several.
    pub fn name(&self) -> &str {
        self.names.first().map_or(&self.urls, String::as_str)
    }

    /// Of all of them, where reads look into several.
    pub fn url(&self) -> &str {
        &self.urls
    }

    pub fn id(&self) -> &str {
        &self.shared.marker.repository_id
    }

    pub fn encryption(&self) -> Encryption {
        self.shared.marker.encryption
    }

    pub fn marker(&self) -> &Marker {
        &self.shared.marker
    }

    /// Tries what the store promises beyond keeping objects; `None` where there is nothing to try.
    pub fn inspect(&self) -> Result<Option<Inspection>> {
        self.shared.backend.inspect()
    }

    /// Holds that the store keeps, put on objects or taken off; whether it is configured to keep any.
    pub fn legal_hold(&self, keys: &[Key], held: bool) -> Result<bool> {
        self.shared.backend.hold(keys, held)
    }

    /// How much room there is; `None` where there is no end to it.
    pub fn space(&self) -> Result<Option<Space>> {
        self.shared.backend.space()
    }

    /// What the bucket does by itself with objects; `None` where there is no bucket.
    pub fn bucket(&self) -> Result<Option<Bucket>> {
        self.shared.backend.bucket()
    }

    /// Tries to create the marker once more, with one blank line more: a store that overwrites it does no harm.
    pub fn create_again(&self) -> Result<()> {
        let mut marker = self.shared.backend.get_range(&Key::marker(), 0..MAX_MARKER)?;
        marker.push(b'\n');
        self.shared.backend.create(&Key::marker(), &mut Cursor::new(marker))
    }

    pub fn reader(&self) -> Reader {
        let copies = std::iter::once(&self.shared).chain(&self.besides).cloned().collect();
        Reader::new(copies, self.names.clone(), self.damaged.clone(), self.read.clone())
    }

    pub fn creator(&self) -> Creator {
        Creator { shared: self.shared.clone() }
    }

    /// Only for expiry and holds, to which a test of the layering keeps it.
    pub fn remover(&self) -> Remover {
        Remover { shared: self.shared.clone() }
    }
}

/// Every probe has an id of its own, so that the one read back afterwards is one writer's whole marker.
fn probe(backend: &dyn Backend, encryption: Encryption) -> Result<Vec<Result<()>>> {
    let bodies: Vec<Vec<u8>> = (0..PROBES).map(|_| Marker::new(encryption).to_json()).collect::<Result<_>>()?;
    let barrier = std::sync::Barrier::new(PROBES);
    let create = |body: &Vec<u8>| {
        barrier.wait();
        backend.create(&Key::marker(), &mut Cursor::new(body))
    };
    let results = std::thread::scope(|scope| {
        let probes: Vec<_> = bodies.iter().map(|body| scope.spawn(move || create(body))).collect();
        probes.into_iter().map(|probe| probe.join()).collect::<Vec<_>>()
    });
    Ok(results.into_iter().map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect())
}

fn remains_in(directory: &Path) -> Result<Option<String>> {
    let failed = |error| Error::from_os("cannot read", format!("file://{}", directory.display()), error);
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        if name != OF_A_FILE_SYSTEM {
            return Ok(Some(name.to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}

fn read_marker(backend: &dyn Backend) -> Result<Marker> {
    match backend.get_range(&Key::marker(), 0..MAX_MARKER + 1) {
        Ok(json) => Marker::parse(&json, backend.url()),
        Err(Error::NotFound { .. }) => {
            Err(Error::NotARepository { url: backend.url().to_owned(), reason: "its marker pgcairn.json is missing" })
        }
        Err(error) => Err(error),
    }
}

fn same_id(backend: &dyn Backend, expected: &str, marker: &Marker) -> Result<()> {
    if marker.repository_id == expected {
        return Ok(());
    }
    let (url, found) = (backend.url().to_owned(), marker.repository_id.clone());
    Err(Error::OtherRepository { url, expected: expected.to_owned(), found })
}

impl Shared {
    /// Proves that the repository is still there and still the same.
    pub(super) fn check(&self) -> Result<()> {
        let now = Instant::now();
        let marker = read_marker(self.backend.as_ref())?;
        same_id(self.backend.as_ref(), &self.marker.repository_id, &marker)?;
        *self.seen.lock().unwrap_or_else(|e| e.into_inner()) = now;
        Ok(())
    }

    /// The same before a write: what was seen a moment ago need not be looked at again where it stays.
    fn check_to_write(&self) -> Result<()> {
        let seen = *self.seen.lock().unwrap_or_else(|e| e.into_inner());
        if seen.elapsed() < self.backend.stays_for() { Ok(()) } else { self.check() }
    }

    /// A miss counts only once the repository has shown itself after it.
    pub(super) fn proven<T>(&self, result: Result<T>) -> Result<T> {
        if matches!(result, Err(Error::NotFound { .. })) {
            self.check()?;
        }
        result
    }
}

/// Creates objects, each once.
#[derive(Debug, Clone)]
pub struct Creator {
    shared: Arc<Shared>,
}

impl Creator {
    /// Creates an object durably, or fails with [`Error::AlreadyExists`]. The marker is read before, unless it was a
    /// moment ago and the place stays: an unmounted disk must not swallow WAL.
    pub fn create(&self, key: &Key, body: &mut dyn ReadSeek) -> Result<()> {
        self.shared.check_to_write()?;
        self.shared.backend.create(key, body)
    }

    /// The same of what is in memory and need not be there twice, nor be digested twice.
    pub fn create_bytes(&self, key: &Key, body: Bytes, sha256: Sha256Sum) -> Result<()> {
        self.shared.check_to_write()?;
        self.shared.backend.create_bytes(key, body, sha256)
    }

    /// Lets those who may read the repository add objects to this directory; whether there are such readers.
    pub fn open_to_readers(&self, directory: &str) -> Result<bool> {
        self.shared.check_to_write()?;
        self.shared.backend.open_to_readers(directory)
    }

    /// Makes an object durable that an earlier writer may have left before it was.
    pub fn persist(&self, key: &Key) -> Result<()> {
        self.shared.check_to_write()?;
        self.shared.proven(self.shared.backend.persist(key))
    }
}

/// Deletes objects. What may go is decided by `operation::expire` and `operation::hold`, which alone have this role.
#[derive(Debug, Clone)]
pub struct Remover {
    shared: Arc<Shared>,
}

impl Remover {
    /// Whether it was there: another run, or this one before it was killed, may have been faster.
    pub fn remove(&self, key: &Key) -> Result<bool> {
        self.shared.check()?;
        match self.shared.proven(self.shared.backend.delete(key)) {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
