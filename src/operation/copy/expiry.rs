//! An expiry that is at work at the destination may have taken for garbage what a copy would rely on.

use super::Route;
use super::transfer::Transfer;
use crate::model::error::{Code, Error, Result};
use crate::model::key::BackupId;
use crate::operation::catalog::generations;
use crate::operation::repository::Opened;

/// Whether one was at work there at one moment. One that begins later sees what there is by then.
pub struct Expiry {
    is_at_work: bool,
}

impl Expiry {
    /// Expiry marks its run before it looks what nothing needs, and unmarks it after the last deletion; for all clusters
    /// of a repository at one of them.
    pub fn at_work(route: &Route) -> Result<Expiry> {
        let reader = route.to.reader();
        for Opened { keys, .. } in generations(&route.to, None)? {
            if !reader.list(&keys.runs())?.is_empty() {
                return Ok(Expiry { is_at_work: true });
            }
        }
        Ok(Expiry { is_at_work: false })
    }

    /// For what rests on objects that were there before anything told that this backup or dump needs them.
    pub fn refuse(&self, transfer: &Transfer<'_>, id: &BackupId) -> Result<()> {
        if !self.is_at_work {
            return Ok(());
        }
        let name = &transfer.route.name;
        let message =
            format!("an expiry at work in {name} may delete what lies there of it already; run it again later");
        Err(Error::new(Code::Conflict, message).hint(format!("pgcairn copy {id} --to {name}")))
    }
}
