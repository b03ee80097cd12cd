//! What `pgcairn restore` makes: its plan, the directory, and a server on it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::history::Target;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::site::{Run, Site};
use crate::support::{Outcome, account::account, time};

/// A restored copy; its server is not started yet.
pub struct Copy {
    pub server: Server,
    pub plan: Value,
    _room: Scratch,
}

/// A target as the command line takes it.
pub fn arguments(target: &Target, inclusive: bool) -> Vec<String> {
    let mut words: Vec<String> = match target {
        Target::Time(micros) => vec!["--to".into(), time::utc(*micros)],
        Target::Lsn(lsn) => vec!["--to-lsn".into(), lsn.to_string()],
        // Both ways to say it.
        Target::Xid(xid) if !inclusive && xid % 2 == 0 => return vec!["--before-xid".into(), xid.to_string()],
        Target::Xid(xid) => vec!["--to-xid".into(), xid.to_string()],
        Target::Name(name) => return vec!["--to-name".into(), name.clone()],
        Target::Immediate(_) => return Vec::new(),
        Target::Latest => return vec!["--to".into(), "latest".into()],
    };
    words.extend((!inclusive).then(|| "--exclusive".to_owned()));
    words
}

/// The last JSON object that a run printed.
pub fn last_object(run: &Run) -> Outcome<Value> {
    let line = run.stdout.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|e| format!("{}\nnot JSON: {e}", run.report()).into())
}

fn command<S: AsRef<str>>(site: &Site, target_dir: &Path, arguments: &[S]) -> Outcome<Run> {
    let directory = target_dir.display().to_string();
    let mut words = vec!["--json", "restore", "--target-dir", &directory];
    words.extend(arguments.iter().map(AsRef::as_ref));
    site.run_with_identity(&words)
}

/// Runs `restore` where it must leave no directory: the plan, or a refusal.
pub fn writes_nothing<S: AsRef<str>>(site: &Site, arguments: &[S]) -> Outcome<Run> {
    let room = Scratch::new()?;
    let run = command(site, &room.join("restored"), arguments)?;
    let left: Vec<_> = fs::read_dir(room.path())?.flatten().map(|entry| entry.file_name()).collect();
    if left.is_empty() { Ok(run) } else { Err(format!("{}\nwrote {left:?}", run.report()).into()) }
}

/// What `--plan` says.
pub fn planned<S: AsRef<str>>(site: &Site, arguments: &[S]) -> Outcome<Value> {
    let words: Vec<&str> = arguments.iter().map(AsRef::as_ref).chain(["--plan"]).collect();
    let answer = last_object(&writes_nothing(site, &words)?.ok()?)?;
    assert!(answer["done"].is_null(), "{answer}");
    Ok(answer["plan"].clone())
}

pub fn restore<S: AsRef<str>>(site: &Site, install: &'static Installation, arguments: &[S]) -> Outcome<Copy> {
    let room = Scratch::new()?;
    let data = room.join("restored");
    let answer = last_object(&command(site, &data, arguments)?.ok()?)?;
    assert!(!answer["done"].is_null(), "{answer}");
    Ok(Copy { server: Server::adopt(install, &data)?, plan: answer["plan"].clone(), _room: room })
}

impl Copy {
    /// Starts the copy and waits until it has reached its target and paused there, where the plan says.
    pub fn pause(&self) -> Outcome {
        self.server.launch()?;
        self.server.wait_paused()?;
        self.stops_as_planned(&self.plan)
    }

    pub fn stops_as_planned(&self, plan: &Value) -> Outcome {
        let replayed = self.server.value("select pg_last_wal_replay_lsn()")?;
        assert_eq!(plan["stops_at"].as_str(), Some(&*replayed), "{plan}");
        Ok(())
    }

    /// Opens the paused copy.
    pub fn resume(&self) -> Outcome {
        self.server.sql("select pg_wal_replay_resume()")?;
        self.server.wait_promoted()
    }

    /// Gives the stopped copy another plan's recovery target. Its WAL must reach it.
    pub fn retarget(&self, plan: &Value) -> Outcome {
        let path = self.server.data().join("postgresql.auto.conf");
        let text = fs::read_to_string(&path)?;
        let is_target = |line: &&str| line.starts_with("recovery_target");
        let mut lines: Vec<&str> = text.lines().filter(|line| !is_target(line)).collect();
        let settings: Vec<&str> = plan["settings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        // The origin's own, in an included file.
        lines.push("recovery_target_time = ''");
        lines.extend(settings.iter().copied().filter(is_target));
        Ok(account().write(&path, lines.join("\n") + "\n", 0o600)?)
    }
}
