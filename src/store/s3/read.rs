//! Reading objects: as a stream that goes on where it was cut, in ranges, and sought.

use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore};

use super::super::backend::Stat;
use super::super::error::{Error, Result};
use super::Inner;
use super::failure::Failure;
use super::list::timestamp;
use super::patience::Attempts;
use crate::model::key::Key;

pub(super) const READ: &str = "cannot read";

/// What is read ahead of a reader that seeks: little at first, more while it goes straight on.
const FIRST_READ_AHEAD: u64 = 128 << 10;
const MAX_READ_AHEAD: u64 = 4 << 20;

/// Beyond it servers take the end of a range for a broken number.
const MAX_OFFSET: u64 = i64::MAX as u64;

impl Inner {
    /// Asks until there is an answer that stays.
    pub(super) async fn again<T, F>(&self, action: &'static str, key: Option<&Key>, ask: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Failure>>,
    {
        let mut attempts = self.patience.begin();
        loop {
            let failure = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            match attempts.pause().filter(|_| failure.may_pass()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(failure.into_error(action, &self.url, key)),
            }
        }
    }

    async fn get_once(&self, path: &Path, options: GetOptions) -> std::result::Result<GetResult, Failure> {
        Ok(self.client.get_opts(path, options).await?)
    }

    pub(super) async fn head(&self, key: &Key) -> Result<Stat> {
        if let Some(oldest) = &self.oldest {
            return Ok(self.oldest_version(oldest, key).await?.stat);
        }
        let path = self.path(key);
        self.again("cannot look at", Some(key), || self.head_once(&path)).await
    }

    async fn head_once(&self, path: &Path) -> std::result::Result<Stat, Failure> {
        let meta = self.get_once(path, GetOptions::new().with_head(true)).await?.meta;
        Ok(Stat { size: meta.size, modified: timestamp(meta.last_modified.timestamp()) })
    }

    /// Whether what lies there is what was looked at before.
    pub(super) async fn is_still(&self, path: &Path, meant: Stat) -> std::result::Result<bool, Failure> {
        match self.head_once(path).await {
            Ok(found) => Ok(found == meant),
            Err(failure) if failure.status() == Some(404) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// A part of an object, what the object has of it.
    pub(super) async fn range(&self, key: &Key, range: Range<u64>) -> Result<Vec<u8>> {
        if range.is_empty() {
            return self.head(key).await.map(|_| Vec::new());
        }
        Ok(self.part(key, range, None).await?.map(|part| part.bytes).unwrap_or_default())
    }

    /// `None` where the object ends before the range begins. With `e_tag` it must be that very object.
    async fn part(&self, key: &Key, range: Range<u64>, e_tag: Option<&str>) -> Result<Option<Part>> {
        let (path, version) = (self.path(key), self.version(key).await?);
        let wanted = if range.end > MAX_OFFSET { GetRange::Offset(range.start) } else { GetRange::Bounded(range) };
        let ask = || async {
            let options = GetOptions {
                range: Some(wanted.clone()),
                if_match: e_tag.map(str::to_owned),
                version: version.clone(),
                ..GetOptions::default()
            };
            let answer = match self.get_once(&path, options).await {
                Err(failure) if failure.status() == Some(416) => return Ok(None),
                answer => answer?,
            };
            same_object(e_tag, &answer)?;
            let (size, e_tag) = (answer.meta.size, answer.meta.e_tag.clone());
            let (mut bytes, length) = (Vec::new(), answer.range.end - answer.range.start);
            let mut stream = answer.into_stream();
            while let Some(chunk) = self.next(&mut stream).await {
                bytes.extend_from_slice(&chunk?);
            }
            match bytes.len() as u64 == length {
                true => Ok(Some(Part { bytes, size, e_tag })),
                false => Err(Failure::NoAnswer(format!("{} of {length} bytes came", bytes.len()))),
            }
        };
        self.again(READ, Some(key), ask).await
    }

    /// The next part of a body, waited for as long as for an answer.
    async fn next(&self, stream: &mut Chunks) -> Option<std::result::Result<Bytes, Failure>> {
        match tokio::time::timeout(self.patience.answer, stream.next()).await {
            Ok(chunk) => chunk.map(|chunk| Ok(chunk?)),
            Err(_) => Some(Err(Failure::NoAnswer(format!("no data within {} s", self.patience.answer.as_secs_f64())))),
        }
    }
}

/// Not every store looks at `If-Match`.
fn same_object(e_tag: Option<&str>, answer: &GetResult) -> std::result::Result<(), Failure> {
    match (e_tag, answer.meta.e_tag.as_deref()) {
        (Some(first), Some(now)) if first != now => {
            Err(Failure::Other("the object became another one while it was read".to_owned()))
        }
        _ => Ok(()),
    }
}

type Chunks = BoxStream<'static, object_store::Result<Bytes>>;

struct Part {
    bytes: Vec<u8>,
    /// Of the whole object.
    size: u64,
    e_tag: Option<String>,
}

/// An object as a stream. A body that was cut is asked for again from there on, of the same object. Patience is for
/// what brings nothing: whatever comes renews it, and so a large object may take as long as it takes.
pub(super) struct Body {
    store: Arc<Inner>,
    key: Key,
    stream: Option<Chunks>,
    chunk: Bytes,
    at: u64,
    size: u64,
    e_tag: Option<String>,
    version: Option<String>,
    /// Since something came for the last time.
    attempts: Option<Attempts>,
}

impl Body {
    pub fn open(store: &Arc<Inner>, key: &Key) -> Result<Body> {
        let (path, version) = (store.path(key), store.wait(store.version(key))?);
        let options = GetOptions { version: version.clone(), ..GetOptions::default() };
        let answer = store.wait(store.again(READ, Some(key), || store.get_once(&path, options.clone())))?;
        let (size, e_tag, attempts) = (answer.meta.size, answer.meta.e_tag.clone(), None);
        let (store, key, stream) = (store.clone(), key.clone(), Some(answer.into_stream()));
        Ok(Body { store, key, stream, chunk: Bytes::new(), at: 0, size, e_tag, version, attempts })
    }

    async fn fill(&mut self) -> std::result::Result<(), Failure> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.rest().await?,
        };
        while self.chunk.is_empty() {
            let next = self.store.next(&mut stream).await;
            let cut = || Failure::NoAnswer(format!("{} of {} bytes came", self.at, self.size));
            self.chunk = next.ok_or_else(cut)??;
        }
        self.stream = Some(stream);
        Ok(())
    }

    async fn rest(&self) -> std::result::Result<Chunks, Failure> {
        let range = Some(GetRange::Offset(self.at));
        let (if_match, version) = (self.e_tag.clone(), self.version.clone());
        let options = GetOptions { range, if_match, version, ..GetOptions::default() };
        let answer = self.store.get_once(&self.store.path(&self.key), options).await?;
        same_object(self.e_tag.as_deref(), &answer)?;
        Ok(answer.into_stream())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let store = self.store.clone();
        while self.chunk.is_empty() && self.at < self.size {
            let filled = super::runtime::wait(&store.runtime, self.fill());
            let Err(failure) = filled.ok_or_else(|| io::Error::other(Error::Interrupted))? else {
                self.attempts = None;
                continue;
            };
            match self.attempts.get_or_insert_with(|| store.patience.begin()).pause().filter(|_| failure.may_pass()) {
                Some(pause) => std::thread::sleep(pause),
                None => return Err(io::Error::other(failure.into_error(READ, &store.url, Some(&self.key)))),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        self.at += length as u64;
        Ok(length)
    }
}

/// An object that is read in parts: ranges of it, with some read ahead.
pub(super) struct Seekable {
    store: Arc<Inner>,
    key: Key,
    e_tag: Option<String>,
    size: u64,
    at: u64,
    ahead: u64,
    part: Vec<u8>,
    /// Where `part` lies in the object.
    part_at: u64,
}

impl Seekable {
    /// One request, which brings the beginning along.
    pub fn open(store: &Arc<Inner>, key: &Key) -> Result<Seekable> {
        let (size, e_tag, part) = match store.wait(store.part(key, 0..FIRST_READ_AHEAD, None))? {
            Some(part) => (part.size, part.e_tag, part.bytes),
            None => (0, None, Vec::new()),
        };
        let (store, key) = (store.clone(), key.clone());
        Ok(Seekable { store, key, e_tag, size, at: 0, ahead: FIRST_READ_AHEAD, part, part_at: 0 })
    }

    fn fetch(&mut self) -> Result<()> {
        let goes_on = self.at == self.part_at + self.part.len() as u64;
        self.ahead = if goes_on { (self.ahead * 2).min(MAX_READ_AHEAD) } else { FIRST_READ_AHEAD };
        let range = self.at..self.at.saturating_add(self.ahead).min(self.size);
        let part = self.store.wait(self.store.part(&self.key, range, self.e_tag.as_deref()))?;
        (self.part, self.part_at) = (part.map(|part| part.bytes).unwrap_or_default(), self.at);
        Ok(())
    }
}

impl Read for Seekable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let within = |part: &[u8], at: u64, from: u64| at >= from && at - from < part.len() as u64;
        if self.at < self.size && !within(&self.part, self.at, self.part_at) {
            self.fetch().map_err(io::Error::other)?;
        }
        let offset = usize::try_from(self.at.saturating_sub(self.part_at)).unwrap_or(usize::MAX);
        let rest = if self.at < self.size { self.part.get(offset..).unwrap_or_default() } else { &[] };
        let length = buffer.len().min(rest.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
