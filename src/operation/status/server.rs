//! What the server tells.

use crate::model::error::Code;
use crate::operation::Context;
use crate::postgres::{ArchiveMode, Connection, Settings};
use crate::report::status::{ArchiverFailure, Server, Slot, State};

pub fn look(context: &Context) -> Server {
    let read = context.config.postgres().and_then(|postgres| {
        let mut connection = Connection::open(postgres.connection.as_str())?;
        let settings = Settings::read(&mut connection)?;
        let segment = connection.segment(&settings)?;
        Ok((settings, segment, connection.archiver_failure()?, connection.inactive_slots()?))
    });
    match read {
        Ok((settings, segment, failure, slots)) => Server {
            state: State::Running,
            version: Some(settings.version_text),
            system_identifier: Some(settings.system_identifier.to_string()),
            standby: Some(settings.in_recovery),
            archiving: Some(settings.archive_mode != ArchiveMode::Off),
            segment,
            archiver_failure: failure.map(|failure| ArchiverFailure { segment: failure.segment, at: failure.at }),
            inactive_slots: slots.into_iter().map(|it| Slot { name: it.name, held_bytes: it.held_bytes }).collect(),
            error: None,
        },
        Err(error) => {
            let state = if error.code == Code::Unreachable { State::Unreachable } else { State::Unknown };
            Server { state, ..Server::unknown(&error) }
        }
    }
}
