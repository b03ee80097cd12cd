//! Listings, page by page.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;
use object_store::ListResult;
use object_store::list::{PaginatedListOptions, PaginatedListStore};

use super::super::backend::Entry;
use super::super::error::{Error, Result};
use super::Inner;
use super::failure::Failure;
use crate::model::key::Key;

pub(super) const LIST: &str = "cannot list";

/// Whole seconds: a listing has more of them than the answer about one object.
pub(super) fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

impl Inner {
    /// What is under the prefix and has no name of ours was put there by others, and is not seen.
    pub(super) async fn entries(&self, prefix: &str) -> Result<Vec<Entry>> {
        if let Some(oldest) = &self.oldest {
            return self.oldest_entries(oldest, prefix).await;
        }
        let mut entries = Vec::new();
        let see = |page: ListResult| {
            for object in page.objects {
                let name = self.within(object.location.as_ref());
                if let Some(key) =
                    name.and_then(|name| Key::new(name).ok()).filter(|key| key.as_str().starts_with(prefix))
                {
                    let modified = timestamp(object.last_modified.timestamp());
                    entries.push(Entry { key, size: object.size, modified });
                }
            }
        };
        self.pages(prefix, None, see).await?;
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        entries.dedup_by(|a, b| a.key == b.key);
        Ok(entries)
    }

    pub(super) async fn next_parts(&self, directory: &str) -> Result<Vec<String>> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        if self.oldest.is_some() {
            return self.next_parts_of_versions(&prefix).await;
        }
        let mut parts = BTreeSet::new();
        let see = |page: ListResult| {
            let names = page.common_prefixes.iter().filter_map(|path| self.within(path.as_ref()));
            parts.extend(names.filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned));
        };
        self.pages(&prefix, Some("/"), see).await?;
        Ok(parts.into_iter().collect())
    }

    async fn pages(
        &self,
        prefix: &str,
        delimiter: Option<&'static str>,
        mut see: impl FnMut(ListResult),
    ) -> Result<()> {
        let prefix = self.path_text(prefix);
        let mut page_token: Option<String> = None;
        loop {
            let ask = || async {
                let (page_token, delimiter) = (page_token.clone(), delimiter.map(Cow::Borrowed));
                let options = PaginatedListOptions {
                    page_token,
                    delimiter,
                    max_keys: self.page,
                    ..PaginatedListOptions::default()
                };
                let prefix = Some(prefix.as_str()).filter(|prefix| !prefix.is_empty());
                let page = self.client.list_paginated(prefix, options);
                match tokio::time::timeout(self.patience.answer, page).await {
                    Ok(page) => Ok(page?),
                    Err(_) => Err(Failure::NoAnswer("no whole page of the listing in time".to_owned())),
                }
            };
            let page = self.again(LIST, None, ask).await?;
            see(page.result);
            match page.page_token {
                None => return Ok(()),
                // A store that turns in a circle would never end.
                same if same == page_token => return Err(self.circle()),
                next => page_token = next,
            }
        }
    }

    pub(super) fn circle(&self) -> Error {
        let source = std::io::Error::other("the store gives the same page again and again");
        Error::Io { action: LIST, place: self.url.clone(), source }
    }
}
