//! The same reads as for a restore, to nowhere: everything of a part is fetched, opened and decompressed, and compared
//! with the digests. What is damaged is told, and the rest is read all the same.

use super::{Destination, Inward, InwardError, Result, by_pack};
use crate::model::digest::PartDigests;
use crate::model::key::Key;
use crate::model::manifest::{Extent, Part};
use crate::sink::comparison::{Compared, Comparison, PageRule};
use crate::store::Error as StoreError;

/// What became of one part.
#[derive(Debug, Default)]
pub struct PartRead {
    /// `None` where the manifest cannot be read.
    pub part: Option<Part>,
    /// Objects of which all was read, and is what the list says.
    pub sound: Vec<Key>,
    pub damaged: Vec<InwardError>,
    pub compared: Compared,
}

impl Inward<'_> {
    /// Fails where reading itself does; damage is a part of the result.
    pub fn compare(&self, number: u32, rule: Option<&PageRule>) -> Result<PartRead> {
        let mut read = PartRead::default();
        let key = self.keys.manifest(self.backup, number);
        let Some(part) = read.note(key, self.manifest(number))? else { return Ok(read) };
        let key = self.keys.digests(self.backup, number);
        let digests = read.note(key, self.digests(number, part.digests()))?;
        read.compared = self.packs(&part, digests.as_ref(), rule, &mut read)?;
        read.part = Some(part);
        Ok(read)
    }

    fn packs(
        &self,
        part: &Part,
        digests: Option<&PartDigests>,
        rule: Option<&PageRule>,
        read: &mut PartRead,
    ) -> Result<Compared> {
        let mut packs = by_pack(part);
        let mut nowhere =
            Nowhere(digests.map(|digests| Comparison::new(&part.files, digests.seed, &digests.values, rule)));
        loop {
            let mut readable = Vec::with_capacity(packs.len());
            for (pack, extents) in packs {
                self.check_interrupt()?;
                let done = self.pack(pack, &extents, &mut nowhere);
                if read.note(self.keys.pack(&pack.id), done)?.is_some() {
                    readable.push((pack, extents));
                }
            }
            packs = readable;
            if !nowhere.0.as_mut().is_some_and(Comparison::pass) {
                return Ok(nowhere.0.map(Comparison::finish).unwrap_or_default());
            }
        }
    }

    /// The whole of a small file; `None` where the part has none of this name.
    pub fn small_file(&self, part: &Part, path: &str) -> Result<Option<Vec<u8>>> {
        let Some(index) = part.files.iter().position(|file| file.path.as_bytes() == path.as_bytes()) else {
            return Ok(None);
        };
        let size = part.files[index].size.min(MAX_SMALL_FILE);
        let mut collected = Collected { index, bytes: vec![0; size as usize] };
        for (pack, mut extents) in by_pack(part) {
            extents.retain(|(file, _): &(usize, Extent)| *file == index);
            if !extents.is_empty() {
                self.pack(pack, &extents, &mut collected)?;
            }
        }
        Ok(Some(collected.bytes))
    }
}

/// What a label or the control file never reaches.
const MAX_SMALL_FILE: u64 = 1 << 20;

impl PartRead {
    /// But for its pages, of which the backup may have told.
    pub fn is_sound(&self) -> bool {
        self.part.is_some() && self.damaged.is_empty() && self.compared.other.is_empty()
    }

    /// What was read, if it is sound.
    fn note<T>(&mut self, key: Key, read: Result<T>) -> Result<Option<T>> {
        match read {
            Ok(value) => {
                self.sound.push(key);
                Ok(Some(value))
            }
            Err(error) if error.is_of_an_object() => {
                self.damaged.push(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl InwardError {
    /// Of one object alone: what others hold may be read all the same.
    fn is_of_an_object(&self) -> bool {
        match self {
            InwardError::Codec { source: crate::codec::CodecError::Io(_), .. } => false,
            InwardError::NotListed { .. } | InwardError::Store(StoreError::NotFound { .. }) => true,
            other => other.object().is_some(),
        }
    }

    /// The object that is damaged, is not there, or is not in the list.
    pub fn about(&self) -> Option<&Key> {
        match self {
            InwardError::NotListed { key } | InwardError::Store(StoreError::NotFound { key }) => Some(key),
            other => other.object(),
        }
    }
}

/// Without digests only whether it can be read.
struct Nowhere<'p>(Option<Comparison<'p>>);

impl Destination for Nowhere<'_> {
    fn take(&mut self, file: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        if let Some(comparison) = &mut self.0 {
            comparison.take(file, offset, bytes);
        }
        Ok(())
    }
}

/// One file of a part.
struct Collected {
    index: usize,
    bytes: Vec<u8>,
}

impl Destination for Collected {
    fn take(&mut self, file: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        let room = usize::try_from(offset).ok().and_then(|offset| self.bytes.get_mut(offset..offset + bytes.len()));
        if let Some(room) = room.filter(|_| file == self.index) {
            room.copy_from_slice(bytes);
        }
        Ok(())
    }
}
