//! Lays the WAL that recovery needs beside the data: `<target>/pgcairn_wal`, plain files and an index. Recovery
//! reads it with neither key, configuration nor network.

mod index;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use super::choose::Chosen;
use super::{Request, Source};
use crate::flow::workers;
use crate::model::error::{Code, Error, Result};
use crate::model::sha256::Sha256Sum;
use crate::model::wal_name::{Segment, WalName};
use crate::operation::failure::{cannot, damaged};
use crate::operation::healed::healed;
use crate::operation::wal::fetch;
use crate::report::{Listener, Phase};

pub use index::{Index, IndexedFile, RESTORE_AGAIN};

/// Below the target directory.
pub const DIRECTORY: &str = crate::model::relation::RESTORED_WAL;

/// Lays all WAL that recovery needs beside the data, then the index that proves what is absent.
pub(super) fn fetch_all(
    source: &Source<'_>,
    request: &Request,
    chosen: &Chosen,
    listener: &dyn Listener,
) -> Result<()> {
    listener.phase(Phase::FetchingWal);
    let directory = request.target_dir.join(DIRECTORY);
    let size = chosen.backup.postgresql.wal_segment_size;
    let histories = chosen.histories.iter().copied().map(WalName::History);
    let planned = |(segment, digest): (&Segment, &Sha256Sum)| (WalName::Segment(segment.name(size)), Some(*digest));
    let names: Vec<(WalName, Option<Sha256Sum>)> =
        chosen.scanned.digests.iter().map(planned).chain(histories.map(|name| (name, None))).collect();
    let files = Mutex::new(Vec::with_capacity(names.len()));
    workers::each(source.jobs(request), names.iter(), |(name, planned)| {
        let file = healed(&source.opened.repository.reader(), || fetch_one(source, &directory, name, *planned));
        file.map(|file| files.lock().unwrap_or_else(|e| e.into_inner()).extend(file))
    })?;
    Index::new(files.into_inner().unwrap_or_else(|e| e.into_inner())).write(&directory)
}

/// `None` for the history of an ancestor that is not in the archive: the newest history tells it all.
fn fetch_one(
    source: &Source<'_>,
    directory: &Path,
    name: &WalName,
    planned: Option<Sha256Sum>,
) -> Result<Option<IndexedFile>> {
    source.context.interrupt.check()?;
    let path = directory.join(name.to_string());
    let cannot_write = |e: io::Error| cannot("write", path.display(), e);
    let mut file = File::create(&path).map_err(cannot_write)?;
    let (mut sha256, mut size) = (Sha256::new(), 0);
    let found = fetch::read(&source.opened, &source.opener, name, &mut |bytes| {
        sha256.update(bytes);
        size += bytes.len() as u64;
        file.write_all(bytes).map_err(cannot_write)
    })?;
    match (found, name) {
        // Of another repository than the one that it was planned with.
        (Some(facts), _) if planned.is_some_and(|planned| planned != facts.sha256) => {
            Err(damaged(&source.opened.keys.wal_file(name), "it has other content than when it was planned"))
        }
        (Some(_), _) => {
            file.sync_all().map_err(cannot_write)?;
            Ok(Some(IndexedFile { name: name.to_string(), size, sha256: Sha256Sum(sha256.finalize().into()) }))
        }
        (None, WalName::History(_)) => {
            fs::remove_file(&path).map_err(cannot_write)?;
            Ok(None)
        }
        (None, _) => Err(Error::new(Code::WalGap, format!("{name} vanished from the archive since it was planned"))
            .hint("run the same command again")),
    }
}
