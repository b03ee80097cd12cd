//! A run of pgcairn that something happens to.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::support::server::Server;
use crate::support::site::{Run, Site};
use crate::support::wait::wait_for;
use crate::support::{Outcome, process};

pub struct Background {
    command: Command,
    /// `None` once it was waited for.
    child: Option<Child>,
}

impl Background {
    /// Starts it, with the identity at hand.
    pub fn start(site: &Site, arguments: &[&str]) -> Outcome<Background> {
        let mut command = site.command(arguments);
        command.env("PGCAIRN_IDENTITY", site.identity()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn()?;
        Ok(Background { command, child: Some(child) })
    }

    /// Starts a backup and returns when it copies: it has ended a segment just before.
    pub fn backup(site: &Site, server: &Server) -> Outcome<Background> {
        let before = server.segment()?;
        let mut backup = Background::start(site, &["backup", "--json"])?;
        wait_for("the copy to begin", || {
            if backup.has_ended()? {
                return Err(backup.end()?.report().into());
            }
            Ok((server.segment()? != before).then_some(()))
        })?;
        Ok(backup)
    }

    /// Waits until it has a file open.
    pub fn wait_open(&mut self, path: &Path) -> Outcome {
        let Some(pid) = self.child.as_ref().map(Child::id) else { return Err("it was waited for before".into()) };
        wait_for(&format!("{} to be open", path.display()), || {
            if self.has_ended()? {
                return Err(self.end()?.report().into());
            }
            let open = std::fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
            let found = open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|known| known == path);
            Ok(found.then_some(()))
        })
    }

    pub fn signal(&self, what: Signal) {
        if let Some(child) = &self.child {
            process::signal(child.id().cast_signed(), what);
        }
    }

    pub fn has_ended(&mut self) -> Outcome<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_some()),
            None => Ok(true),
        }
    }

    /// Waits for its end.
    pub fn end(&mut self) -> Outcome<Run> {
        let child = self.child.take().ok_or("it was waited for before")?;
        let output = child.wait_with_output()?;
        Ok(Run::from_output(&self.command, &output))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
