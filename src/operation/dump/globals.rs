//! Roles and tablespaces, which belong to no database.

use super::Run;
use crate::model::dump::Globals;
use crate::model::error::{Code, Error, Result};
use crate::postgres::Connection;

impl Run<'_> {
    /// Where the role may not see passwords, as on managed servers, without them: that is said.
    pub(super) fn globals(&self, connection: &mut Connection) -> Result<Globals> {
        let passwords = connection.sees_passwords()?;
        if !passwords {
            let message = "the role may not read passwords, so roles are dumped without them";
            self.listener.warning(
                Error::new(Code::Flagged, message).hint("dump as a superuser, or set them anew after a restore"),
            );
        }
        let programs = &self.prepared.programs;
        let archive = programs.globals(&connection.reach(), passwords, self.prepared.manner)?;
        // Nobody watches beside it.
        let stream = self.archive(archive, &self.context.interrupt)?;
        Ok(Globals { passwords, stream })
    }
}
