//! This very program, which servers of ours call.

use rustix::fs::{Access, access};

use crate::model::error::{Code, Error, Result};
use crate::model::shell_word::shell_word;

/// The server calls this program, as the user that it runs as: a program in root's home is closed to it.
pub fn refuse_unreachable() -> Result<()> {
    let program = std::env::current_exe()
        .map_err(|error| Error::new(Code::Io, format!("the path of this program is not known: {error}")))?;
    access(&program, Access::EXEC_OK).map_err(|error| {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
        let user = user.map_or_else(|| "the user of the server".to_owned(), |user| user.name);
        let shown = program.display();
        Error::new(Code::Permission, format!("{user} cannot run {shown}, and the server calls it: {error}"))
            .hint(format!("install -m 0755 {} /usr/local/bin/pgcairn", shell_word(&program.to_string_lossy())))
    })
}
