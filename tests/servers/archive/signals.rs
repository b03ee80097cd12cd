//! SIGTERM in the middle of `wal push` and `wal fetch`, at chosen system calls.

use std::fs;
use std::process::Command;

use super::cluster::{Place, cluster, contents, refused};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::Run;
use crate::support::{Outcome, skip};

const STRACE: &str = "/usr/bin/strace";

/// A call of `wal push`, and which one of its kind.
const PUSH: [(&str, u32); 9] = [
    ("openat", 4),
    ("pread64", 1),
    ("mkdirat", 1),
    ("write", 1),
    ("fsync", 1),
    ("linkat", 1),
    ("unlinkat", 1),
    ("fsync", 2),
    ("fsync", 4),
];
const FETCH: [(&str, u32); 4] = [("openat", 4), ("write", 1), ("rename", 1), ("read", 5)];

fn interrupted(mut inner: Command, call: &str, nth: u32) -> Outcome<Run> {
    let mut strace = account().command(STRACE);
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
    strace.arg("-e").arg(format!("inject={call}:signal=TERM:when={nth}"));
    strace.arg(inner.get_program()).args(inner.get_args());
    if let Some(dir) = inner.get_current_dir() {
        strace.current_dir(dir);
    }
    strace.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    inner.env_clear();
    Run::of(&mut strace)
}

pub fn anywhere(install: &'static Installation) -> Outcome {
    if !std::path::Path::new(STRACE).exists() {
        return skip("strace is not installed");
    }
    let cluster = cluster(install)?;
    let place = cluster.place()?;
    let segment = &cluster.segments[0];
    for (call, nth) in PUSH {
        let place = cluster.place()?;
        let run = interrupted(place.push_command(segment), call, nth)?;
        refused(run).map_err(|stop| format!("SIGTERM at {call} {nth}: {stop:?}"))?;
        left_behind(&place, segment, call)?;
        place.push(segment)?.ok()?;
        assert_eq!(place.fetched(segment)?, fs::read(place.wal(segment))?, "after SIGTERM at {call} {nth}");
        place.push(segment)?.ok()?;
    }
    place.push(segment)?.ok()?;
    let before = contents(&place.site)?;
    for (call, nth) in FETCH {
        for (options, status) in [(&[][..], 126), (&["--standby"][..], 125)] {
            let run = interrupted(place.fetch_command(options, segment), call, nth)?;
            run.status_is(status).map_err(|stop| format!("SIGTERM at {call} {nth}: {stop:?}"))?;
        }
        let _ = fs::remove_file(place.wal("RECOVERYXLOG"));
        assert_eq!(contents(&place.site)?, before);
        assert_eq!(place.fetched(segment)?, fs::read(place.wal(segment))?);
    }
    Ok(())
}

/// Either nothing that a reader sees, or the whole object.
fn left_behind(place: &Place, segment: &str, call: &str) -> Outcome {
    let visible = place.site.objects(&format!("{segment}.zst"))?;
    if visible.is_empty() {
        return place.fetch(&["--standby"], segment)?.status_is(1).map(drop);
    }
    assert_eq!(place.fetched(segment)?, fs::read(place.wal(segment))?, "half written at {call}");
    Ok(())
}
