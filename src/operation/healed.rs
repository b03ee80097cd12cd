//! Damage that another repository makes good.

use crate::model::error::{Code, Error, Result};
use crate::report::Listener;
use crate::store::{Reader, Turned};

/// Runs `attempt` again while it meets damaged or unreadable objects that another repository has too. Each object is
/// turned away from at most once for each repository, so it ends.
pub fn healed<T>(reader: &Reader, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    loop {
        let error = match attempt() {
            Err(error) if error.code != Code::Interrupted => error,
            other => return other,
        };
        if !error.object.as_deref().is_some_and(|key| reader.turn_from(key)) {
            return Err(error);
        }
    }
}

/// What was damaged goes on being so, and that must be known.
pub fn say(reader: &Reader, listener: &dyn Listener) {
    for Turned { key, from } in reader.turned() {
        let message = format!("{key} is damaged or unreadable in {from}, and was read from another repository");
        let hint = "look after that repository before you need it: pgcairn check";
        listener.warning(Error::new(Code::Flagged, message).hint(hint));
    }
}
