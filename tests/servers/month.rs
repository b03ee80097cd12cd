//! A month of operation on a real server, by a clock that goes on by days: backups every night, drills every week, two
//! repositories, and one misfortune after the other. Each reason of the verdict is there when it has to be, and gone with
//! its cause; on all other days nobody is called.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pgcairn::model::signature::SigningKey;
use pgcairn::model::verdict::NAMES;
use serde_json::Value;

use crate::several::place::objects;
use crate::status::set_up;
use crate::support::account::account;
use crate::support::clock::{Clock, Stamped};
use crate::support::majors::Installation;
use crate::support::scratch::Scratch;
use crate::support::server::{Server, Shutdown};
use crate::support::site::{Run, Site, binary};
use crate::support::wait::wait_for;
use crate::support::{Outcome, Scenario, damage};

pub fn scenarios() -> Vec<Scenario> {
    vec![Scenario { name: "month", run: month }]
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

struct Month {
    server: Server,
    site: Site,
    clock: Clock,
    ahead: u64,
    stamped: Stamped,
    /// Every reason that anybody was told of.
    told: BTreeSet<String>,
    /// Days on which it was another verdict than it should be.
    wrong: Vec<String>,
    /// Rows that were committed.
    rows: u64,
    _scratch: Scratch,
}

fn month(install: &'static Installation) -> Outcome {
    let mut month = Month::begin(install)?;
    month.first_days()?;
    month.server_and_runs()?;
    month.archiving()?;
    month.drills_and_pages()?;
    month.repositories()?;
    month.wal()?;
    month.objects()?;
    month.elsewhere()?;
    month.end()
}

impl Month {
    fn begin(install: &'static Installation) -> Outcome<Month> {
        let scratch = Scratch::new()?;
        let clock = Clock::new(&scratch.join("clock"))?;
        let builder = Server::builder(install)
            .segment_mib(1)
            .setting("archive_mode", "on")
            .setting("autovacuum", "off")
            .clock(&clock);
        let server = builder.setting("wal_keep_size", "0").start()?;
        let mut site = Site::new(&server)?;
        site.clock = Some(clock.clone());
        let textfile = site.path("pgcairn.prom");
        site.configure(&format!(
            "[retention]\nrecovery_window = \"3d\"\n[status]\nslot = \"1MiB\"\n[metrics]\ntextfile = {textfile:?}\n\
             [[drill.check]]\nname = \"rows\"\ndatabase = \"postgres\"\nsql = \"select not exists (select from wrong)\"\n\
             [[repository]]\nname = \"offsite\"\nurl = \"file://{}\"\nrequired = false\n",
            site.path("offsite").display()
        ))?;
        site.init()?;
        site.archive_from(&server)?;
        account().make_dir(&site.path("scratch"))?;
        server.sql("create table t (n int); create table wrong (n int)")?;
        let month = Month {
            server,
            site,
            clock,
            ahead: 0,
            stamped: Stamped::default(),
            told: BTreeSet::new(),
            wrong: Vec::new(),
            rows: 0,
            _scratch: scratch,
        };
        Ok(month)
    }

    /// Files were made at the time at which they were made.
    fn stamp(&mut self) -> Outcome {
        let ahead = Duration::from_secs(self.ahead);
        let waiting = self.server.data().join("pg_wal/archive_status");
        for directory in [self.site.repository(), self.site.path("offsite"), waiting] {
            self.stamped.stamp(&directory, ahead)?;
        }
        Ok(())
    }

    fn pass(&mut self, seconds: u64) -> Outcome {
        self.stamp()?;
        self.ahead += seconds;
        self.clock.put_ahead(Duration::from_secs(self.ahead))
    }

    fn work(&mut self) -> Outcome {
        self.server.sql("insert into t select generate_series(1, 100)")?;
        self.rows += 100;
        self.server.archive_all().map(drop)
    }

    /// What a timer does, whose exit status is its own.
    fn backup(&mut self, status: i32) -> Outcome {
        self.site.run(&["backup"])?.status_is(status)?;
        if status != 7 {
            self.server.archive_all()?;
        }
        Ok(())
    }

    fn copy_and_expire(&mut self) -> Outcome {
        let waiting = self.server.data().join("pg_wal/archive_status");
        wait_for("all WAL to be archived", || {
            let ready = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().ends_with(".ready");
            Ok((!fs::read_dir(&waiting)?.flatten().any(|entry| ready(&entry))).then_some(()))
        })?;
        self.site.run(&["copy", "--all"])?.ok()?;
        self.stamp()?;
        // The store's clock is the kernel's, which does not know of this month.
        self.site.run(&["expire", "--yes"])?.ok()?;
        self.site.run(&["expire", "--yes", "--repository", "offsite"])?.ok().map(drop)
    }

    fn night(&mut self) -> Outcome {
        self.pass(DAY)?;
        self.work()?;
        self.backup(0)?;
        self.copy_and_expire()
    }

    fn nights(&mut self, number: u32) -> Outcome {
        for _ in 0..number {
            self.night()?;
            self.is(&[])?;
        }
        Ok(())
    }

    fn drill(&self, repository: &str, status: i32) -> Outcome {
        let (bindir, scratch) = (self.server.install.bin().display().to_string(), self.site.path("scratch"));
        let scratch = scratch.display().to_string();
        let words = ["drill", "--repository", repository, "--bindir", &bindir, "--scratch", &scratch];
        self.site.run_with_identity(&words)?.status_is(status).map(drop)
    }

    fn drills(&self) -> Outcome {
        self.drill("local", 0)?;
        self.drill("offsite", 0)
    }

    fn status(&mut self, config: &Path) -> Outcome<Value> {
        let mut command = account().command(binary());
        self.clock.set(&mut command);
        command.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
        command.arg("--config").arg(config).args(["status", "--json", "--wait", "5s"]);
        Run::of(&mut command)?.status_in(0..=3)?.json()
    }

    fn reasons(&mut self, config: &Path) -> Outcome<Vec<String>> {
        self.stamp()?;
        let told = self.status(config)?;
        let reason = |it: &Value| {
            let word = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
            self.told.insert(word("reason"));
            format!("{} {}", word("reason"), word("repository")).trim_end().to_owned()
        };
        let mut reasons: Vec<String> =
            told["verdict"]["reasons"].as_array().into_iter().flatten().map(reason).collect();
        reasons.sort();
        Ok(reasons)
    }

    /// These and no others.
    fn is(&mut self, wanted: &[&str]) -> Outcome {
        self.is_with(&self.site.config(), wanted)
    }

    fn is_with(&mut self, config: &Path, wanted: &[&str]) -> Outcome {
        let mut found = self.reasons(config)?;
        if found != wanted {
            // What the server archived of itself since the files were given their time seemed to be weeks old.
            found = self.reasons(config)?;
        }
        let day = self.ahead / DAY;
        if found != wanted {
            self.wrong.push(format!("day {day}: {found:?}, not {wanted:?}"));
        }
        Ok(())
    }

    /// As the configuration would be with other words.
    fn is_changed(&mut self, change: impl Fn(String) -> String, wanted: &[&str]) -> Outcome {
        let file = self.site.path("changed.toml");
        account().write(&file, change(fs::read_to_string(self.site.config())?), 0o644)?;
        self.is_with(&file, wanted)
    }

    fn first_days(&mut self) -> Outcome {
        self.work()?;
        self.is(&["key-never-checked", "no-backup", "sheet-never-made"])?;
        self.backup(0)?;
        self.copy_and_expire()?;
        self.is(&["drill-never local", "drill-never offsite", "key-never-checked", "sheet-never-made"])?;
        self.site.run_with_identity(&["key", "check"])?.ok()?;
        set_up::elsewhere(&self.site)?;
        self.site.run(&["recovery-sheet"])?.ok()?;
        self.is(&["drill-never local", "drill-never offsite"])?;
        self.drills()?;
        self.nights(3)
    }

    fn server_and_runs(&mut self) -> Outcome {
        self.pass(DAY)?;
        self.server.stop(Shutdown::Fast)?;
        self.site.run(&["backup"])?.status_is(7)?;
        self.is(&["run-failed", "server-unreachable"])?;
        self.server.start()?;
        self.is(&["run-failed"])?;
        self.pass(2 * HOUR)?;
        self.is(&["backup-old", "run-failed"])?;
        self.backup(0)?;
        self.copy_and_expire()?;
        self.is(&[])?;
        self.is_changed(|text| text.replace("dbname=", "dbname=absent_"), &["server-unknown", "sheet-outdated"])
    }

    fn archiving(&mut self) -> Outcome {
        self.night()?;
        let failures = self.server.value("select failed_count from pg_stat_archiver")?.parse()?;
        self.server.append_setting("archive_command", "'false'")?;
        self.server.reload()?;
        self.server.switch_segment()?;
        self.server.wait_archive_failure(failures)?;
        self.is(&["archiver-fails"])?;
        self.pass(2 * HOUR)?;
        self.is(&["archiver-fails", "wal-waits"])?;
        self.site.archive_from(&self.server)?;
        self.server.archive_all()?;
        self.is(&[])?;

        self.server.sql("select pg_create_physical_replication_slot('forgotten', true)")?;
        for _ in 0..3 {
            self.server.switch_segment()?;
        }
        self.server.archive_all()?;
        self.is(&["slot-holds-wal"])?;
        self.server.sql("select pg_drop_replication_slot('forgotten')")?;
        self.copy_and_expire()?;
        self.nights(1)
    }

    fn drills_and_pages(&mut self) -> Outcome {
        self.server.sql("insert into wrong values (1)")?;
        self.server.archive_all()?;
        self.copy_and_expire()?;
        self.drill("local", 10)?;
        self.is(&["drill-failed local", "run-failed"])?;
        self.server.sql("delete from wrong")?;
        self.server.archive_all()?;
        self.copy_and_expire()?;
        self.drills()?;
        self.is(&[])?;

        self.server.sql("create table victim as select generate_series(1, 1000) as n")?;
        let file = self.server.data().join(self.server.value("select pg_relation_filepath('victim')")?);
        self.server.stop(Shutdown::Fast)?;
        damage::flip_bit(&file, 5000)?;
        self.server.start()?;
        self.pass(DAY)?;
        self.backup(3)?;
        self.copy_and_expire()?;
        self.is(&["pages-flagged local", "pages-flagged offsite", "run-failed"])?;
        damage::flip_bit(&file, 5000)?;
        self.nights(1)
    }

    fn repositories(&mut self) -> Outcome {
        let (offsite, away) = (self.site.path("offsite"), self.site.path("away"));
        fs::rename(&offsite, &away)?;
        self.pass(DAY)?;
        self.work()?;
        self.backup(0)?;
        self.is(&["unreadable offsite"])?;
        fs::rename(&away, &offsite)?;
        self.pass(DAY)?;
        self.work()?;
        self.backup(0)?;
        self.pass(2 * HOUR)?;
        self.is(&["behind offsite"])?;
        self.copy_and_expire()?;
        self.is(&[])?;

        let silent = TcpListener::bind("127.0.0.1:0")?;
        let mute = format!(
            "[[repository]]\nname = \"mute\"\nurl = \"s3://bucket\"\nendpoint = \"http://{}\"\n\
             credentials = {{ environment = true }}\nrequired = false\n",
            silent.local_addr()?
        );
        self.is_changed(|text| text + &mute, &["sheet-outdated", "unanswered mute"])?;
        let clusters = self.site.repository().join("clusters");
        fs::rename(&clusters, &away)?;
        let found = self.reasons(&self.site.config())?;
        assert!(found.contains(&"nothing-stored local".to_owned()), "{found:?}");
        fs::rename(&away, &clusters)?;
        self.server.sql("create table large as select md5(n::text) from generate_series(1, 100000) as n")?;
        self.night()?;
        self.is_changed(
            |text| text.replace("\"3d\"", "\"90d\"").replace("[status]\n", "[status]\nfull_warning = \"7000000d\"\n"),
            &["full-soon local", "full-soon offsite", "sheet-outdated"],
        )
    }

    fn away(&mut self, path: &Path, wanted: &[&str]) -> Outcome {
        let away: PathBuf = self.site.path("away");
        fs::rename(path, &away)?;
        self.is(wanted)?;
        Ok(fs::rename(&away, path)?)
    }

    /// Nobody complains, and it is not there.
    fn wal(&mut self) -> Outcome {
        self.drills()?;
        let last = [self.server.archive_all()?, self.server.archive_all()?];
        self.copy_and_expire()?;
        self.pass(2 * HOUR)?;
        let (local, aside) = (self.site.repository(), self.site.path("aside"));
        let [earlier, later] = [objects(&local, &last[0])?.remove(0), objects(&local, &last[1])?.remove(0)];
        self.away(&earlier, &["hole-after-backup local"])?;
        fs::rename(&later, &aside)?;
        self.away(&earlier, &["wal-missing local"])?;
        fs::rename(&aside, &later)?;
        self.is(&[])?;
        let descent = earlier.parent().and_then(Path::parent).ok_or("a segment lies below its timeline")?;
        let descent = descent.with_file_name("00000002.timeline.json");
        fs::write(&descent, "{}")?;
        self.is(&["timelines-unreadable local"])?;
        fs::remove_file(&descent)?;
        for (mode, wanted) in [("off", &["archiving-off"][..]), ("on", &[])] {
            self.server.append_setting("archive_mode", mode)?;
            self.server.restart()?;
            self.is(wanted)?;
        }
        Ok(())
    }

    fn objects(&mut self) -> Outcome {
        self.night()?;
        let local = self.site.repository();
        let segment = self.server.archive_all()?;
        self.night()?;
        let lost = objects(&local, &segment)?.remove(0);
        self.away(&lost, &["hole-in-wal local", "window-short local"])?;
        let marker = objects(&local, "/backups/")?.remove(0);
        let wal = marker.parent().and_then(Path::parent).ok_or("a backup lies below its cluster")?.join("wal");
        self.away(&wal, &["nothing-restorable local"])?;
        let sound = fs::read(&marker)?;
        damage::replace(&marker, b"{}")?;
        self.is(&["backups-unreadable local"])?;
        damage::replace(&marker, &sound)?;
        let key = SigningKey::from_seed([7; 32]).public().to_string();
        self.is_changed(
            |text| text + &format!("[signing]\ntrusted = [{key:?}]\n"),
            &[
                "backups-untrusted local",
                "backups-untrusted offsite",
                "nothing-restorable local",
                "nothing-restorable offsite",
                "sheet-outdated",
            ],
        )?;

        let pack = objects(&local, "/packs/")?.remove(0);
        damage::flip_bit(&pack, 1000)?;
        self.site.run(&["verify"])?.status_is(10)?;
        self.is(&["run-failed", "verify-failed local"])?;
        damage::flip_bit(&pack, 1000)?;
        self.site.run(&["verify"])?.ok()?;
        self.is(&[])
    }

    fn elsewhere(&mut self) -> Outcome {
        let other = Server::builder(self.server.install).segment_mib(1).clock(&self.clock).start()?;
        let (ours, theirs) = (self.server.data().display().to_string(), other.data().display().to_string());
        let (our_socket, their_socket) = (self.server.connection(), other.connection());
        let change = |text: String| text.replace(&ours, &theirs).replace(&our_socket, &their_socket);
        self.is_changed(change, &["archiving-off", "other-cluster local", "other-cluster offsite", "sheet-outdated"])?;
        other.stop(Shutdown::Fast)?;
        self.is(&[])
    }

    /// Nobody has thought of drills any more. Then all reasons were told, and the month's rows are back.
    fn end(&mut self) -> Outcome {
        wait_for("drills to be old", || {
            self.night()?;
            let found = self.reasons(&self.site.config())?;
            Ok(found.iter().any(|reason| reason.starts_with("drill-old")).then_some(()))
        })?;
        self.is(&["drill-old local", "drill-old offsite"])?;
        while self.ahead / DAY < 30 {
            self.drills()?;
            self.nights(7)?;
        }
        assert_eq!(self.wrong, [""; 0]);
        // Nobody dumps here.
        let untold: Vec<&str> =
            NAMES.into_iter().filter(|name| !self.told.contains(*name) && !name.contains("dump")).collect();
        assert_eq!(untold, [""; 0]);
        assert_eq!(self.server.value("select count(*) from t")?, self.rows.to_string());
        Ok(())
    }
}
