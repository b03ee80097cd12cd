//! WAL that was damaged before it was archived. The push raises an alarm and keeps it, a backup over it is
//! flagged, and no way of recovering opens short.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pgcairn::model::lsn::Lsn;
use pgcairn::model::wal::{Record, scan_segment};
use pgcairn::model::wal_name::Segment;

use super::cluster::SEGMENT_SIZE;
use super::primary::{Copy, archiving, count, insert};
use crate::refusals::Document;
use crate::support::Outcome;
use crate::support::account::account;
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::Server;
use crate::support::site::{Run, Site};
use crate::support::wait::wait_for;
use crate::wal_records;

const SIZE: u64 = SEGMENT_SIZE as u64;
/// A flip that far behind the boundary is in the content of a record that reaches twice as far.
const BEHIND_BOUNDARY: u64 = 10_000;

/// A server whose archive_command waits at a gate.
struct Gated {
    server: Server,
    site: Site,
    gate: PathBuf,
}

impl Gated {
    fn start(install: &'static Installation) -> Outcome<Gated> {
        let (server, site) = archiving(install)?;
        let (gate, script) = (site.path("gate"), site.path("archive.sh"));
        let push = site.archive_command().replace("%p", "$1");
        let text = format!(
            "for i in $(seq 900); do if test -e {}; then exec {}; fi; sleep 0.05; done; exit 1\n",
            gate.display(),
            push.trim_matches('\'')
        );
        account().write(&script, text, 0o755)?;
        let gated = Gated { server, site, gate };
        gated.open()?;
        gated.server.append_setting("archive_command", &format!("'sh {} %p'", script.display()))?;
        gated.server.reload()?;
        Ok(gated)
    }

    fn open(&self) -> Outcome {
        Ok(account().write(&self.gate, b"", 0o644)?)
    }

    /// What was finished before is in the repository, what is finished from now on is not.
    fn close(&self) -> Outcome {
        self.server.archive_all()?;
        Ok(fs::remove_file(&self.gate)?)
    }

    fn wal(&self, segment: Segment) -> PathBuf {
        self.server.data().join("pg_wal").join(segment.name(SIZE).to_string())
    }

    /// In place: the server has the file open.
    fn flip(&self, at: Lsn) -> Outcome {
        let file = fs::OpenOptions::new().read(true).write(true).open(self.wal(Segment::containing(1, at, SIZE)))?;
        let (mut byte, offset) = ([0], at.offset_in_segment(SIZE));
        file.read_exact_at(&mut byte, offset)?;
        Ok(file.write_all_at(&[byte[0] ^ 1], offset)?)
    }

    fn restore(&self, target: &Path, arguments: &[&str]) -> Outcome<Run> {
        let directory = target.display().to_string();
        self.site.run_with_identity(&[&["restore", "--quiet", "--target-dir", &directory], arguments].concat())
    }
}

pub fn before_it_was_archived(install: &'static Installation) -> Outcome {
    let gated = Gated::start(install)?;
    let (server, site) = (&gated.server, &gated.site);
    insert(server, 50)?;
    site.run(&["backup", "--quiet"])?.ok()?;
    insert(server, 50)?;
    let (good, rows) = (server.lsn()?, count(server)?);
    gated.close()?;
    let breaks = across_boundaries(&gated)?;
    gated.open()?;
    insert(server, 50)?;
    let beyond = server.lsn()?;
    let last = server.archive_all()?;

    alarmed(&gated, &breaks)?;
    let scratch = Scratch::new()?;
    for arguments in [&["--to", "latest"][..], &["--to-lsn", &beyond]] {
        let refused = gated.restore(&scratch.join("refused"), arguments)?.status_is(12)?;
        refused.says(&[&breaks[0].1.to_string()])?;
        assert!(!scratch.join("refused").exists());
    }
    before_the_break(&gated, &scratch.join("good"), &good, rows)?;
    backup_over_a_break(&gated, &scratch)?;

    // What the alarm asks for: behind the break everything is well again.
    site.run(&["backup", "--quiet"])?.ok()?;
    insert(server, 50)?;
    assert!(server.archive_all()? > last);
    gated.restore(&scratch.join("after"), &["--to", "latest", "--plan"])?.ok()?;
    Ok(())
}

/// Flips a bit of a record in the segment it ends in, and of another in the segment it begins in. Either is
/// found out in the later segment.
fn across_boundaries(gated: &Gated) -> Outcome<Vec<(Segment, Lsn)>> {
    let message = "select pg_logical_emit_message(false, 'test', repeat('y', 300000))";
    let first = gated.server.lsn()?.parse::<Lsn>()?;
    gated.server.sql(&format!("{message} from generate_series(1, 24)"))?;
    let ended = gated.server.switch_segment()?;
    let wal = wal_records::segments(&gated.server.data().join("pg_wal"), SIZE, &ended)?;
    let reaches = |r: &Record| r.lsn > first && r.end.0 % SIZE > 2 * BEHIND_BOUNDARY && r.lsn.0 / SIZE < r.end.0 / SIZE;
    let crossing: Vec<_> = wal_records::read(&wal)?.into_iter().filter(reaches).collect();
    let apart = |r: &&Record| r.lsn.0 / SIZE > crossing[0].end.0 / SIZE;
    let (one, other) = (&crossing[0], crossing.iter().find(apart).ok_or("too few records cross a boundary")?);
    gated.flip(Lsn(one.end.0 - one.end.0 % SIZE + BEHIND_BOUNDARY))?;
    gated.flip(Lsn(other.lsn.0 + 100))?;
    Ok([one, other].map(|r| (Segment::containing(1, r.end, SIZE), r.lsn)).to_vec())
}

/// Archived without a failure, and loudly.
fn alarmed(gated: &Gated, breaks: &[(Segment, Lsn)]) -> Outcome {
    assert_eq!(gated.server.value("select failed_count from pg_stat_archiver")?, "0");
    let (log, list) = (gated.server.log(), gated.site.run(&["wal", "list"])?.status_is(12)?.stdout);
    for (segment, at) in breaks {
        let name = segment.name(SIZE);
        let alarm = format!("WAL segment {name} was archived as it is, but its records are broken from {at} on");
        assert!(log.contains(&alarm), "{alarm}\n{}", gated.server.log_tail());
        let listed = format!("DAMAGED {name}: it was archived with its records broken from {at} on");
        assert!(list.contains(&listed), "{listed}\n{list}");
    }
    assert_eq!(list.matches("DAMAGED").count(), breaks.len(), "{list}");
    Ok(())
}

/// A target before the break is reached; a recovery past it, straight from the repository, is stopped.
fn before_the_break(gated: &Gated, target: &Path, good: &str, rows: u64) -> Outcome {
    gated.restore(target, &["--to-lsn", good])?.ok()?;
    let server = Server::adopt(gated.server.install, target)?;
    server.start()?;
    server.wait_paused()?;
    assert_eq!(count(&server)?, rows);
    server.stop(crate::support::server::Shutdown::Fast)?;

    let mut copy = Copy::of(server);
    copy.server.override_setting("recovery_target_lsn", "");
    copy.server.override_setting("restore_command", &gated.site.fetch_command("wal fetch %f %p"));
    let log = copy.refuses_to_open("past the break")?;
    assert!(log.contains("recovery would end there in silence"), "{log}");
    Ok(())
}

/// A record between start and stop of a backup.
fn backup_over_a_break(gated: &Gated, scratch: &Scratch) -> Outcome {
    gated.close()?;
    let mut command = gated.site.command(&["backup"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let at = wait_for("the restore point of the backup", || restore_point(gated));
    let flipped = at.and_then(|at| gated.flip(Lsn(at.0 + 32)).map(|()| at));
    gated.open()?;
    let run = Run::from_output(&command, &child.wait_with_output()?);
    let at = flipped?.to_string();
    let run = run.status_is(3)?.says(&[&format!("the WAL of this backup breaks at {at}")])?;
    let mut document = Document::new();
    document.flawed("WAL breaks between start and stop of a backup", &gated.site, &run)?;
    document.end()?;
    gated.site.run(&["show", "latest"])?.says(&[&at])?;
    let refused = gated.restore(&scratch.join("flagged"), &["--backup", "latest"])?.status_is(12)?;
    refused.says(&[&at])?;
    assert!(!scratch.join("flagged").exists());
    Ok(())
}

/// What the backup in progress has written at its start, in a segment that waits for its archiving.
fn restore_point(gated: &Gated) -> Outcome<Option<Lsn>> {
    let status = gated.server.data().join("pg_wal/archive_status");
    for entry in fs::read_dir(status)?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(Ok(name)) = name.strip_suffix(".ready").map(str::parse) else { continue };
        let pgcairn::model::wal_name::WalName::Segment(name) = name else { continue };
        let segment = name.to_segment(SIZE).ok_or("not a segment of this size")?;
        let bytes = fs::read(gated.wal(segment))?;
        let identity = wal_records::identity(&[(segment, bytes.clone())])?;
        let scan = scan_segment(identity, segment, &bytes);
        if let Some((at, _)) = scan.restore_points.iter().find(|(_, p)| p.name_lossy().starts_with("pgcairn 2")) {
            return Ok(Some(*at));
        }
    }
    Ok(None)
}
