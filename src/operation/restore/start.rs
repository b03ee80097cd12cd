//! `--start`: a server on the copy, cut off from its origin, which goes on after the command has ended.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Instant;

use super::{Action, Request, Restored, Start, StoppedCopy, compare};
use crate::model::error::{Code, Error, Result};
use crate::model::plan::target::Target;
use crate::model::recovery_log::RecoveryLog;
use crate::model::relation::STARTED_COPY;
use crate::model::shell_word::shell_word;
use crate::operation::Context;
use crate::operation::own_program;
use crate::postgres::{End, LONGEST_SILENCE, Room, ScratchServer};
use crate::report::restore::Started;
use crate::report::{Listener, Phase};

/// What would keep the server from starting, as far as it can be told before the first byte.
pub fn refuse(how: &Start) -> Result<()> {
    own_program::refuse_unreachable()?;
    how.port.map_or(Ok(()), refuse_taken)
}

fn refuse_taken(port: u16) -> Result<()> {
    let taken = |error: io::Error| {
        let why =
            if error.kind() == ErrorKind::AddrInUse { "is taken".to_owned() } else { format!("is no use: {error}") };
        Error::new(Code::Refused, format!("port {port} of this machine {why}"))
            .hint("another --port, or leave it out: the copy is reached through its socket")
    };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(taken)
}

/// Returns at the target, or where recovery promotes once the copy takes writes.
pub fn start(
    context: &Context,
    request: &Request,
    how: &Start,
    (restored, copy): (&Restored, &StoppedCopy),
    listener: &dyn Listener,
) -> Result<Started> {
    let began = Instant::now();
    compare::older_minor(&restored.backup, &copy.installation).into_iter().for_each(|old| listener.warning(old));
    if let Some(libraries) = copy.left_out_libraries() {
        listener.notice(format!("not loaded, as the origin does: {libraries}; --preload LIBRARY loads what is needed"));
    }
    listener.phase(Phase::Recovering);
    let room = Room::make(&request.target_dir.join(STARTED_COPY))?;
    let log = room.log();
    let run = || -> Result<(ScratchServer, RecoveryLog)> {
        let mut server = ScratchServer::launch(copy.launch(room, Vec::new()))?;
        let recovery = server.wait_for_end(end(request), LONGEST_SILENCE, &context.interrupt)?;
        judge(request, restored, &recovery)?;
        copy.compare(&server)?.into_iter().for_each(|warning| listener.warning(warning));
        Ok((server, recovery))
    };
    let words = Words { copy, log: &log, sudo: sudo(how) };
    let (server, recovery) = run().map_err(|error| words.afterwards(error))?;
    if end(request) == End::Paused && recovery.complete {
        listener.warning(opened_instead());
    }
    Ok(Started {
        postgresql: copy.installation.version.clone(),
        socket_directory: server.room().socket_directory().to_owned(),
        port: how.port,
        is_open: recovery.complete,
        connect: copy.psql(&server),
        stop: words.pg_ctl("stop"),
        again: words.pg_ctl("restart"),
        log: log.clone(),
        seconds: began.elapsed().as_secs_f64(),
        pid: server.leave_running(),
        recovery,
    })
}

fn end(request: &Request) -> End {
    match (&request.target, request.action) {
        (Target::Latest, _) | (_, Action::Promote) => End::Promoted,
        _ => End::Paused,
    }
}

/// What was planned, and what the server's log proves.
fn judge(request: &Request, restored: &Restored, recovery: &RecoveryLog) -> Result<()> {
    if recovery.proves(&request.target, restored.stop.as_ref()) {
        return Ok(());
    }
    let stopped = recovery.stop.as_ref().map_or("without a stop", |stop| stop.words.as_str());
    let message = format!("the copy did not come to {}: its log says {stopped}", restored.plan.target);
    Err(Error::new(Code::TargetUnreachable, message))
}

/// Replay that has met more subtransactions than a snapshot holds lets no session in until they have ended; then there is
/// no pause (`recoveryPausesHere`).
fn opened_instead() -> Error {
    let message = "no session could be let in at the target, so the server opened instead of standing there";
    Error::new(Code::Flagged, message).hint("the copy is what was asked for; from there on it takes writes")
}

/// The last line a person sees.
pub fn next(started: &Started) -> String {
    match started.is_open {
        true => started.connect.clone(),
        false => {
            format!("{}, look at it, then SELECT pg_wal_replay_resume() to open it{}", started.connect, super::LOCKED)
        }
    }
}

/// pg_ctl runs as the owner only; whoever called as root has another prompt.
fn sudo(how: &Start) -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().filter(|_| how.asked_by_root);
    user.map_or_else(String::new, |user| format!("sudo -u {} ", user.name))
}

/// Commands that a person types later.
struct Words<'a> {
    copy: &'a StoppedCopy,
    log: &'a Path,
    sudo: String,
}

impl Words<'_> {
    fn pg_ctl(&self, action: &str) -> String {
        format!("{}{}", self.sudo, self.copy.pg_ctl(self.log, action))
    }

    /// The copy is whole, only its server is not there.
    fn afterwards(&self, error: Error) -> Error {
        match error.code {
            Code::Interrupted => error.hint(format!("the copy is complete: {}", self.pg_ctl("restart"))),
            _ => error.hint(format!("less {}", shell_word(&self.log.to_string_lossy()))),
        }
    }
}
