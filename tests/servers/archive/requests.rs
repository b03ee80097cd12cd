//! What `wal push` and `wal fetch` ask of the store. Every request has its price there.

use std::sync::Arc;

use jiff::Timestamp;
use pgcairn::codec::Identities;
use pgcairn::config::Config;
use pgcairn::model::interrupt::Interrupt;
use pgcairn::operation::Context;
use pgcairn::operation::repository::Opened;
use pgcairn::operation::wal::fetch;
use pgcairn::operation::wal::push::{Archive, Pushed};
use pgcairn::sink::{BY_UMASK, Replacement};
use pgcairn::store::{LocalBackend, Repository};

use super::cluster::{Place, cluster};
use crate::support::Outcome;
use crate::support::layers::Counting;
use crate::support::majors::Installation;

/// Only the kinds of requests, `get_range pgcairn.json` as it is.
fn kinds(counting: &Counting) -> Vec<String> {
    let kind = |call: String| match call.ends_with(" pgcairn.json") {
        true => call,
        false => call.split(' ').next().unwrap_or_default().to_owned(),
    };
    counting.take().into_iter().map(kind).collect()
}

fn context(place: &Place) -> Outcome<Context> {
    let config = Config::read(&place.site.config())?;
    let identities = Some(Identities::parse(&std::fs::read(place.site.identity())?, || None)?);
    Ok(Context { config, identities, trusted: Vec::new(), now: Timestamp::now(), interrupt: Interrupt::default() })
}

pub fn counted(install: &'static Installation) -> Outcome {
    const MARKER: &str = "get_range pgcairn.json";
    let cluster = cluster(install)?;
    let place = cluster.place()?;
    let context = context(&place)?;
    let segment = &cluster.segments[0];
    place.push(segment)?.ok()?;

    let counting = Counting::new(Arc::new(LocalBackend::open(&place.site.repository())?));
    let pushed = Pushed::locate(&context.config, &place.wal(&cluster.segments[1]))?;
    let name = context.config.name.clone().ok_or("no name")?;
    let system_identifier = pushed.control.system_identifier;
    let open = || -> Outcome<Opened> {
        let repository = Repository::open_on(counting.clone() as Arc<_>, None)?;
        Ok(Opened::new(repository, name.clone(), system_identifier))
    };

    // One create; the marker when the repository is opened and before the write.
    let opened = open()?;
    let archive = Archive { sealer: opened.sealer(&context.config)?, opened, level: 3 };
    assert!(archive.push(&pushed)?);
    assert_eq!(kinds(&counting), [MARKER, MARKER, "create"]);
    // What is there already costs its envelope, its size and its durability.
    assert!(!archive.push(&pushed)?);
    assert_eq!(kinds(&counting), [MARKER, "create", "get_range", "stat", MARKER, "persist"]);

    let opened = open()?;
    let opener = opened.opener(&context)?;
    let fetched = |name: &str| -> Outcome<bool> {
        let file = Replacement::begin(&place.wal("RECOVERYXLOG"), BY_UMASK)?;
        Ok(fetch::fetch(&opened, &opener, &name.parse()?, file)?.is_some())
    };
    assert!(fetched(segment)?);
    assert_eq!(kinds(&counting), [MARKER, "get"]);
    assert!(!fetched(&cluster.segments[3])?);
    assert_eq!(kinds(&counting), ["get", MARKER]);
    Ok(())
}
