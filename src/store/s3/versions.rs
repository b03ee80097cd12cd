//! The oldest version of every object, where a bucket keeps versions. Objects are created once, so that is the true one:
//! what somebody put over it later, or a marker that hides it, is not seen.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::{EncodingType, ObjectVersion};

use super::super::backend::{Entry, Stat};
use super::super::error::{Error, Result};
use super::Inner;
use super::failure::Failure;
use super::list::{LIST, timestamp};
use crate::model::key::Key;

/// Versions that are remembered, so that what was listed is not asked for again; some 20 MiB.
const MAX_REMEMBERED: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub id: String,
    pub stat: Stat,
}

/// What was seen of the oldest versions.
#[derive(Debug, Default)]
pub(super) struct Oldest {
    remembered: Mutex<HashMap<Key, Version>>,
}

impl Oldest {
    fn recall(&self, key: &Key) -> Option<Version> {
        self.remembered.lock().ok()?.get(key).cloned()
    }

    fn remember(&self, key: &Key, version: &Version) {
        if let Ok(mut remembered) = self.remembered.lock()
            && remembered.len() < MAX_REMEMBERED
        {
            remembered.insert(key.clone(), version.clone());
        }
    }
}

impl Inner {
    /// Which version of the object is read; none where the newest is.
    pub(super) async fn version(&self, key: &Key) -> Result<Option<String>> {
        match &self.oldest {
            Some(oldest) => Ok(Some(self.oldest_version(oldest, key).await?.id)),
            None => Ok(None),
        }
    }

    pub(super) async fn oldest_version(&self, oldest: &Oldest, key: &Key) -> Result<Version> {
        if let Some(version) = oldest.recall(key) {
            return Ok(version);
        }
        let found = self.oldest_versions(key.as_str(), Some(key)).await?.into_iter().find(|(found, _)| found == key);
        let (_, version) = found.ok_or_else(|| Error::NotFound { key: key.clone() })?;
        oldest.remember(key, &version);
        Ok(version)
    }

    /// The id of the oldest version; `None` where there is no other beside it.
    pub(super) async fn only_oldest_version(&self, key: &Key) -> Result<Option<String>> {
        let mut ids: Vec<String> = Vec::new();
        let path = self.path_text(key.as_str());
        let see = |page: &ListObjectVersionsOutput| {
            let own =
                page.versions().iter().filter(|listed| listed.key().is_some_and(|name| as_it_is(page, name) == path));
            ids.extend(own.filter_map(version).map(|version| version.id));
            page.next_key_marker().is_none_or(|last| *as_it_is(page, last) <= *path)
        };
        self.pages_of_versions(key.as_str(), None, see).await?;
        Ok(ids.pop().filter(|_| !ids.is_empty()))
    }

    pub(super) async fn oldest_entries(&self, oldest: &Oldest, prefix: &str) -> Result<Vec<Entry>> {
        let versions = self.oldest_versions(prefix, None).await?;
        versions.iter().for_each(|(key, version)| oldest.remember(key, version));
        let entry =
            |(key, Version { stat, .. }): (Key, Version)| Entry { key, size: stat.size, modified: stat.modified };
        Ok(versions.into_iter().map(entry).collect())
    }

    /// Of every key below `prefix`, in order of their bytes; no further than `only`, where that is asked for.
    async fn oldest_versions(&self, prefix: &str, only: Option<&Key>) -> Result<Vec<(Key, Version)>> {
        let mut versions: HashMap<Key, Version> = HashMap::new();
        let see = |page: &ListObjectVersionsOutput| {
            for listed in page.versions() {
                let path = listed.key().map(|path| as_it_is(page, path));
                let name = path.as_deref().and_then(|path| self.within(path));
                let key = name.and_then(|name| Key::new(name).ok()).filter(|key| key.as_str().starts_with(prefix));
                // Of one object the newest comes first, so the last one stays.
                if let (Some(key), Some(version)) = (key, version(listed)) {
                    versions.insert(key, version);
                }
            }
            only.is_none_or(|only| {
                let last = page.next_key_marker().map(|path| as_it_is(page, path));
                last.is_none_or(|last| *last <= *self.path_text(only.as_str()))
            })
        };
        self.pages_of_versions(prefix, None, see).await?;
        let mut versions: Vec<(Key, Version)> = versions.into_iter().collect();
        versions.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(versions)
    }

    /// Keys that are only marked as deleted, and have no version any more, show here too.
    pub(super) async fn next_parts_of_versions(&self, prefix: &str) -> Result<Vec<String>> {
        let mut parts = BTreeSet::new();
        let see = |page: &ListObjectVersionsOutput| {
            for path in page.common_prefixes().iter().filter_map(|common| common.prefix()) {
                let path = as_it_is(page, path);
                let name = self.within(&path).and_then(|name| name.strip_prefix(prefix));
                parts.extend(name.map(|name| name.trim_end_matches('/').to_owned()));
            }
            true
        };
        self.pages_of_versions(prefix, Some("/"), see).await?;
        Ok(parts.into_iter().collect())
    }

    async fn pages_of_versions(
        &self,
        prefix: &str,
        delimiter: Option<&str>,
        mut see: impl FnMut(&ListObjectVersionsOutput) -> bool,
    ) -> Result<()> {
        let prefix = self.path_text(prefix);
        let mut next: (Option<String>, Option<String>) = (None, None);
        loop {
            let ask = || async {
                let request = self.sdk.client().await?.list_object_versions().bucket(&self.bucket).prefix(&prefix);
                let request = request.set_delimiter(delimiter.map(str::to_owned)).set_max_keys(self.page_of_versions());
                let request = request
                    .encoding_type(EncodingType::Url)
                    .set_key_marker(next.0.clone())
                    .set_version_id_marker(next.1.clone());
                request.send().await.map_err(Failure::from)
            };
            let page = self.again(LIST, None, ask).await.map_err(|error| match error {
                Error::Io { source, .. } => Error::NoVersions { url: self.url.clone(), reason: source.to_string() },
                error => error,
            })?;
            let goes_on = see(&page) && page.is_truncated() == Some(true);
            let key = page.next_key_marker().map(|path| as_it_is(&page, path).into_owned());
            let after = (key, page.next_version_id_marker().map(str::to_owned));
            match goes_on {
                false => return Ok(()),
                true if after == next || after.0.is_none() => return Err(self.circle()),
                true => next = after,
            }
        }
    }

    fn page_of_versions(&self) -> Option<i32> {
        self.page.and_then(|page| i32::try_from(page).ok())
    }
}

/// Names are asked for in an encoding, for somebody may have made one that XML cannot hold. Not every store knows it.
fn as_it_is<'a>(page: &ListObjectVersionsOutput, path: &'a str) -> Cow<'a, str> {
    let encoded = page.encoding_type() == Some(&EncodingType::Url) && path.contains(['%', '+']);
    if encoded { Cow::Owned(decoded(path)) } else { Cow::Borrowed(path) }
}

/// What is no UTF-8 is none of our names, and comes out as another one that is none.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        let byte = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An object from before there were versions has the id `null`.
fn version(listed: &ObjectVersion) -> Option<Version> {
    let size = u64::try_from(listed.size()?).ok()?;
    let modified = timestamp(listed.last_modified()?.secs());
    Some(Version { id: listed.version_id().unwrap_or("null").to_owned(), stat: Stat { size, modified } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_decoded_where_they_are_encoded() {
        let encoded = ListObjectVersionsOutput::builder().encoding_type(EncodingType::Url).build();
        let plain = ListObjectVersionsOutput::builder().build();
        for (name, meant) in
            [("pg%2Fa", "pg/a"), ("pg/a", "pg/a"), ("a+b%2B", "a b+"), ("a%0", "a%0"), ("%zz", "%zz"), ("%01", "\u{1}")]
        {
            assert_eq!(as_it_is(&encoded, name), meant);
            assert_eq!(as_it_is(&plain, name), name);
        }
        assert_eq!(as_it_is(&encoded, "%ff"), "\u{fffd}");
    }
}
