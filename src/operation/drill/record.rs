//! What stays of a drill in the repository: for `status`, and for expiry, which never drops the newest proven backup.

use std::io::{Cursor, Write};

use super::Subject;
use crate::codec::{Envelope, FrameWriter, Sealer};
use crate::model::drill::{CheckRecord, DumpRecord, Record};
use crate::model::error::{Code, Error, Result};
use crate::model::key::{ClusterKeys, Encryption, Key, Kind};
use crate::model::record::{FORMAT, Recorded, to_line};
use crate::model::selector::Selector;
use crate::operation::repository::{self, Opened};
use crate::operation::{Context, chosen};
use crate::report::drill::Drill;
use crate::report::{Listener, json};

/// `check` lets them, where the group is theirs (`drills::open_to_readers`).
const OPEN_TO_READERS: &str =
    "sudo pgcairn check   # lets members of the group pgcairn record drills, where it is the repository's group";

/// The record, and beside it the whole result as `--json` has it, closed because it names tables. A drill that cannot be
/// recorded has still proven what it has. `origin` is where the copy came from, if there was one.
pub fn keep(
    context: &Context,
    subject: &Subject,
    report: &mut Drill,
    origin: Option<&Opened>,
    listener: &dyn Listener,
) {
    let kept = match subject {
        Subject::Backup { backup, .. } => keep_as(context, backup.as_ref(), report, origin, of_backup),
        Subject::Dump(_) => keep_as(context, None, report, origin, of_dump),
    };
    if let Err(error) = kept {
        report.recorded = None;
        let message = format!("the drill is not recorded: {}", error.message);
        let is_closed = error.code == Code::Permission && context.config.repository.url.local_path().is_some();
        let hint = if is_closed { Some(OPEN_TO_READERS.to_owned()) } else { error.hint.clone() };
        listener.warning(Error { message, hint, code: Code::Flagged, ..error });
    }
}

fn keep_as<R: Recorded>(
    context: &Context,
    backup: Option<&Selector>,
    report: &mut Drill,
    origin: Option<&Opened>,
    record: impl Fn(&Drill) -> R,
) -> Result<()> {
    let repository = repository::open(&context.config)?;
    let opened = match origin {
        Some(origin) => Opened { repository, ..origin.clone() },
        None => chosen::generation(&context.config, repository, backup)?,
    };
    let key = ClusterKeys::marked(&R::directory(&opened.keys), report.started, rand::random(), R::MARK);
    report.recorded = Some(key.to_string());
    // The record last: what it says is there, is there.
    create(&opened, &opened.keys.drill_report(&key), closed(context, &opened, &key, report)?)?;
    create(&opened, &key, to_line(&record(report)))
}

fn create(opened: &Opened, key: &Key, bytes: Vec<u8>) -> Result<()> {
    Ok(opened.repository.creator().create(key, &mut Cursor::new(bytes))?)
}

fn closed(context: &Context, opened: &Opened, record: &Key, report: &Drill) -> Result<Vec<u8>> {
    let envelope = Envelope::new(opened.keys.drill_report(record), Kind::Drill);
    let sealed = sealer(context, opened)?.seal(&envelope, Vec::new())?;
    let mut frames = FrameWriter::new(sealed, context.config.backup.compression)?;
    let cannot = |error| Error::new(Code::Internal, format!("the result cannot be closed: {error}"));
    frames.write_all(json(report).as_bytes()).map_err(cannot)?;
    frames.finish().and_then(|sealed| sealed.finish()).map_err(cannot)
}

/// Where the configuration names nobody to encrypt to, as on a host of drills, those may read it who could the backup.
fn sealer(context: &Context, opened: &Opened) -> Result<Sealer> {
    match (opened.repository.encryption(), context.config.recipients.is_empty()) {
        (Encryption::Age, true) => Ok(Sealer::new(context.identities()?.recipients())?),
        _ => opened.sealer(&context.config),
    }
}

fn of_backup(report: &Drill) -> Record {
    Record {
        format: FORMAT,
        backup: report.restored.as_ref().map(|restored| restored.backup.clone()),
        target: report.restored.as_ref().map(|restored| restored.target.clone()).unwrap_or_default(),
        started: report.started,
        seconds: report.seconds,
        passed: report.passed,
        recovery_seconds: report.recovery_seconds(),
        checks: checks(report),
        pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn of_dump(report: &Drill) -> DumpRecord {
    DumpRecord {
        format: FORMAT,
        dump: report.loaded.as_ref().map(|loaded| loaded.dump.clone()),
        started: report.started,
        seconds: report.seconds,
        passed: report.passed,
        load_seconds: report.load_seconds(),
        data_bytes: report.loaded.as_ref().map(|loaded| loaded.data_bytes),
        checks: checks(report),
        pgcairn: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn checks(report: &Drill) -> Vec<CheckRecord> {
    let check = |check: &crate::report::drill::Check| CheckRecord { name: check.name.clone(), outcome: check.outcome };
    report.checks.iter().map(check).collect()
}
