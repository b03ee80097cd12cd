//! The same work with a repository on S3, in turn with one in a directory.

use crate::measure::{Measured, paired};
use crate::report::Report;
use crate::s3::{Store, plain};
use crate::support::Outcome;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::{one_backup, one_restore};

const PREFIX: &str = "full";

/// Of each kind of repository one is there at a time. `local` has a backup in it, which is in the way on the disk.
pub fn backup_and_restore(server: &Server, store: &Store, local: Site, runs: usize, report: &mut Report) -> Outcome {
    drop(local);
    let (mut directory, mut bucket) = (None, None);
    let into_directory = || -> Outcome<Measured> {
        directory = None;
        let site = Site::new(server)?;
        site.init()?;
        let run = one_backup(&site, server)?;
        directory = Some(site);
        Ok(run)
    };
    let into_bucket = || -> Outcome<Measured> {
        bucket = None;
        store.forget(PREFIX);
        let site = store.site(server, PREFIX)?;
        let run = store.serving(|| one_backup(&site, server))?;
        bucket = Some(site);
        Ok(run)
    };
    let backups = paired(runs, into_directory, into_bucket)?;
    let directory = directory.ok_or("there was no backup in a directory")?;
    let bucket = bucket.ok_or("there was no backup in a bucket")?;
    let restores = paired(runs, || one_restore(&directory), || store.serving(|| one_restore(&bucket)))?;
    let plain = plain::moved(store, &directory.objects("/packs/")?)?;
    report.s3(&backups, &restores, &plain);
    store.forget(PREFIX);
    Ok(())
}
