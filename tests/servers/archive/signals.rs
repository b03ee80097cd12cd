//! SIGTERM in the middle of `wal push` and `wal fetch`, at chosen system calls.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cluster::{Place, cluster, contents, refused};
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::site::Run;
use crate::support::{Outcome, skip};

const STRACE: &str = "/usr/bin/strace";

/// A call, which one of its kind, and the file it must concern. Before it has begun to read its
/// configuration no program can answer for how it ends.
#[derive(Clone, Copy)]
struct At {
    call: &'static str,
    nth: u32,
    file: Option<fn(&Place, &str) -> PathBuf>,
}

const fn at(call: &'static str, nth: u32) -> At {
    At { call, nth, file: None }
}

const CONFIGURATION: At = At { call: "openat", nth: 1, file: Some(|place, _| place.site.config()) };
const SEGMENT: At = At { call: "pread64", nth: 1, file: Some(|place, segment| place.wal(segment)) };
const PUSH: [At; 9] = [
    CONFIGURATION,
    SEGMENT,
    at("mkdirat", 1),
    at("mkdirat", 4),
    at("fsync", 1),
    at("linkat", 1),
    at("unlinkat", 1),
    at("fsync", 2),
    at("fsync", 6),
];
const FETCH: [At; 3] = [CONFIGURATION, at("write", 1), at("rename", 1)];

impl At {
    fn interrupts(&self, inner: &Command, place: &Place, segment: &str) -> Outcome<Run> {
        let At { call, nth, file } = self;
        let mut strace = account().command(Path::new(STRACE));
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]).arg(format!("trace={call}"));
        strace.arg("-e").arg(format!("inject={call}:signal=TERM:when={nth}"));
        if let Some(file) = file {
            strace.arg("-P").arg(file(place, segment));
        }
        strace.arg(inner.get_program()).args(inner.get_args()).current_dir(&place.data);
        strace.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Run::of(&mut strace)
    }
}

pub fn anywhere(install: &'static Installation) -> Outcome {
    if !Path::new(STRACE).exists() {
        return skip("strace is not installed");
    }
    let cluster = cluster(install)?;
    let place = cluster.place()?;
    let segment = &cluster.segments[0];
    for at in PUSH {
        let (place, At { call, nth, .. }) = (cluster.place()?, at);
        let run = at.interrupts(&place.push_command(segment), &place, segment)?;
        refused(run).map_err(|stop| format!("SIGTERM at {call} {nth}: {stop:?}"))?;
        left_behind(&place, segment, call)?;
        place.push(segment)?.ok()?;
        assert_eq!(place.fetched(segment)?, fs::read(place.wal(segment))?, "after SIGTERM at {call} {nth}");
        place.push(segment)?.ok()?;
    }
    place.push(segment)?.ok()?;
    let before = contents(&place.site)?;
    for at in FETCH {
        let At { call, nth, .. } = at;
        for (options, status) in [(&[][..], 126), (&["--standby"][..], 125)] {
            let run = at.interrupts(&place.fetch_command(options, segment), &place, segment)?;
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
