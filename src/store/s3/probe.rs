//! What everything rests on is tried on objects made for it: that of many writers one wins, that parts are parts,
//! and that a body which was changed on its way is refused.

use std::ops::Range;

use futures_util::future::join_all;
use object_store::{Extensions, PutPayload};

use super::super::error::{Error, Result};
use super::super::inspection::Inspection;
use super::super::repository::PROBES;
use super::Inner;
use super::digested::Digested;
use super::failure::Failure;
use super::transport::ChangedOnTheWay;
use crate::model::key::Key;

/// They begin so; whoever finds one left behind may delete it.
pub(super) const NAMES: &str = "runs/probe-";

const PART: Range<u64> = 3..9;

impl Inner {
    pub(super) async fn probe(&self) -> Result<Inspection> {
        let number: u64 = rand::random();
        let [raced, changed] = [self.name(number, "raced")?, self.name(number, "changed")?];
        let outcome = self.race(&raced).await;
        let checksums = self.refuses_changed_bodies(&changed).await;
        let deletes = self.is_gone(&raced).await? & self.is_gone(&changed).await?;
        let (winners, ranges) = outcome?;
        Ok(Inspection { winners, ranges, checksums: checksums?, clock_ahead: self.observed.clock_ahead(), deletes })
    }

    fn name(&self, number: u64, what: &str) -> Result<Key> {
        let name = format!("{NAMES}{number:016x}-{what}");
        Key::new(&name).map_err(|_| Error::Name(name))
    }

    /// How many were told that they won, and whether a part of what the winner wrote is that part.
    async fn race(&self, key: &Key) -> Result<(usize, bool)> {
        let body = |writer: usize| format!("writer {writer:02} of pgcairn").into_bytes();
        let results = join_all((0..PROBES).map(|writer| self.create(key, Digested::of(body(writer)), None))).await;
        let winners: Vec<usize> = (0..PROBES).filter(|writer| results[*writer].is_ok()).collect();
        let lost = |error: &Error| matches!(error, Error::AlreadyExists { .. });
        if let Some(failure) = results.into_iter().filter_map(Result::err).find(|error| !lost(error)) {
            return Err(failure);
        }
        let part = self.range(key, PART).await?;
        let is_part = |writer: &usize| body(*writer)[PART.start as usize..PART.end as usize] == part;
        Ok((winners.len(), winners.iter().any(is_part)))
    }

    /// Signature and checksum are those of another body. However a store refuses it, the object must not be there.
    async fn refuses_changed_bodies(&self, key: &Key) -> Result<bool> {
        let mut extensions = Extensions::new();
        extensions.insert(ChangedOnTheWay(b"as it was changed".to_vec()));
        let sent = self.put_once(&self.path(key), PutPayload::from_static(b"as it was written"), extensions).await;
        match sent {
            Ok(()) => Ok(false),
            Err(Failure::Answer(_)) => match self.head(key).await {
                Err(Error::NotFound { .. }) => Ok(true),
                other => other.map(|_| false),
            },
            Err(failure) => Err(failure.into_error("cannot create", &self.url, Some(key))),
        }
    }

    async fn is_gone(&self, key: &Key) -> Result<bool> {
        match self.delete(key).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(true),
            Err(Error::Permission { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
