//! Every kind of object, damaged in every way, and what a restore that needs it does: its exit status, whether
//! it names the object, and that the target directory is untouched or cannot be started. The table of
//! statuses is the snapshot in `damage_matrix.txt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::support::majors::Installation;
use super::support::server::{Server, Shutdown};
use super::support::site::{Run, Site};
use super::support::{Outcome, Scenario, damage, small};

const TABLE: &str = include_str!("damage_matrix.txt");

pub fn scenarios() -> Vec<Scenario> {
    vec![
        Scenario { name: "damage::matrix_encrypted", run: |install| matrix(install, true) },
        Scenario { name: "damage::matrix_unencrypted", run: |install| matrix(install, false) },
    ]
}

/// Cells wait for processes.
const WORKERS: usize = 2;
/// Somewhere in the envelope, or in the first field of a JSON object.
const IN_HEADER: usize = 40;

/// Of a longer object the middle is body; of a shorter one what lies so far from its end.
const LONG: usize = 4096;
const FROM_END: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Missing,
    Empty,
    Truncated,
    FlippedHead,
    FlippedBody,
    FlippedTail,
    Swapped,
    Earlier,
}

const DAMAGES: [(Damage, &str); 8] = [
    (Damage::Missing, "missing"),
    (Damage::Empty, "empty"),
    (Damage::Truncated, "truncated"),
    (Damage::FlippedHead, "head"),
    (Damage::FlippedBody, "body"),
    (Damage::FlippedTail, "tail"),
    (Damage::Swapped, "swapped"),
    (Damage::Earlier, "earlier"),
];

/// One object that the restore needs (or is known not to need), with what may be confused with it.
struct Object {
    kind: &'static str,
    path: PathBuf,
    /// Another of its kind.
    other: Option<PathBuf>,
    /// An earlier backup's.
    earlier: Option<PathBuf>,
    /// What the message says beside the object's own name.
    alias: String,
}

struct Scene {
    install: &'static Installation,
    site: Site,
    /// Marker of another repository.
    foreign: PathBuf,
    first: String,
    second: String,
    _server: Server,
    _other: Site,
}

fn matrix(install: &'static Installation, encrypted: bool) -> Outcome {
    let scene = Scene::new(install, encrypted)?;
    let objects = scene.objects()?;
    let cells: Vec<(usize, usize)> = (0..objects.len()).flat_map(|o| (0..DAMAGES.len()).map(move |d| (o, d))).collect();
    let (next, results) = (AtomicUsize::new(0), Mutex::new(vec![vec![String::new(); DAMAGES.len()]; objects.len()]));
    let errors = Mutex::new(Vec::new());
    let work = || {
        while let Some(&(o, d)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (damage, word) = DAMAGES[d];
            match scene.cell(&objects[o], damage) {
                Ok(text) => results.lock().unwrap()[o][d] = text,
                Err(stop) => errors.lock().unwrap().push(format!("{} {word}: {stop:?}", objects[o].kind)),
            }
        }
    };
    std::thread::scope(|scope| (0..WORKERS).for_each(|_| drop(scope.spawn(work))));
    let table = table(&objects, &results.into_inner().unwrap());
    println!("damage, encrypted: {encrypted}, PostgreSQL {}\n{table}", install.major);
    let errors = errors.into_inner().unwrap();
    if !errors.is_empty() {
        return Err(errors.join("\n\n").into());
    }
    let expected = TABLE.split("\n\n").next().unwrap_or_default().trim_end();
    if table.trim_end() == expected { Ok(()) } else { Err(format!("another table was expected:\n{expected}").into()) }
}

fn table(objects: &[Object], results: &[Vec<String>]) -> String {
    let words = DAMAGES.map(|(_, word)| format!("{word:>10}")).concat();
    let mut table = format!("{:<16}{words}\n", "");
    for (object, cells) in objects.iter().zip(results) {
        let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        table.push_str(&format!("{:<16}{cells}\n", object.kind));
    }
    table
}

impl Scene {
    /// A backup on timeline 1, two promotions, a backup on timeline 3, more WAL.
    fn new(install: &'static Installation, encrypted: bool) -> Outcome<Scene> {
        let server = small::start(install)?;
        let new = || if encrypted { Site::new(&server) } else { Site::unencrypted(&server) };
        let (mut site, other) = (new()?, new()?);
        small::one_worker(&mut site)?;
        site.init()?;
        other.init()?;
        site.archive_from(&server)?;
        let first = small::backup(&site)?;
        for timeline in [2, 3] {
            small::promote(&server)?;
            server.sql("insert into t select n, 'later' from generate_series(1, 500) n")?;
            server.archive_all()?;
            small::wait_object(&site, &format!("0000000{timeline}.history"))?;
        }
        let second = small::backup(&site)?;
        server.sql("insert into t select n, 'last' from generate_series(1, 500) n")?;
        server.archive_all()?;
        server.sql("insert into t select n, 'end' from generate_series(1, 500) n")?;
        server.archive_all()?;
        server.stop(Shutdown::Fast)?;
        // The repository is known by its id, so that another's marker is another repository.
        let marker: serde_json::Value = serde_json::from_slice(&fs::read(site.object("pgcairn.json")?)?)?;
        let id = marker.get("repository_id").and_then(|id| id.as_str()).ok_or("no repository_id")?.to_owned();
        site.identify(&id)?;
        let foreign = other.object("pgcairn.json")?;
        Ok(Scene { install, site, foreign, first, second, _server: server, _other: other })
    }

    fn objects(&self) -> Outcome<Vec<Object>> {
        let (site, first, second) = (&self.site, &self.first, &self.second);
        let of_backup = |kind, one: String, other: Option<String>, earlier: String| -> Outcome<Object> {
            let other = other.map(|other| site.object(&other)).transpose()?;
            self.object(kind, site.object(&one)?, other, Some(site.object(&earlier)?))
        };
        let list = site.run(&["list", "--json"])?.ok()?.json()?;
        let segments = |id: &str| -> Outcome<Vec<PathBuf>> {
            let rows = list.get("backups").and_then(|rows| rows.as_array()).ok_or("no backups in the list")?;
            let row =
                rows.iter().find(|row| row.get("id").and_then(|i| i.as_str()) == Some(id)).ok_or("no such backup")?;
            let start = row.get("start_lsn").and_then(|lsn| lsn.as_str()).ok_or("no start_lsn")?;
            let timeline = row.get("timeline").and_then(|t| t.as_u64()).ok_or("no timeline")?;
            let (high, low) = start.split_once('/').ok_or("not an LSN")?;
            let number = u64::from_str_radix(low, 16)? >> 20;
            (0..2).map(|n| site.object(&format!("/{timeline:08X}{:0>8}{:08X}.zst", high, number + n))).collect()
        };
        let (wal, earlier_wal) = (segments(second)?, segments(first)?);
        let labels = site.objects(".backup.zst")?;
        let [earlier_label, label] = &labels[..] else { return Err(format!("{labels:?}").into()) };
        let swapped = |kind: &str| Some(format!("{kind}/{second}/2."));
        Ok(vec![
            self.object("marker", site.object("pgcairn.json")?, Some(self.foreign.clone()), None)?,
            of_backup(
                "backup",
                format!("backups/{second}"),
                Some(format!("backups/{first}")),
                format!("backups/{first}"),
            )?,
            of_backup(
                "objects",
                format!("objects/{second}"),
                Some(format!("objects/{first}")),
                format!("objects/{first}"),
            )?,
            of_backup(
                "manifest",
                format!("manifests/{second}/1."),
                swapped("manifests"),
                format!("manifests/{first}/1."),
            )?,
            of_backup("digests", format!("digests/{second}/1."), swapped("digests"), format!("digests/{first}/1."))?,
            of_backup("pack", format!("packs/{second}/1."), swapped("packs"), format!("packs/{first}/1."))?,
            self.object("wal", wal[0].clone(), Some(wal[1].clone()), Some(earlier_wal[0].clone()))?,
            self.object("history", site.object("00000003.history")?, Some(site.object("00000002.history")?), None)?,
            self.object(
                "timeline.json",
                site.object("00000003.timeline")?,
                Some(site.object("00000002.timeline")?),
                None,
            )?,
            self.object("backup-history", label.clone(), Some(earlier_label.clone()), Some(earlier_label.clone()))?,
        ])
    }

    fn object(
        &self,
        kind: &'static str,
        path: PathBuf,
        other: Option<PathBuf>,
        earlier: Option<PathBuf>,
    ) -> Outcome<Object> {
        let alias = match kind {
            "marker" => "/repo ".to_owned(),
            "backup" => self.second.clone(),
            // What is missing is named as PostgreSQL names it.
            _ => path
                .file_name()
                .map(|n| n.to_string_lossy().split('.').next().unwrap_or_default().to_owned())
                .unwrap_or_default(),
        };
        Ok(Object { kind, path, other, earlier, alias })
    }

    /// The exit status of a restore, `-` where there is no such damage.
    fn cell(&self, object: &Object, damage: Damage) -> Outcome<String> {
        let copy = self.site.fork()?;
        let here = |path: &Path| {
            let below = path.strip_prefix(self.site.repository()).ok();
            below.map_or_else(|| path.to_owned(), |below| copy.repository().join(below))
        };
        if !apply(object, damage, &here)? {
            return Ok("-".to_owned());
        }
        let target = copy.path("restored");
        let (to, tablespace) = (target.display().to_string(), copy.path("ts").display().to_string());
        let tablespace = format!("{}={tablespace}", small::tablespace(&self._server).display());
        let arguments =
            ["restore", "--backup", &self.second, "--to", "latest", "--target-dir", &to, "--tablespace", &tablespace];
        let run = copy.run_with_identity(&arguments)?;
        let judged = self.judge(&run, object, &here(&object.path), &target);
        // Of two that were swapped either may be met first.
        match &object.other {
            Some(other) if damage == Damage::Swapped => judged.or_else(|_| self.judge(&run, object, other, &target))?,
            _ => judged?,
        }
        // Whatever shows in a listing is found before anything is written.
        if run.status != 0 && target.exists() && matches!(damage, Damage::Missing | Damage::Empty | Damage::Truncated) {
            return Err(format!("the target was touched\n{}", run.report()).into());
        }
        Ok(run.status.to_string())
    }

    fn judge(&self, run: &Run, object: &Object, path: &Path, target: &Path) -> Outcome {
        let complete = target.join("global/pg_control").exists();
        if run.status == 0 {
            return if complete { Ok(()) } else { Err("success, and no control file".into()) };
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !run.stderr.contains(&*name) && !run.stderr.contains(&object.alias) {
            return Err(format!("{} is not named:\n{}", path.display(), run.report()).into());
        }
        if run.stderr.contains("a bug in pgcairn") {
            return Err(run.report().into());
        }
        if complete {
            return Err(format!("the target could be started\n{}", run.report()).into());
        }
        if target.exists() { small::refuses_to_start(self.install, target) } else { Ok(()) }
    }
}

/// `false` where the object cannot be damaged in this way.
fn apply(object: &Object, how: Damage, here: &impl Fn(&Path) -> PathBuf) -> Outcome<bool> {
    let path = here(&object.path);
    let length = fs::metadata(&path)?.len() as usize;
    match how {
        Damage::Missing => fs::remove_file(&path)?,
        Damage::Empty => damage::truncate(&path, 0)?,
        Damage::Truncated => damage::truncate(&path, length / 2)?,
        Damage::FlippedHead => damage::flip_bit(&path, IN_HEADER)?,
        Damage::FlippedBody => damage::flip_bit(&path, body(object, &fs::read(&path)?))?,
        Damage::FlippedTail => damage::flip_bit(&path, length - 1)?,
        Damage::Swapped => match &object.other {
            // The other one is another repository's, which stays as it is.
            Some(other) if here(other) == *other => damage::replace(&path, &fs::read(other)?)?,
            Some(other) => damage::swap(&path, &here(other))?,
            None => return Ok(false),
        },
        Damage::Earlier => match &object.earlier {
            Some(earlier) => damage::replace(&path, &fs::read(here(earlier))?)?,
            None => return Ok(false),
        },
    }
    Ok(true)
}

/// In plaintext the digit that does most harm; behind the header, which takes most of a small object.
fn body(object: &Object, bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let digit = |field: &str| text.find(field).map(|at| at + field.len());
    let found = match object.kind {
        "marker" => digit("\"encryption\":\""),
        "backup" => digit("\"stop_lsn\":\"0/"),
        "timeline.json" => digit("\"switch_lsn\":\"0/"),
        _ => None,
    };
    found.unwrap_or(if bytes.len() > LONG { bytes.len() / 2 } else { bytes.len() - FROM_END })
}
