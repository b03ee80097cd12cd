//! Other tools on the same work, where they are found on PATH.

use std::fs;
use std::path::PathBuf;

use crate::measure::{Measured, measured};
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::scratch::Scratch;
use crate::support::server::{PORT, Server, run};

/// A tool and its runs; no runs where it is not there.
pub struct Peer {
    pub name: String,
    pub pushes: Vec<Measured>,
}

pub fn push(server: &Server, segments: &[PathBuf]) -> Outcome<Vec<Peer>> {
    Ok(vec![pgbackrest(server, segments)?])
}

/// zstd level 3 and a cipher, one process, synchronous: what it must do before archive_command returns.
fn pgbackrest(server: &Server, segments: &[PathBuf]) -> Outcome<Peer> {
    let Ok(version) = run(account().command("pgbackrest").arg("version")) else {
        return Ok(Peer { name: "pgBackRest: not on PATH".to_owned(), pushes: Vec::new() });
    };
    let scratch = Scratch::new()?;
    let config = scratch.join("pgbackrest.conf");
    let text = format!(
        "[global]\nrepo1-path={repo}\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass=benchmark\ncompress-type=zst\n\
         compress-level=3\nlog-path={log}\nlock-path={lock}\nlog-level-console=warn\n[main]\npg1-path={data}\n\
         pg1-socket-path={socket}\npg1-port={PORT}\npg1-user=postgres\n",
        repo = scratch.join("repo").display(),
        log = scratch.path().display(),
        lock = scratch.join("lock").display(),
        data = server.data().display(),
        socket = server.socket_dir().display(),
    );
    account().write(&config, text, 0o644)?;
    let command = |words: &[&str]| {
        let mut command = account().command("pgbackrest");
        command.arg(format!("--config={}", config.display())).arg("--stanza=main").args(words);
        command
    };
    if let Err(error) = run(&mut command(&["stanza-create", "--no-online"])) {
        let (crate::support::Stop::Skip(reason) | crate::support::Stop::Fail(reason)) = error;
        let reason = reason.lines().last().unwrap_or_default().to_owned();
        return Ok(Peer { name: format!("{}: cannot be used here ({reason})", version.trim()), pushes: Vec::new() });
    }
    let mut pushes = Vec::new();
    for segment in segments {
        fs::metadata(segment)?;
        pushes.push(measured(command(&["archive-push"]).arg(segment).current_dir(server.data()))?.0);
    }
    Ok(Peer { name: version.trim().to_owned(), pushes })
}
