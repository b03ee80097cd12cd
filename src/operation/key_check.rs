//! `key check`: whether a key opens the backups, shown by opening one; not only by what a backup says of itself.

use std::io;

use super::catalog::{Catalog, choose_cluster};
use super::failure;
use super::repository::{self, Opened};
use super::{Context, records, this_host};
use crate::model::catalog::Summary;
use crate::model::error::{Code, Error, Result};
use crate::model::key::Encryption;
use crate::model::key_check::Record;
use crate::model::record::FORMAT;
use crate::report::Listener;
use crate::report::key_check::KeyCheck;
use crate::report::text::count;

pub fn run(context: &Context, listener: &dyn Listener) -> Result<KeyCheck> {
    let identities = context.identities()?;
    let given: Vec<String> = identities.recipients().iter().map(ToString::to_string).collect();
    let opened = choose_cluster(&context.config, repository::open_all(&context.config, listener)?)?;
    if opened.repository.encryption() == Encryption::None {
        let message = format!("{} is not encrypted: no key is needed", opened.repository.url());
        return Err(Error::new(Code::Refused, message).hint("leave the key where it is: pgcairn list"));
    }
    let mut backups = Catalog::read(&opened.repository.reader(), &opened.keys)?.into_summaries();
    backups.sort_by_key(|backup| backup.stopped);
    let is_ours = |backup: &&Summary| backup.recipients.iter().any(|recipient| given.contains(recipient));
    let ours: Vec<&Summary> = backups.iter().filter(is_ours).collect();
    let newest = *ours.last().ok_or_else(|| opens_none(backups.len() as u64))?;
    open_one(context, &opened, newest)?;
    let recipients: Vec<String> = newest.recipients.iter().filter(|it| given.contains(it)).cloned().collect();
    if let Err(error) = record(context, &opened, newest, &recipients) {
        listener.warning(records::not_recorded(context, "the check", error));
    }
    Ok(KeyCheck {
        repository: opened.repository.url().to_owned(),
        cluster: opened.cluster.to_string(),
        recipients,
        opened: newest.id.clone(),
        opens: ours.len() as u64,
        backups: backups.len() as u64,
        on_the_database_host: context.config.postgres.is_some(),
        next: context.command("list"),
    })
}

/// Everything that its first manifest part holds is decrypted: the names of its files.
fn open_one(context: &Context, opened: &Opened, backup: &Summary) -> Result<()> {
    let key = opened.keys.manifest(&backup.id, 1);
    let stored = opened.repository.reader().get(&key)?;
    let (_, mut body) = opened.opener(context)?.open(&key, stored).map_err(|error| failure::object(&key, error))?;
    io::copy(&mut body, &mut io::sink()).map(drop).map_err(|error| failure::unreadable(&key, &error))
}

fn opens_none(backups: u64) -> Error {
    match backups {
        0 => Error::new(Code::NotFound, "there is no backup that a key could be tried on").hint("pgcairn backup"),
        some => Error::new(Code::Identity, format!("the given key opens none of {}", count(some, "backup")))
            .hint("pgcairn show latest   # says which keys it is for; give the file with one of them: --identity FILE"),
    }
}

fn record(context: &Context, opened: &Opened, backup: &Summary, recipients: &[String]) -> Result<()> {
    let record = Record {
        format: FORMAT,
        checked: context.now,
        recipients: recipients.to_vec(),
        backup: backup.id.clone(),
        host: this_host::mark(opened.repository.id()),
        pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
    };
    records::create(opened, &record)
}
